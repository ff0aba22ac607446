package engine

import (
	"strconv"
	"strings"

	"github.com/larder-cache/larder/commands/spec"
)

// eventLetters are the classes of keyspace events, and where they are published (K: under the key's name, E: under the event's), as
// notify-keyspace-events names them. A class's bit is its place here. A is the first ten.
const (
	eventLetters = "g$lshzxetdnmKE"
	eventsOfA    = "g$lshzxetd"
)

func eventBit(class byte) uint32 {
	if i := strings.IndexByte(eventLetters, class); i >= 0 {
		return 1 << i
	}
	return 0
}

const (
	eventNew      = 'n'
	eventMiss     = 'm'
	eventsWatched = 1 << 31 // Config.Events wants all of them but those of new and of missing keys
)

// SetEvents says which keyspace events are published, in the letters of notify-keyspace-events; unknown ones are ignored. Without K
// or E there are none.
func (e *Engine) SetEvents(classes string) {
	var on uint32
	if strings.ContainsAny(classes, "KE") {
		for _, c := range []byte(strings.ReplaceAll(classes, "A", eventsOfA)) {
			on |= eventBit(c)
		}
	}
	if e.Config.Events != nil {
		on |= eventsWatched
	}
	e.events.Store(on)
}

// Notify implements spec.Engine.
func (x *Executor) Notify(class byte, event string, k *spec.KeyRef) {
	if on := x.e.events.Load(); on != 0 {
		x.notify(on, class, event, k)
	}
}

// notify publishes an event. The key's shard is held, so that a key's events have one order.
func (x *Executor) notify(on uint32, class byte, event string, k *spec.KeyRef) {
	if x.quiet {
		return
	}
	db := x.keyDB(k)
	if on&eventsWatched != 0 && x.e.Config.Events != nil && class != eventNew && class != eventMiss {
		x.e.Config.Events(db, class, event, k.Name)
	}
	if on&eventBit(class) == 0 {
		return
	}
	if on&eventBit('K') != 0 {
		x.publishEvent("__keyspace@", db, k.Name, []byte(event))
	}
	if on&eventBit('E') != 0 {
		x.publishEvent("__keyevent@", db, []byte(event), k.Name)
	}
}

func (x *Executor) publishEvent(kind string, db int, about, message []byte) {
	b := strconv.AppendInt(append(x.channel[:0], kind...), int64(db), 10)
	b = append(append(b, "__:"...), about...)
	x.e.pubsub.publish(&x.message, channels, b, message)
	if x.channel = b; cap(b) > maxKeptBuffer {
		x.channel = nil
	}
}

// freshKey is a key that the running command has looked for and not found.
type freshKey struct {
	db   int
	name string
}

// missed notes that a key is not there, while events of new keys are wanted. read says that it was looked for to be read.
func (x *Executor) missed(k *spec.KeyRef, read bool) {
	on := x.e.events.Load()
	if on == 0 {
		return
	}
	if p := x.call.Cmd.Parent(); read && (p == nil || p.Name != "object") { // which only looks at keys from outside
		x.notify(on, eventMiss, "keymiss", k)
	}
	if on&eventBit(eventNew) != 0 {
		x.fresh = append(x.fresh, freshKey{x.keyDB(k), string(k.Name)})
	}
}

// becameNew publishes that a key is there which the running command had not found. It is called when the key was changed.
func (x *Executor) becameNew(k *spec.KeyRef) {
	if !k.DB.Find(k.Hash, k.Name).Found() {
		return
	}
	was, db := x.fresh, x.keyDB(k)
	x.fresh = x.fresh[:0]
	found := false
	for _, f := range was {
		if f.db == db && f.name == string(k.Name) {
			found = true
			continue
		}
		x.fresh = append(x.fresh, f)
	}
	if found {
		x.notify(x.e.events.Load(), eventNew, "new", k)
	}
}
