package keydump

import (
	"errors"

	"github.com/larder-cache/larder/persist/rdb"
	"github.com/larder-cache/larder/store/collection"
	"github.com/larder-cache/larder/store/listpack"
	"github.com/larder-cache/larder/store/value"
)

// Loads reports whether Load can build what a Reader by content has come to.
func Loads(v *rdb.Value) bool {
	switch v.Content.Type {
	case value.List, value.Set, value.Hash, value.ZSet, value.Stream:
		return v.Raw == nil
	}
	return false
}

// Load gives a collection, for which to was begun, from the Reader that has just come to it (ReaderOptions.Elements, OpenDump) to a Loader. empty says that it has
// no elements. With an error, which is the Reader's or a *rdb.CorruptError, nothing is left in to.
func Load(to *collection.Loader, r *rdb.Reader, v *rdb.Value) (empty bool, err error) {
	if c := &v.Content; v.Type == rdb.TypeHashZipmap && c.Packed != nil {
		loadZipmap(to, c.Packed)
	} else if c.Packed != nil {
		to.Packed(c.Encoding, c.Packed)
	} else if err = loadElements(to, r, v.Type); err != nil {
		to.Drop()
		return false, err
	}
	if empty, err = to.End(); err == nil {
		return empty, nil
	}
	to.Drop()
	if what := wrongWith(err, v.Content.Packed != nil); what != "" {
		err = &rdb.CorruptError{Offset: r.Offset(), What: what + " in a " + v.Content.Type.String()}
	}
	return false, err
}

// wrongWith is what a Loader's error says of the data, "" if it is about something else. Where Redis' log has words of its own, they are in it.
func wrongWith(err error, packed bool) string {
	switch {
	case errors.Is(err, collection.ErrConsumer):
		return "Duplicate stream consumer detected: " + err.Error()
	case errors.Is(err, collection.ErrDuplicate) && packed:
		return "listpack with dup elements: " + err.Error()
	case errors.Is(err, collection.ErrDuplicate), errors.Is(err, collection.ErrPending), errors.Is(err, collection.ErrStream):
		return err.Error()
	}
	return ""
}

// loadElements gives a value's elements.
func loadElements(to *collection.Loader, r *rdb.Reader, t rdb.Type) error {
	var el rdb.Element
	for {
		more, err := r.NextElement(&el)
		if err != nil || !more {
			return err
		}
		switch el.Kind {
		case rdb.ElementMember:
			to.Member(el.Name)
		case rdb.ElementField:
			at := el.ExpireAtMs
			if at == 0 {
				at = value.NoExpiry
			}
			to.Field(el.Name, el.Value, at)
		case rdb.ElementScored:
			to.Scored(el.Name, el.Score)
		case rdb.ElementNode:
			to.Node(el.Value)
		case rdb.ElementItem:
			if t == rdb.TypeList {
				to.Item(el.Value) // as it was before lists had nodes
			} else {
				to.Plain(el.Value)
			}
		default:
			loadStream(to, &el)
		}
	}
}

// loadStream gives a part of a stream.
func loadStream(to *collection.Loader, el *rdb.Element) {
	switch el.Kind {
	case rdb.ElementStreamNode:
		to.StreamNode(value.StreamID(el.ID), el.Value)
	case rdb.ElementStreamInfo:
		s := &el.Stream
		to.StreamFigures(value.StreamFigures{Length: s.Length, Last: value.StreamID(s.Last), First: value.StreamID(s.First), MaxDeleted: value.StreamID(s.MaxDeleted), Added: s.Added})
	case rdb.ElementGroup:
		to.StreamGroup(el.Name, value.StreamID(el.ID), el.EntriesRead)
	case rdb.ElementPending:
		to.StreamPending(value.StreamID(el.ID), el.TimeMs, el.Deliveries)
	case rdb.ElementConsumer:
		to.StreamConsumer(el.Name, el.TimeMs, el.ActiveMs)
	case rdb.ElementOwned:
		to.StreamOwned(value.StreamID(el.ID))
	}
}

// loadZipmap gives the fields of what was a zipmap and is a listpack now. They come one by one, as the oldest files' values may be longer than today's limit for
// packed ones: Redis looks at these, and only at the number of fields in those that came later.
func loadZipmap(to *collection.Loader, lp []byte) {
	var name, val [value.MaxIntLen]byte
	for at := listpack.First(lp); at != listpack.None; {
		next := listpack.Next(lp, at)
		to.Field(listpack.Text(lp, at, &name), listpack.Text(lp, next, &val), value.NoExpiry)
		at = listpack.Next(lp, next)
	}
}
