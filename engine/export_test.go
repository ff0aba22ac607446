package engine

// Watched is how many keys are watched.
func (e *Engine) Watched() (n int) {
	for i := range e.shards {
		n += len(e.shards[i].watchers)
	}
	return n
}

// TotalCommands is how many commands ran since the start or the last reset.
func (e *Engine) TotalCommands() uint64 { return e.stats.total.Load() }

// ClientMemory is what the clients that maxmemory-clients is about take together, bytes.
func (e *Engine) ClientMemory() int64 { return e.clients.mem.Load() }
