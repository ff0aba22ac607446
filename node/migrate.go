package node

import (
	"errors"
	"net"
	"strconv"

	"github.com/larder-cache/larder/commands"
	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/engine"
	"github.com/larder-cache/larder/persist/keydump"
	"github.com/larder-cache/larder/wire/resp"
)

// MIGRATE. The keys are dumped with their shards held; they are sent by a goroutine that holds none, while writes to them wait (engine.Move), and deleted
// when the target has them. So it cannot be part of a transaction or a script, which are one step for everybody else. What talks to the target is in
// migratesocket.go.

// errMigrateWhole refuses MIGRATE where nothing may wait.
const errMigrateWhole = "ERR MIGRATE is not allowed in transactions and scripts: it waits for another server"

// migrated is a key to be sent, and the RESTORE that sends it.
type migrated struct{ name, restore []byte }

// migrateRun is MIGRATE with its keys' shards held.
func (n *Node) migrateRun(c *spec.Call, m *commands.Migration) {
	if c.Session.InMulti() || c.Session.FromPrimary() {
		c.Out.Error(errMigrateWhole)
		return
	}
	items, keys, err := n.dumpKeys(c, m.Replace)
	switch {
	case err != nil:
		c.Out.Error("ERR " + err.Error())
		return
	case len(items) == 0:
		c.Out.Simple("NOKEY")
		return
	}
	var move *engine.Move
	if !m.Copy {
		move = c.Engine.(*engine.Executor).Move(keys)
	}
	cl, written := c.Session.(*engine.Client), int64(0)
	n.later(c, func() error {
		there, err := n.migrator.send(m, items)
		if move != nil {
			offset, left := move.End(n.ctx, there)
			if written = offset; err == nil {
				err = left
			}
		}
		return err
	}, func(out *resp.Writer, err error) {
		if cl.NoteWrite(written); err != nil {
			out.Error(err.Error())
			return
		}
		out.OK()
	})
}

// dumpKeys makes the commands that restore those of the call's keys that are there.
func (n *Node) dumpKeys(c *spec.Call, replace bool) (items []migrated, keys []spec.KeyRef, err error) {
	compress := n.cfg.get("rdbcompression").bool()
	for i := range c.Keys {
		k := c.Key(i)
		ent := c.Engine.Read(k)
		if !ent.Found() {
			continue
		}
		payload, err := keydump.Payload(ent, compress)
		if err != nil {
			return nil, nil, err
		}
		ttl := int64(0)
		if at := ent.ExpireAt(); at >= 0 {
			ttl = max(at-c.Now, 1)
		}
		args := [][]byte{[]byte("RESTORE"), k.Name, strconv.AppendInt(nil, ttl, 10), payload, []byte("REPLACE")}
		if !replace {
			args = args[:4]
		}
		items = append(items, migrated{append([]byte(nil), k.Name...), resp.AppendCommand(nil, args...)})
		keys = append(keys, *k)
	}
	return items, keys, nil
}

// errTarget is what the target answered to one of the commands.
type errTarget string

// Error is the text that the client gets.
func (e errTarget) Error() string { return "ERR Target instance replied with error: " + string(e) }

// What the client is told when the connection is at fault.
var (
	errMigrateDial  = errors.New("IOERR error or timeout connecting to the client")
	errMigrateWrite = errors.New("IOERR error or timeout writing to target instance")
	errMigrateRead  = errors.New("IOERR error or timeout reading from target instance")
)

// target is the address that a MIGRATE names.
func target(m *commands.Migration) string { return net.JoinHostPort(m.Host, strconv.Itoa(m.Port)) }
