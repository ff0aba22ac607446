package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// bench is one run: its servers, and what it has found.
type bench struct {
	kinds   []*kind
	dir     string
	out     io.Writer // the terminal
	report  strings.Builder
	started time.Time

	throughput map[place]float64
	marks      []verdict
	skipped    []string
	unmeasured []string
}

// verdict is one mark, and whether it was met.
type verdict struct {
	what string
	met  bool
	text string
}

// say writes to the report and to the terminal.
func (b *bench) say(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	b.report.WriteString(text)
	io.WriteString(b.out, text) //nolint:errcheck // a terminal that is gone
}

// progress writes to the terminal only.
func (b *bench) progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "[%6.1fs] %s\n", time.Since(b.started).Seconds(), fmt.Sprintf(format, args...))
}

func (b *bench) row(cells ...string) { b.say("| %s |\n", strings.Join(cells, " | ")) }

func (b *bench) rule(n int) { b.say("|%s\n", strings.Repeat("---|", n)) }

// skip notes what could not be measured, and why.
func (b *bench) skip(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	b.skipped = append(b.skipped, text)
	b.progress("left out: %s", text)
}

// mark judges a value that may be at most most.
func (b *bench) mark(what string, value, most float64) string {
	return b.judge(what, value <= most, fmt.Sprintf("%.2f, at most %.2f", value, most))
}

// atLeast judges a value that must be at least least.
func (b *bench) atLeast(what string, value, least float64) string {
	return b.judge(what, value >= least, fmt.Sprintf("%.2f, at least %.2f", value, least))
}

func (b *bench) judge(what string, met bool, text string) string {
	b.marks = append(b.marks, verdict{what, met, text})
	if met {
		return "met"
	}
	return "**missed** (" + text + ")"
}

// summary lists the marks: those that were missed by name.
func (b *bench) summary() {
	met := 0
	var missed strings.Builder
	for _, v := range b.marks {
		if v.met {
			met++
			continue
		}
		fmt.Fprintf(&missed, "- %s: %s\n", v.what, v.text)
	}
	b.say("\n## Marks\n\n%d of %d met.", met, len(b.marks))
	if missed.Len() > 0 {
		b.say(" Missed:\n\n%s", missed.String())
	} else {
		b.say("\n")
	}
	for _, list := range []struct {
		title string
		items []string
	}{{"Not measured on this machine", b.unmeasured}, {"Left out, as the server refused", b.skipped}} {
		if len(list.items) > 0 {
			b.say("\n%s:\n\n- %s\n", list.title, strings.Join(list.items, "\n- "))
		}
	}
}

func mib(n int64) string { return fmt.Sprintf("%.1f", float64(n)/(1<<20)) }
