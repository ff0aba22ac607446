package node

import (
	"sync"

	"github.com/larder-cache/larder/engine"
)

// oomScore is what oom-score-adj has done to the process.
type oomScore struct {
	mu       sync.Mutex
	adjusted bool
	base     int // the score before the first change
}

// The words of oom-score-adj, by their place in its enum.
const (
	oomNo       = 0
	oomAbsolute = 3
)

// adjustOOMScore makes the kernel's mark for the process what oom-score-adj and oom-score-adj-values say for its role. Once it is
// off again, the mark is what it was.
func (n *Node) adjustOOMScore() error {
	o := &n.oom
	o.mu.Lock()
	defer o.mu.Unlock()
	mode := n.cfg.get("oom-score-adj").int()
	if mode == oomNo {
		if !o.adjusted {
			return nil
		}
		o.adjusted = false
		return writeOOMScore(o.base)
	}
	if !o.adjusted {
		base, err := readOOMScore()
		if err != nil {
			return err
		}
		o.base, o.adjusted = base, true
	}
	scores, err := parseOOMScores(n.cfg.get("oom-score-adj-values").string())
	if err != nil {
		return err
	}
	score := scores[0]
	if n.engine.Gate()&engine.GateReplica != 0 {
		score = scores[1]
	}
	if mode != oomAbsolute {
		score += o.base
	}
	return writeOOMScore(min(max(score, -1000), 1000))
}

// roleChanged is called within the barrier in which the node becomes a replica or a primary.
func (n *Node) roleChanged() {
	if n.cfg.get("oom-score-adj").int() == oomNo {
		return
	}
	if err := n.adjustOOMScore(); err != nil {
		n.log.Warn("Unable to write oom_score_adj", "error", err)
	}
}
