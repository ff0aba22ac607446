package differential

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/larder-cache/larder/engine/enginetest"
	"github.com/larder-cache/larder/wire/resp"
)

// What chance seldom finds stands in testdata/*.txt, with what Valkey says to it: the reply, the events, and what is propagated. Cases are parted by empty
// lines; each begins with an empty server, and runs with RESP3 and with RESP2:
//
//	# What it is about. [8.0]
//	> SET k 1
//	+OK
//	! set 0 k
//	~ SET k 1
//
// A line with > is a command, its words as in an inline request; b> gives it to another connection, b& to one that will wait, which b? makes tell what it
// got. The line behind it is the reply as it is on the wire, with blanks for the ends of lines; a line with 2 is RESP2's where that is another. Then
// come events (!) and propagated commands (~). Times of today are written as T or S (milliseconds, seconds) with the distance from now.
//
// [8.0] says that the servers before that one are not asked. A line "< 8.0" behind all that says that those before 8.0 do otherwise.
//
// larder must do what the file says, and so must the real server. -rewrite writes what the real server says if it is Valkey 8.0 or newer; with an older one
// it writes the lines "< 8.0".
var rewrite = flag.Bool("rewrite", false, "write the replies of testdata/*.txt anew")

// line is a command of a case, or the wish for the reply that was still to come.
type line struct {
	text string // as it stands in the file
	how  byte   // '>', '&' or '?'
	want []string
	// newer: servers before 8.0 do otherwise.
	newer bool
	step
}

// before80 marks what those before Valkey 8.0 do otherwise.
const before80 = "< 8.0"

// testCase is one case of a file.
type testCase struct {
	about []string // its comment, as it stands there
	since int      // the release from which on real servers do so
	lines []line
}

var sinceMark = regexp.MustCompile(`\[(\d+\.\d+)\]`)

// readCases reads a file.
func readCases(t *testing.T, path string) (out []testCase) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for block := range strings.SplitSeq(strings.TrimSpace(string(data)), "\n\n") {
		c := testCase{}
		for text := range strings.SplitSeq(strings.TrimSpace(block), "\n") {
			if l, isLine := readLine(t, path, text); isLine {
				c.lines = append(c.lines, l)
			} else if len(c.lines) > 0 {
				last := &c.lines[len(c.lines)-1]
				if text == before80 {
					last.newer = true
				} else {
					last.want = append(last.want, text)
				}
			} else {
				c.about = append(c.about, text)
				if m := sinceMark.FindStringSubmatch(text); m != nil {
					c.since = enginetest.Release(m[1])
				}
			}
		}
		out = append(out, c)
	}
	return out
}

func readLine(t *testing.T, path, text string) (line, bool) {
	t.Helper()
	rest, l := text, line{text: text}
	if after, isB := strings.CutPrefix(text, "b"); isB {
		rest, l.conn = after, 1
	}
	if rest == "" || !strings.Contains(">&?", rest[:1]) || len(rest) > 1 && rest[1] != ' ' {
		return line{}, false
	}
	l.how = rest[0]
	words, ok := resp.SplitArgs([]byte(rest[1:]), nil)
	if !ok || l.how != '?' && len(words) == 0 {
		t.Fatalf("%s: cannot be read: %s", path, text)
	}
	for _, w := range words {
		l.args = append(l.args, string(w))
	}
	return l, true
}

// outcome is what a server said to a command, and told others.
type outcome struct {
	reply           string
	events, journal []string
}

// side is one of the two servers.
type side interface {
	do(l line) []byte
	told() (events, journal []string)
}

type ourSide struct {
	*servers
	sub *enginetest.Client
}

func (o ourSide) do(l line) []byte {
	o.keepTime()
	c := o.ours[l.conn]
	if l.how == '?' {
		reply := bytes.Clone(c.Out.Buf)
		c.Out.Buf = c.Out.Buf[:0]
		return reply
	}
	reply := c.Raw(l.args...)
	if len(reply) == 0 && l.how == '>' {
		return o.waitOver(l.conn)
	}
	return reply
}

func (o ourSide) told() (events, journal []string) { return o.sub.EventsTold(), o.larder.Journal() }

type theirSide struct {
	*servers
	effects *enginetest.Effects
}

func (o theirSide) do(l line) []byte {
	c := o.theirs[l.conn]
	if l.how != '?' {
		c.Send(l.args...)
	}
	if l.how == '&' {
		o.waits()
		return nil
	}
	return c.RawReply()
}

// waits returns when a client of the real server waits.
func (o theirSide) waits() {
	o.t.Helper()
	for end := time.Now().Add(nearly); ; {
		info := string(o.theirs[0].Value("INFO", "clients").Str)
		if !strings.Contains(info, "blocked_clients:0\r\n") {
			return
		}
		if time.Now().After(end) {
			o.t.Fatal("the real server has no client that waits")
		}
	}
}

func (o theirSide) told() (events, journal []string) { return o.effects.Told() }

