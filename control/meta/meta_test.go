package meta_test

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/larder-cache/larder/control/meta"
)

func TestKeys(t *testing.T) {
	k := meta.Keys{Account: "000000000000", Region: "eu-central-1"}
	root := "/larder/v1/000000000000/eu-central-1/"
	for got, want := range map[string]string{
		k.Root():                          root,
		k.Resource("group", "orders"):     root + "resources/group/orders",
		k.Resources("group"):              root + "resources/group/",
		k.AllResources():                  root + "resources/",
		k.ID("cluster", "orders-001"):     root + "ids/cluster/orders-001",
		k.IDs("cluster"):                  root + "ids/cluster/",
		k.Event(1_700_000_000_123, "7"):   root + "events/0000001700000000123/7",
		k.Events():                        root + "events/",
		k.Spec("host", "orders-001"):      root + "specs/host/orders-001",
		k.Status("host", "orders-001"):    root + "status/host/orders-001",
		k.Statuses("host"):                root + "status/host/",
		k.AllStatuses():                   root + "status/",
		k.AllSpecs():                      root + "specs/",
		k.Election("planner"):             root + "elections/planner",
		k.Resource("a/b", "../c d"):       root + "resources/a%2Fb/..%2Fc%20d",
		meta.Keys{Account: "a/b"}.Root():  "/larder/v1/a%2Fb//",
		k.Specs("host") + "x":             k.Spec("host", "x"),
		k.Event(-5, "early"):              root + "events/0000000000000000000/early",
		k.Resource("group", "größe"):      root + "resources/group/gr%C3%B6%C3%9Fe",
		strings.TrimPrefix(k.Root(), "/"): root[1:],
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if k.Event(9, "z") >= k.Event(10, "a") {
		t.Error("events do not sort by time")
	}
}

// TestKeysRoundTrip: any names come back, and no key lies below another kind's prefix.
func TestKeysRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringN(1, 20, -1)
		k := meta.Keys{Account: name.Draw(t, "account"), Region: name.Draw(t, "region")}
		kind, id, other := name.Draw(t, "kind"), name.Draw(t, "id"), name.Draw(t, "other")
		key := k.Resource(kind, id)
		got, ok := k.Parts(key)
		if !ok || !slices.Equal(got, []string{"resources", kind, id}) {
			t.Fatalf("Parts(%q) = %q, %v", key, got, ok)
		}
		if other != kind && strings.HasPrefix(key, k.Resources(other)) {
			t.Fatalf("%q lies below the prefix of %q", key, other)
		}
	})
}

func TestPartsRefuses(t *testing.T) {
	k := meta.Keys{Account: "1", Region: "r"}
	for _, key := range []string{"", "/", k.Root(), k.AllResources(), "/larder/v1/1/other/ids/a", k.Root() + "a/%zz", k.Root() + "a//b"} {
		if parts, ok := k.Parts(key); ok {
			t.Errorf("Parts(%q) = %q", key, parts)
		}
	}
}

func TestFoldIgnoresWhatItHasSeen(t *testing.T) {
	at := func(key string, rev meta.Revision) meta.KV { return meta.KV{Key: key, Create: rev, Mod: rev} }
	f := meta.NewFold([]meta.KV{at("b", 5), at("a", 3)}, 6)
	f.Apply(meta.Batch{Revision: 5, Events: []meta.Event{
		{Type: meta.EventDelete, KV: meta.KV{Key: "a", Mod: 4}}, {Type: meta.EventPut, KV: at("b", 5)},
	}})
	f.Apply(meta.Batch{Revision: 8, Events: []meta.Event{
		{Type: meta.EventDelete, KV: meta.KV{Key: "b", Mod: 7}}, {Type: meta.EventPut, KV: at("c", 8)},
	}})
	if got, want := f.List(), []meta.KV{at("a", 3), at("c", 8)}; !reflect.DeepEqual(got, want) || f.Revision() != 8 {
		t.Errorf("%+v at %d, want %+v", got, f.Revision(), want)
	}
}

func TestErrorsNameWhatIsWrong(t *testing.T) {
	var err error = &meta.TooLargeError{What: "value", Key: "/k", Size: 3, Limit: 2}
	if !errors.Is(err, meta.ErrTooLarge) || errors.Is(err, meta.ErrInvalid) || !strings.Contains(err.Error(), "/k") {
		t.Errorf("%v", err)
	}
	err = meta.Result{Failed: []meta.Guard{meta.Absent("/a"), meta.CreatedAt("/b", 7)}}.Err()
	for _, word := range []string{"/a is absent", "/b was created at revision 7"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%v does not say %q", err, word)
		}
	}
	if s := (meta.Guard{Key: "/c"}).String(); !strings.Contains(s, "unknown") || (meta.Guard{}).Holds(0, 0) {
		t.Errorf("the zero guard: %s", s)
	}
}
