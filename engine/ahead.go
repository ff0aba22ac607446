package engine

import (
	"unsafe"

	"github.com/larder-cache/larder/store/keyspace"
	"github.com/larder-cache/larder/wire/resp"
)

// Ahead is commands of one connection's pipeline that are parsed before the first of them runs, so that the memory which they will look at is
// on its way meanwhile (keyspace.ReadAhead). An executor has one; it is empty between two turns of a connection.
type Ahead struct {
	args  [][]byte // of all of them, one after another
	cmds  []aheadCmd
	next  int
	keys  [keyspace.MaxAhead]keyspace.AheadKey
	dbs   []*keyspace.DB // by shard: the database that was used last
	touch byte           // what was read
	// key is the first argument of the command that Next gave last, if there is one, and hash its hash.
	key   []byte
	hash  uint64
	known bool // whether the client was logged in when it was parsed
}

// aheadCmd is a parsed command: its bytes, where its arguments end in Ahead.args, and the hash of the first one behind the name.
type aheadCmd struct {
	size, end int
	hash      uint64
}

// Next gives the next command of data, which begins with it, and how many bytes it has; 0 if the parser has to look itself. The arguments are
// good until the next call.
func (x *Executor) Next(c *Client, data []byte, lim *resp.Limits) (consumed int, args [][]byte) {
	a := &x.ahead
	if c.authenticated != a.known {
		x.forget() // it was parsed within the other limits
		a.known = c.authenticated
	}
	if a.next == len(a.cmds) && !x.fill(c, data, lim) {
		return 0, nil
	}
	from := 0
	if a.next > 0 {
		from = a.cmds[a.next-1].end
	}
	cmd := &a.cmds[a.next]
	a.next++
	args = a.args[from:cmd.end:cmd.end]
	if a.key = nil; len(args) >= 2 {
		a.key, a.hash = args[1], cmd.hash
	}
	return cmd.size, args
}

// forget drops what was parsed ahead and not taken: it has been overtaken by what ran, or the connection's turn is over.
func (x *Executor) forget() {
	clear(x.ahead.args) // they were in a buffer that may be given up now
	x.ahead.args, x.ahead.cmds, x.ahead.next, x.ahead.key = x.ahead.args[:0], x.ahead.cmds[:0], 0, nil
}

// hash is a key's hash, which is known already if it is the one that Next gave: the very same bytes.
func (x *Executor) hash(key []byte) uint64 {
	if a := &x.ahead; a.key != nil && unsafe.SliceData(key) == unsafe.SliceData(a.key) && len(key) == len(a.key) {
		return a.hash
	}
	return x.e.Space.Hash(key)
}

// fill parses the next commands, and has the keys of more than one read ahead.
func (x *Executor) fill(c *Client, data []byte, lim *resp.Limits) bool {
	a := &x.ahead
	a.args, a.cmds, a.next = a.args[:0], a.cmds[:0], 0
	n := 0
	for len(a.cmds) < len(a.keys) {
		size, args := resp.Complete(data, a.args, lim)
		if size == 0 {
			break
		}
		var h uint64
		if len(args)-len(a.args) >= 2 {
			h = x.e.Space.Hash(args[len(a.args)+1])
			if db := a.dbs[x.e.Space.ShardOf(h)]; db != nil && db.Index() == c.db {
				a.keys[n] = keyspace.AheadKey{Hash: h, DB: db}
				n++
			}
		}
		a.args, a.cmds = args, append(a.cmds, aheadCmd{size, len(args), h})
		data = data[size:]
	}
	if n > 1 {
		a.touch = x.e.Space.ReadAhead(a.keys[:n])
	}
	return len(a.cmds) > 0
}
