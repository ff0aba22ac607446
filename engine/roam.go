package engine

// A command that roams (SORT … BY) learns which keys it reaches only from what it reads. It has the token before it takes a shard, so that
// it may wait for a shard while it holds others, as scripts do (locks.go), and takes the shards of the keys that it reaches one by one. One such
// command, or script, runs at a time; others wait for its shards alone.

// roam makes the command to come one that may take shards while it runs. The caller holds none. A script that is not busy has the token
// until it ends; with a busy one the gate refuses the command.
func (x *Executor) roam() {
	x.e.token.Lock()
	x.roaming = true
}

func (x *Executor) stopRoaming() {
	x.roaming = false
	x.e.token.Unlock()
}

// hasToken reports whether the executor may wait for a shard while it holds others.
func (x *Executor) hasToken() bool { return x.turnHeld || x.roaming }

// lockOneMore takes a shard beside those that are held. The executor has the token.
func (x *Executor) lockOneMore(i int) {
	x.e.lock(i)
	x.held.add(i)
	x.e.shards[i].ks.SetClock(x.mem.fresh)
	if x.script != nil {
		x.e.shards[i].scripted = x.script.busy
	}
}

// ReadsEveryKey implements spec.Engine.
func (x *Executor) ReadsEveryKey() bool {
	c := x.client
	return c.fromPrimary || c.user.Rules().ReadsEveryKey(x.call.Cmd, x.call.Args, x.pos, x.call.DB)
}
