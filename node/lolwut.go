package node

import (
	"math/rand/v2"
	"strings"

	"github.com/larder-cache/larder/commands/spec"
)

// LOLWUT draws a larder: shelves with jars, each of them filled to another height. Its arguments are the number of columns of
// text, of shelves, and of jars on a shelf.

func lolwutCommand() *spec.Command {
	return &spec.Command{Name: "lolwut", Since: "5.0.0", Doc: "Displays computer art and the server version", Group: spec.Server, Arity: -1,
		Flags: spec.ReadOnly | spec.Fast, Args: spec.Args(spec.Opt(spec.After("VERSION", spec.Int("version")))), Run: lolwutRun}
}

// The bounds of a drawing.
const (
	lolwutColumns, lolwutMinColumns, lolwutMaxColumns = 66, 12, 1000
	lolwutShelves, lolwutMaxShelves                   = 3, 200
	lolwutMaxJars                                     = 200
	jarWidth, jarHeight                               = 6, 5
)

func lolwutRun(c *spec.Call) {
	args := c.Args[1:]
	if len(args) > 1 && spec.EqualFold(args[0], "version") {
		if _, ok := c.Int(args[1]); !ok {
			return
		}
		args = args[2:] // there is one drawing, whatever the version
	}
	size := [3]int64{lolwutColumns, lolwutShelves, 0}
	for i := range min(len(args), len(size)) {
		n, ok := c.Int(args[i])
		if !ok {
			return
		}
		size[i] = n
	}
	columns := int(min(max(size[0], lolwutMinColumns), lolwutMaxColumns))
	shelves := int(min(max(size[1], 1), lolwutMaxShelves))
	jars := (columns - 2) / (jarWidth + 1)
	if size[2] > 0 {
		jars = int(min(size[2], int64(jars), lolwutMaxJars))
	}
	rnd := rand.New(rand.NewPCG(c.Engine.Rand(), c.Engine.Rand()))
	c.Out.Verbatim("txt", drawLarder(columns, shelves, max(jars, 1), rnd)+"\nA larder, stocked by chance. Redis ver. "+RedisVersion+"\n")
}

// drawLarder draws shelves of jars between two posts.
func drawLarder(columns, shelves, jars int, rnd *rand.Rand) string {
	inner := columns - 2
	row := func(s string) string { return "|" + s + strings.Repeat(" ", max(inner-len([]rune(s)), 0)) + "|\n" }
	board := "|" + strings.Repeat("=", inner) + "|\n"
	var b strings.Builder
	b.WriteString(" " + strings.Repeat("_", inner) + " \n")
	for range shelves {
		lines := make([]strings.Builder, jarHeight)
		for range jars {
			for i, part := range jar(rnd) {
				lines[i].WriteString(" " + part)
			}
		}
		for i := range lines {
			b.WriteString(row(lines[i].String()))
		}
		b.WriteString(board)
	}
	return b.String()
}

// jar is one jar, or the gap where one was, in lines of jarWidth.
func jar(rnd *rand.Rand) [jarHeight]string {
	if rnd.IntN(8) == 0 {
		blank := strings.Repeat(" ", jarWidth)
		return [jarHeight]string{blank, blank, blank, blank, blank}
	}
	out := [jarHeight]string{" .--. ", "", "", "", "'----'"}
	what, level := []string{"░", "▒", "▓", "o", "~", "%"}[rnd.IntN(6)], rnd.IntN(4)
	for i := 1; i <= 3; i++ {
		fill := " "
		if 3-i < level {
			fill = what
		}
		out[i] = "|" + strings.Repeat(fill, jarWidth-2) + "|"
	}
	return out
}
