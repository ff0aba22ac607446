package engine

// Watched is how many keys are watched.
func (e *Engine) Watched() (n int) {
	for i := range e.shards {
		n += len(e.shards[i].watchers)
	}
	return n
}
