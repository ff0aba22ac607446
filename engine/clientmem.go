package engine

import (
	"slices"
	"unsafe"
)

// Clients' memory, for maxmemory-clients. Each loop accounts its own clients once a turn; whoever finds the sum too big at the
// end of a turn ends the biggest ones.

// What a client takes beside its buffers, about: its own structures and those of its connection; a watched key's beside its name.
const (
	clientBytes = 2048
	watchBytes  = 160
)

// Account says what memory the client's buffers take: that of unread requests (queryCap), with queryLen bytes in it that are not
// read and arguments bytes of a command that is not complete, and that of replies. For the client's own loop, at the end of its turn.
func (c *Client) Account(queryLen, arguments, queryCap, outCap int64) {
	i := &c.info
	set64(&i.queryLen, queryLen)
	set64(&i.queryFree, queryCap-queryLen-arguments)
	if c.blocked.Load() == nil {
		set64(&i.argvMem, arguments)
	}
	set64(&i.outCap, outCap)
	mem := clientBytes + queryCap + outCap + c.multi.size + c.multi.watchSize + c.listenBytes
	set64(&i.mem, mem)
	if !c.limited() {
		mem = 0
	}
	if c.accounted.Load() != mem {
		c.account(mem)
		if c.gone.Load() {
			c.account(0)
		}
	}
}

// limited: the memory of replicas, of the primary and of the control plane is not what maxmemory-clients is about.
func (c *Client) limited() bool {
	k := c.Class()
	return c.reg != nil && !c.admin.Load() && (k == ClassNormal || k == ClassPubSub)
}

// account makes a client's part of the sum what it is now.
func (c *Client) account(mem int64) {
	if old := c.accounted.Swap(mem); c.reg != nil {
		c.reg.mem.Add(mem - old)
	}
}

// SetClientLimit is maxmemory-clients in bytes; 0: no limit. One that is too small to talk to the node at all is not taken
// literally.
func (e *Engine) SetClientLimit(bytes int64) {
	if bytes > 0 {
		bytes = max(bytes, minClientLimit)
	}
	e.clientLimit.Store(bytes)
}

const minClientLimit = 128 << 10

// TooBig reports whether a client has to be ended for maxmemory-clients before a big command of it runs. Its loop has accounted it.
func (x *Executor) TooBig(c *Client) bool {
	x.e.limitClients()
	return c.killed.Load()
}

// limitClients ends the biggest clients until the rest take less than maxmemory-clients.
func (e *Engine) limitClients() {
	limit := e.clientLimit.Load()
	if limit == 0 || e.clients.mem.Load() < limit || !e.evicting.TryLock() {
		return
	}
	defer e.evicting.Unlock()
	type victim struct {
		c   *Client
		mem int64
	}
	var victims []victim
	for _, c := range e.Clients() {
		if c.evictable() {
			victims = append(victims, victim{c, c.info.mem.Load()})
		}
	}
	slices.SortStableFunc(victims, func(a, b victim) int { return int(min(max(b.mem-a.mem, -1), 1)) })
	now := e.Clock.Now().UnixMilli()
	for _, v := range victims {
		if e.clients.mem.Load() < limit {
			return
		}
		if e.Evicted != nil {
			e.Evicted(v.c.Line(now))
		}
		e.stats.evictedClients.Add(1)
		v.c.Kill(false)
	}
}

// evictable: whoever counts, and has not asked to be spared.
func (c *Client) evictable() bool { return c.limited() && !c.noEvict.Load() && !c.killed.Load() }

// tableBytes are the shards' and the commands' own: what an engine has with no client and no key, bytes.
func (e *Engine) tableBytes() int64 {
	return int64(len(e.shards))*int64(unsafe.Sizeof(shard{})) + int64(len(e.stats.commands))*int64(unsafe.Sizeof(commandCounters{}))
}

// Structures is what the engine's tables take, and all clients beside their buffers, about, bytes.
func (e *Engine) Structures() int64 { return e.tableBytes() + e.ClientStructures() }

// ClientStructures is what all clients take beside their buffers, about, bytes.
func (e *Engine) ClientStructures() int64 { return e.clients.fixed.Load() }
