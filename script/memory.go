package script

import (
	"runtime"
	"runtime/metrics"
)

// memory is the bound of what a run may take. Go tells nobody which goroutine has allocated what, so it is of the process' heap that the
// bound speaks, and three things keep it from blaming a script for others. What is dead is nobody's fault: the collector is asked before
// anything is said. What other parts of the process hold and count themselves (Config.Others) raises the bound as it grows. And a run
// ends only when the process has allocated as much as the bound in its time: what was there before, and only came to light with the
// collection, is not the run's.
//
// A run that ends within a millisecond, and makes no strings of megabytes, never looks at all.
type memory struct {
	bound   uint64       // bytes
	counted func() int64 // Config.Others
	samples [3]metrics.Sample

	begun   bool   // the figures below are this run's
	ceiling uint64 // what may be alive of the heap, if others hold no more than they did
	others  int64  // what others held
	before  uint64 // what the process had allocated
	suspect uint64 // from which size of the heap on, the dead included, the collector is asked; at least ceiling
}

// The samples.
const (
	takenSample     = iota // the heap, and what is dead in it and not swept yet
	aliveSample            // what the last collection has found alive
	allocatedSample        // what was ever allocated
)

func (m *memory) init(cfg Config) {
	m.bound, m.counted = cfg.Memory, cfg.Others
	if m.counted == nil {
		m.counted = func() int64 { return 0 }
	}
	m.samples[takenSample].Name = "/memory/classes/heap/objects:bytes"
	m.samples[aliveSample].Name = "/gc/heap/live:bytes"
	m.samples[allocatedSample].Name = "/gc/heap/allocs:bytes"
}

func (m *memory) read(i int) uint64 {
	metrics.Read(m.samples[i : i+1])
	return m.samples[i].Value.Uint64()
}

// taken is how many bytes of the heap are taken, by what is dead, too, until it is swept.
func (m *memory) taken() uint64 { return m.read(takenSample) }

// begin notes what is there before a run, or soon after its begin. The bound counts from what was alive: if it counted from what is
// taken, one script's garbage would be the next one's room.
func (m *memory) begin() {
	m.begun = true
	m.ceiling = m.read(aliveSample) + m.bound
	m.suspect = m.ceiling
	m.others, m.before = m.counted(), m.read(allocatedSample)
}

// exceeded reports whether the run has taken too much, or will have with so many bytes more.
func (m *memory) exceeded(more uint64) bool {
	if !m.begun {
		m.begin()
	}
	grown := uint64(max(m.counted()-m.others, 0))
	if m.taken()+more <= m.suspect+grown {
		return false
	}
	runtime.GC()
	live := m.taken()
	if live+more > m.ceiling+grown && m.read(allocatedSample)+more-m.before > m.bound {
		return true
	}
	// The collector should not be asked again before much is new.
	m.suspect = max(m.ceiling, live-min(live, grown)+m.bound/4)
	return false
}