// playCase runs a case with one version of the protocol.
func playCase(s side, c *testCase) (out []outcome) {
	for _, l := range c.lines {
		o := outcome{reply: cmp.Or(onOneLine(s.do(l)), "waits")}
		o.events, o.journal = s.told()
		out = append(out, o)
	}
	return out
}

// onOneLine writes a reply as the file has it.
func onOneLine(reply []byte) string {
	quoted := strconv.Quote(string(reply))
	text := strings.NewReplacer(`\r\n`, " ", `\"`, `"`).Replace(quoted[1 : len(quoted)-1])
	return strings.TrimSuffix(text, " ")
}

// said are the lines of a command's outcome with RESP3 and with RESP2.
func said(three, two outcome) []string {
	out := []string{three.reply}
	if two.reply != three.reply {
		out = append(out, "2 "+two.reply)
	}
	list := func(mark string, three, two []string) {
		for _, s := range three {
			out = append(out, mark+" "+s)
		}
		if !slices.Equal(three, two) {
			for _, s := range two {
				out = append(out, "2"+mark+" "+s)
			}
		}
	}
	list("!", untimed(three.events), untimed(two.events))
	list("~", untimed(three.journal), untimed(two.journal))
	for i := range out {
		out[i] = withoutNow(out[i])
	}
	return out
}

func untimed(lines []string) (out []string) {
	for _, l := range lines {
		out = append(out, withoutNow(l))
	}
	return out
}

// today are times of these years, in milliseconds or seconds.
var today = regexp.MustCompile(`\b1[789]\d{8}(\d{3})?\b`)

// withoutNow writes times of today by their distance from now, to ten seconds.
func withoutNow(s string) string {
	return today.ReplaceAllStringFunc(s, func(number string) string {
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return number
		}
		name, at := "S", time.Unix(n, 0)
		if len(number) > 10 {
			name, at = "T", time.UnixMilli(n)
		}
		away := time.Until(at).Round(10 * time.Second)
		if away.Abs() > 400*24*time.Hour {
			return number
		}
		return fmt.Sprintf("%s%+d", name, int64(away/time.Second))
	})
}

// runCase gives a case to one side, with both versions of the protocol.
func (v *servers) runCase(s side, c *testCase) (out [][]string) {
	var all [2][]outcome
	for i, proto := range []int{3, 2} {
		v.reset(setting{proto: proto})
		s.told()
		all[i] = playCase(s, c)
	}
	for i := range all[0] {
		out = append(out, said(all[0][i], all[1][i]))
	}
	return out
}

// TestCases: larder and the real server do what testdata says.
func TestCases(t *testing.T) {
	real := startReal(t)
	v := serversWith(t, real)
	ours := ourSide{v, v.larder.Subscriber()}
	theirs := theirSide{v, real.Effects()}
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("there are no cases: %v", err)
	}
	asked := 0
	for _, path := range paths {
		cases := readCases(t, path)
		for i := range cases {
			asked += v.checkCase(path, &cases[i], ours, theirs)
		}
		if *rewrite {
			writeCases(t, path, cases)
		}
	}
	t.Logf("%s was given %d commands", v.peer, asked)
}

// checkCase runs a case on both sides. It returns how many commands the real server was given.
func (v *servers) checkCase(path string, c *testCase, ours, theirs side) (asked int) {
	v.t.Helper()
	here := v.runCase(ours, c)
	there := here
	if v.peer.release >= c.since {
		there = v.runCase(theirs, c)
		asked = len(c.lines)
	}
	ask := fmt.Sprintf("%s, %s", path, strings.Join(c.about, " "))
	for i := range c.lines {
		l := &c.lines[i]
		old := v.peer.release < 800 && v.peer.release >= c.since
		if *rewrite && old {
			l.newer = !slices.Equal(there[i], l.want)
		} else if *rewrite && v.peer.release >= 800 {
			l.want = there[i]
		}
		if !slices.Equal(here[i], l.want) {
			v.t.Errorf("%s:\n%s\n   larder: %s\n expected: %s", ask, l.text, strings.Join(here[i], "\n           "), strings.Join(l.want, "\n           "))
		}
		if same := slices.Equal(there[i], l.want); !same && !(old && l.newer) || same && l.newer && old && v.peer.release < 702 {
			v.t.Errorf("%s:\n%s\n   %s: %s\n expected: %s", ask, l.text, v.peer, strings.Join(there[i], "\n           "), strings.Join(l.want, "\n           "))
		}
	}
	return asked
}

func writeCases(t *testing.T, path string, cases []testCase) {
	t.Helper()
	var b strings.Builder
	for i, c := range cases {
		if i > 0 {
			b.WriteString("\n")
		}
		for _, l := range c.about {
			b.WriteString(l + "\n")
		}
		for _, l := range c.lines {
			b.WriteString(l.text + "\n" + strings.Join(l.want, "\n") + "\n")
			if l.newer {
				b.WriteString(before80 + "\n")
			}
		}
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}
