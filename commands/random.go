package commands

import (
	"math"

	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/commands/spec"
)

// What HRANDFIELD, SRANDMEMBER and ZRANDMEMBER have in common.

// randomCount reads the count of a command that answers random elements, and whether word follows it; false after it has answered an error.
func randomCount(c *spec.Call, word string) (n int64, with, ok bool) {
	if n, ok = c.Int(c.Args[2]); !ok {
		return 0, false, false
	}
	switch {
	case n == math.MinInt64:
		c.Out.Error("ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807")
	case len(c.Args) > 4 || len(c.Args) == 4 && !spec.EqualFold(c.Args[3], word):
		c.Out.Error(spec.ErrSyntax)
	case len(c.Args) == 4 && (n < -math.MaxInt64/2 || n > math.MaxInt64/2):
		c.Out.Error(spec.ErrOutOfRange)
	default:
		return n, len(c.Args) == 4, true
	}
	return 0, false, false
}

// mayRepeat reports whether n elements, which may repeat, can be answered; false after it has answered an error. Of any number of them the client's output
// limit leaves what memory there is for it; where there is none, the number is bounded.
func mayRepeat(c *spec.Call, n int64) bool {
	if n > limits.MaxRandomElements && c.Session.OutputLimit() == 0 {
		c.Out.Error(spec.ErrOutOfRange)
		return false
	}
	return true
}

// repeat has tell answer n elements, or as many as the client can be sent before it is cut for the rest.
func repeat(c *spec.Call, n int64, tell func()) {
	most := c.Session.OutputLimit()
	for range n {
		if tell(); most > 0 && int64(len(c.Out.Buf)) > most {
			c.Session.CutShort()
			return
		}
	}
}
