package differential

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// effects are what a server told of a command beside the reply: the events, and what was propagated.
type effects struct{ events, journal []string }

func (v *servers) ourEffects() (e effects) {
	if v.effects != nil {
		e.events, e.journal = v.sub.EventsTold(), v.larder.Journal()
	}
	return e
}

// compareEffects compares what larder told of the last step with what the other told of it. It returns what differs.
func (v *servers) compareEffects(s step, reply []byte, ours effects) *mismatch {
	if v.effects == nil {
		return nil
	}
	var theirs effects
	theirs.events, theirs.journal = v.effects.Told()
	if bytes.HasPrefix(reply, []byte("-")) || bytes.Contains(reply, []byte("\n-")) { // which of two errors is looked for first decides whether the key is looked for
		ours.events, theirs.events = slices.DeleteFunc(ours.events, missed), slices.DeleteFunc(theirs.events, missed)
	}
	if ours, theirs := ours.lines(), theirs.lines(); ours != theirs {
		return &mismatch{s, []byte(ours), []byte(theirs)}
	}
	return nil
}

func missed(event string) bool { return strings.HasPrefix(event, "keymiss ") }

// inRuns sorts missing keys that stand behind one another: in which order SORT looks at the members of a set is chance.
func inRuns(events []string) []string {
	for from, to := 0, 0; from < len(events); from = to + 1 {
		for to = from; to < len(events) && missed(events[to]); {
			to++
		}
		slices.Sort(events[from:to])
	}
	return events
}

// times are points in time in milliseconds, which each server reads from its clock.
var times = regexp.MustCompile(`\b\d{13,19}\b`)

// lines are the effects as they are compared.
func (e effects) lines() string {
	var b strings.Builder
	for _, e := range inRuns(e.events) {
		b.WriteString("\n! " + e)
	}
	for _, j := range e.journal {
		if words := strings.Fields(j); strings.EqualFold(words[0], "srem") { // which members SPOP takes is chance
			j = fmt.Sprint("SREM ", words[1], " and members: ", len(words)-2)
		}
		b.WriteString("\n~ " + strings.ToUpper(times.ReplaceAllString(j, "T"))) // words are propagated as they were given, or as each server writes them
	}
	return b.String()
}
