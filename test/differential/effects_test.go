package differential

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// compareEffects compares what both told of the last step beside their replies: the events, and what was propagated. It returns what differs.
func (v *servers) compareEffects(s step, reply []byte) *mismatch {
	if v.effects == nil {
		return nil
	}
	events, journal := v.sub.EventsTold(), v.larder.Journal()
	theirEvents, theirJournal := v.effects.Told()
	if bytes.HasPrefix(reply, []byte("-")) || bytes.Contains(reply, []byte("\n-")) { // which of two errors is looked for first decides whether the key is looked for
		events, theirEvents = slices.DeleteFunc(events, missed), slices.DeleteFunc(theirEvents, missed)
	}
	ours, theirs := effectLines(inRuns(events), journal), effectLines(inRuns(theirEvents), theirJournal)
	if ours == theirs {
		return nil
	}
	return &mismatch{s, []byte(ours), []byte(theirs)}
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
var times = regexp.MustCompile(`\b\d{13}\b`)

func effectLines(events, journal []string) string {
	var b strings.Builder
	for _, e := range events {
		b.WriteString("\n! " + e)
	}
	for _, j := range journal {
		if words := strings.Fields(j); strings.EqualFold(words[0], "srem") { // which members SPOP takes is chance
			j = fmt.Sprint("SREM ", words[1], " and members: ", len(words)-2)
		}
		b.WriteString("\n~ " + strings.ToUpper(times.ReplaceAllString(j, "T"))) // words are propagated as they were given, or as each server writes them
	}
	return b.String()
}
