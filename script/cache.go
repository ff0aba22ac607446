package script

import (
	"container/list"
	"sync"

	"github.com/larder-cache/larder/base/limits"
)

// Cached is a script of EVAL, by its SHA1.
type Cached struct {
	SHA    string
	Source string
	Flags  Flags
	Code   *Function

	evals *list.Element // its place among those that EVAL brought; nil after SCRIPT LOAD
}

// Cache keeps the scripts that a node has seen. Those that came by EVAL make room for others, limits.MaxEvalScripts at most; those of
// SCRIPT LOAD stay until SCRIPT FLUSH.
type Cache struct {
	bySHA   map[string]*Cached
	byText  map[string]*Cached // by Source
	evals   *list.List         // of *Cached, the least recently used first
	bytes   int64
	Evicted int64 // how many made room since it was last set to 0

	declared sync.Map // Flags by SHA1 of the scripts that have declared any
}

// NewCache makes an empty one.
func NewCache() *Cache {
	return &Cache{bySHA: map[string]*Cached{}, byText: map[string]*Cached{}, evals: list.New()}
}

// Get finds a script; nil if it is not there.
func (c *Cache) Get(sha string) *Cached { return c.bySHA[sha] }

// Find finds a script by its source, which is quicker than to work out its SHA1; nil if it is not there.
func (c *Cache) Find(source []byte) *Cached { return c.byText[string(source)] }

// Declared are the flags of a script that has declared some. Anyone may ask, at any time.
func (c *Cache) Declared(sha string) (Flags, bool) {
	flags, ok := c.declared.Load(sha)
	if !ok {
		return 0, false
	}
	return flags.(Flags), true
}

// Len is how many scripts there are.
func (c *Cache) Len() int { return len(c.bySHA) }

// Bytes is what their sources and names take.
func (c *Cache) Bytes() int64 { return c.bytes }

// Add keeps a script that is not there. loaded: by SCRIPT LOAD.
func (c *Cache) Add(s *Cached, loaded bool) {
	if !loaded {
		for c.evals.Len() >= limits.MaxEvalScripts {
			c.drop(c.evals.Front().Value.(*Cached))
			c.Evicted++
		}
		s.evals = c.evals.PushBack(s)
	}
	c.bySHA[s.SHA], c.byText[s.Source] = s, s
	if s.Flags&Compat == 0 {
		c.declared.Store(s.SHA, s.Flags)
	}
	c.bytes += int64(len(s.SHA) + len(s.Source))
}

func (c *Cache) drop(s *Cached) {
	c.evals.Remove(s.evals)
	delete(c.bySHA, s.SHA)
	delete(c.byText, s.Source)
	c.declared.Delete(s.SHA)
	c.bytes -= int64(len(s.SHA) + len(s.Source))
}

// Used says that a script was run.
func (c *Cache) Used(s *Cached) {
	if s.evals != nil {
		c.evals.MoveToBack(s.evals)
	}
}

// Keep says that a script is to stay: SCRIPT LOAD of one that EVAL has brought.
func (c *Cache) Keep(s *Cached) {
	if s.evals != nil {
		c.evals.Remove(s.evals)
		s.evals = nil
	}
}

// Flush forgets all scripts; what was counted stays.
func (c *Cache) Flush() {
	c.bySHA, c.byText, c.bytes = map[string]*Cached{}, map[string]*Cached{}, 0
	c.evals.Init()
	c.declared.Clear()
}
