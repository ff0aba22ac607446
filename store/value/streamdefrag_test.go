package value

import (
	"fmt"
	"strings"
	"testing"
)

// Parts of a stream, by what defragmentation goes over.
const (
	entriesPart = iota
	pendingPart // of its group
	ownedPart   // of its consumers
	numParts
)

// alikeStreams makes streams of the same kind by turns, so that each has some of the blocks of every run of memory.
func alikeStreams(env *Env, n int, text string) []RootedStream {
	const entries, perNode = 3000, 4
	all := make([]RootedStream, n)
	for i := range all {
		all[i] = NewStream(env)
		all[i].AddGroup([]byte("group"), StreamID{}, 0)
	}
	for i := range entries {
		id := StreamID{Ms: uint64(i + 1)}
		for _, s := range all {
			s.Append(StreamFill{Entries: perNode}, id, byteStrings([]string{text, fmt.Sprint(i)}))
		}
	}
	for _, who := range consumerNames[:2] {
		for _, s := range all {
			g, _ := s.OwnGroup([]byte("group"))
			g.AddConsumer([]byte(who), 1, 1)
		}
	}
	for i := range entries {
		for _, s := range all {
			g, _ := s.OwnGroup([]byte("group"))
			c, _ := g.OwnConsumer([]byte(consumerNames[i%2]))
			g.Deliver(c, StreamID{Ms: uint64(i + 1)}, int64(len(text)), uint64(i))
		}
	}
	return all
}

func freeStream(s RootedStream) {
	Owners(s.env.Arena, s.root).Store(0)
	for !Free(s.env, Stream, s.root, 1000) {
	}
}

// scatteredStream is a stream whose blocks lie in runs that are nearly empty: all of it should move.
func scatteredStream(env *Env) RootedStream {
	all := alikeStreams(env, 8, "kept")
	for i, s := range all {
		if i != 3 {
			freeStream(s)
		}
	}
	return all[3]
}

// defragParts goes over all of a stream, and tells how many blocks it moved in each of its parts.
func defragParts(s RootedStream) (moved [numParts]int) {
	for at, more := uint64(0), true; more; more = at != 0 {
		part, _ := splitPosition(at)
		next, n, _ := Defrag(s.env, Stream, s.root, at)
		moved[min(part, ownedPart)] += n
		at = next
	}
	return moved
}

// TestStreamDefragLeavesWhatIsShared: of a stream that has a clone nothing is moved but what is the stream's alone, as the clone refers to the rest, perhaps under another shard's lock.
func TestStreamDefragLeavesWhatIsShared(t *testing.T) {
	for part, n := range defragParts(scatteredStream(newEnv(t))) {
		if n == 0 {
			t.Fatalf("part %d: nothing moves of a stream that is nobody else's, so nothing is shown here", part)
		}
	}
	env := newEnv(t)
	s := scatteredStream(env)
	clone, want := s.clone(env), showStream(s)
	if moved := defragParts(s); moved != [numParts]int{} {
		t.Errorf("all is shared, and moved were %d", moved)
	}
	s.OwnGroup([]byte("group")) // its block is the stream's alone from now on, and what is in it is shared
	if moved := defragParts(s); moved != [numParts]int{} {
		t.Errorf("what is in the group is shared, and moved were %d", moved)
	}
	// Leaves of all trees become the stream's alone; the blocks that they refer to are shared but for those that change.
	g, _ := s.OwnGroup([]byte("group"))
	for i := uint64(1); i < 3000; i += 5 {
		g.Ack(StreamID{Ms: i})
		s.Delete(StreamID{Ms: i})
	}
	own := showStream(s)
	defragParts(s)
	for _, other := range alikeStreams(env, 8, strings.Repeat("x", 4)) { // takes what was wrongly freed
		freeStream(other)
	}
	for what, c := range map[string]struct {
		s    RootedStream
		want string
	}{"the clone": {clone, want}, "the stream": {s, own}} {
		if err := Check(env, Stream, c.s.root); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if showStream(c.s) != c.want {
			t.Errorf("%s is not what it was", what)
		}
		freeStream(c.s)
	}
	if used := env.Arena.Used(); used != 0 {
		t.Errorf("%d bytes are left", used)
	}
}
