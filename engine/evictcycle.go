package engine

// Evictor goes on with evictions that commands had no time for, and begins them when maxmemory is lowered. One goroutine uses it.
type Evictor struct{ x *Executor }

// NewEvictor makes the background's evictor. Only one is to be used.
func (e *Engine) NewEvictor() *Evictor { return &Evictor{e.NewExecutor()} }

// wakeEvictor asks the background to look whether memory is over its limit.
func (e *Engine) wakeEvictor() {
	select {
	case e.eviction.wake <- struct{}{}:
	default: // it has been asked already
	}
}

// Wanted gets a message whenever there is something to do.
func (v *Evictor) Wanted() <-chan struct{} { return v.x.e.eviction.wake }

// Run evicts for as long as a command might, and reports whether it is to be called again at once. It holds one shard at a time, for one key.
func (v *Evictor) Run() (more bool) {
	x := v.x
	x.BeginTurn()
	x.seeEviction()
	more = x.mem.ev.Limit > 0 && x.makeRoom() == roomRunning
	x.EndTurn()
	return more
}
