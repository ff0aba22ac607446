package model

import (
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-cache/larder/nodeapi"
)

var addrPorts = cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })

// filled sets every field of a struct to something that is not zero, so that a codec cannot forget one unnoticed.
func filled(v reflect.Value) {
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Date(2026, 11, 20, 1, 2, 3, 0, time.UTC)))
		return
	case netip.AddrPort:
		v.Set(reflect.ValueOf(netip.MustParseAddrPort("127.0.0.9:6379")))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint16, reflect.Uint64:
		v.SetUint(1)
	case reflect.Struct:
		for i := range v.NumField() {
			filled(v.Field(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		filled(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		filled(v.Index(0))
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		filled(key)
		filled(value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	default:
		panic(fmt.Sprintf("the test does not know how to fill a %s", v.Type()))
	}
}

func TestCodecsKeepEveryField(t *testing.T) {
	var d Desired
	filled(reflect.ValueOf(&d).Elem())
	b, err := EncodeDesired(d)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := DecodeDesired(b); err != nil || cmp.Diff(d, got, addrPorts) != "" {
		t.Errorf("desired: %v\n%s", err, cmp.Diff(d, got, addrPorts))
	}

	var a Assignment
	filled(reflect.ValueOf(&a).Elem())
	if b, err = EncodeAssignment(a); err != nil {
		t.Fatal(err)
	}
	if got, err := DecodeAssignment(b); err != nil || cmp.Diff(a, got, addrPorts) != "" {
		t.Errorf("assignment: %v\n%s", err, cmp.Diff(a, got, addrPorts))
	}

	var e Event
	filled(reflect.ValueOf(&e).Elem())
	if b, err = EncodeEvent(e); err != nil {
		t.Fatal(err)
	}
	if got, err := DecodeEvent(b); err != nil || got != e {
		t.Errorf("event: %v, %+v", err, got)
	}

	var f Floor
	filled(reflect.ValueOf(&f).Elem())
	if b, err = EncodeFloor(f); err != nil {
		t.Fatal(err)
	}
	if got, err := DecodeFloor(b); err != nil || got != f {
		t.Errorf("floor: %v, %+v", err, got)
	}

	var st nodeapi.NodeStatus
	filled(reflect.ValueOf(&st).Elem())
	if b, err = EncodeStatus(st); err != nil {
		t.Fatal(err)
	}
	if got, err := DecodeStatus(b); err != nil || cmp.Diff(st.Stable(), got, addrPorts) != "" {
		t.Errorf("status: %v\n%s", err, cmp.Diff(st.Stable(), got, addrPorts))
	}
}

func TestDecodeRefuses(t *testing.T) {
	for name, b := range map[string]string{"newer": `{"format":2}`, "no format": `{}`, "damaged": `{"format":1,"id":`, "wrong type": `{"format":1,"id":7}`} {
		if _, err := DecodeDesired([]byte(b)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestAllocateFromPool(t *testing.T) {
	a := Addressing{Mode: AddressPool, Pools: map[string]netip.Prefix{"z": netip.MustParsePrefix("127.9.0.0/29")}}
	used := Addresses{}
	var got []string
	for {
		ap, err := a.Allocate("z", 7000, used)
		if err != nil {
			if !strings.Contains(err.Error(), "no free address") {
				t.Error(err)
			}
			break
		}
		used[ap] = true
		got = append(got, ap.String())
	}
	want := []string{"127.9.0.1:7000", "127.9.0.2:7000", "127.9.0.3:7000", "127.9.0.4:7000", "127.9.0.5:7000", "127.9.0.6:7000"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	delete(used, netip.MustParseAddrPort("127.9.0.3:7000"))
	if ap, err := a.Allocate("z", 7001, used); err != nil || ap.String() != "127.9.0.3:7001" {
		t.Errorf("the freed address: %v %v", ap, err)
	}
	if _, err := a.Allocate("y", 7000, nil); err == nil {
		t.Error("a zone without a pool gave an address")
	}
}

func TestAllocatePorts(t *testing.T) {
	a := Addressing{Mode: AddressPorts, Advertise: netip.MustParseAddr("10.0.0.7"), FirstPort: 65534, LastPort: 65535}
	used := Addresses{}
	for _, want := range []string{"10.0.0.7:65534", "10.0.0.7:65535"} {
		ap, err := a.Allocate("any", 6379, used)
		if err != nil || ap.String() != want {
			t.Fatalf("%v %v, want %s", ap, err, want)
		}
		used[ap] = true
	}
	if _, err := a.Allocate("any", 6379, used); err == nil {
		t.Error("a full range gave a port")
	}
}

func TestMaxMemory(t *testing.T) {
	micro, ok := LookupNodeType("cache.t3.micro")
	if !ok || micro.MaxMemory != 536870912 {
		t.Fatalf("cache.t3.micro: %+v", micro)
	}
	for _, c := range []struct {
		memory int64
		nodes  int
		want   int64
		capped bool
	}{
		{0, 9, 536870912, false}, {8 << 30, 3, 536870912, false}, {1 << 30, 1, 256 << 20, true}, {1 << 30, 4, 256 << 20, true},
		{1 << 30, 5, 128 << 20, true}, {1 << 30, 8, 128 << 20, true}, {1 << 30, 9, 64 << 20, true},
	} {
		got, capped := Host{Memory: c.memory, Nodes: c.nodes}.MaxMemory(micro)
		if got != c.want || capped != c.capped {
			t.Errorf("%d bytes, %d nodes: %d %v, want %d %v", c.memory, c.nodes, got, capped, c.want, c.capped)
		}
		if c.memory > 0 && got*int64(c.nodes) > c.memory {
			t.Errorf("%d nodes of %d do not fit %d", c.nodes, got, c.memory)
		}
	}
}

func TestNodeTypesAreInOrder(t *testing.T) {
	seen := map[string]bool{}
	last := NodeType{}
	for _, n := range NodeTypes() {
		if seen[n.Name] {
			t.Errorf("%s stands twice", n.Name)
		}
		seen[n.Name] = true
		family := func(name string) string { return strings.Split(name, ".")[1] }
		if last.Name != "" && family(last.Name) == family(n.Name) && n.MaxMemory <= last.MaxMemory {
			t.Errorf("%s is not larger than %s", n.Name, last.Name)
		}
		last = n
	}
}

func TestLookupEngineVersion(t *testing.T) {
	for _, c := range []struct{ engine, version, want, group string }{
		{"redis", "", "7.1.0", "default.redis7"}, {"redis", "7.0", "7.0.7", "default.redis7"}, {"redis", "6.x", "6.2.6", "default.redis6.x"},
		{"redis", "7", "7.1.0", "default.redis7"}, {"redis", "5.0.6", "5.0.6", "default.redis5.0"}, {"redis", "4.0.10", "4.0.10", "default.redis4.0"},
		{"valkey", "", "8.1.0", "default.valkey8"}, {"valkey", "8.0", "8.0.1", "default.valkey8"}, {"valkey", "7.2", "7.2.6", "default.valkey7"},
		{"redis", "8.0", "", ""}, {"memcached", "", "", ""}, {"redis", "7.1.9", "", ""}, {"redis", "1", "", ""},
	} {
		v, ok := LookupEngineVersion(c.engine, c.version)
		if ok != (c.want != "") || v.Version != c.want || ok && v.DefaultParameterGroup() != c.group {
			t.Errorf("%s %q: %+v %v, want %s in %s", c.engine, c.version, v, ok, c.want, c.group)
		}
	}
}

func TestNames(t *testing.T) {
	if got := GroupARN("eu-west-1", "123456789012", KindReplicationGroup, "web"); got != "arn:aws:elasticache:eu-west-1:123456789012:replicationgroup:web" {
		t.Error(got)
	}
	if got := ClusterARN("cn-north-1", "123456789012", "web-001"); got != "arn:aws-cn:elasticache:cn-north-1:123456789012:cluster:web-001" {
		t.Error(got)
	}
	kind, id, err := SplitGroupKey(GroupKey(KindCluster, "a-b"))
	if err != nil || kind != KindCluster || id != "a-b" {
		t.Error(kind, id, err)
	}
	for _, bad := range []string{"", "web", "cluster:", "user:web"} {
		if _, _, err := SplitGroupKey(bad); err == nil {
			t.Errorf("%q is taken for a group key", bad)
		}
	}
	d := Desired{Kind: KindReplicationGroup, ID: "web", Shards: []DesiredShard{{ID: "0001", Replicas: 1}}}
	if diff := cmp.Diff([]string{"web-001", "web-002"}, Members(d, nil)); diff != "" {
		t.Error(diff)
	}
	d.Shards = append(d.Shards, DesiredShard{ID: "0002"})
	if diff := cmp.Diff([]string{"web-0001-001", "web-0001-002", "web-0002-001"}, Members(d, nil)); diff != "" {
		t.Error(diff)
	}
}

func TestPruneRequests(t *testing.T) {
	d := Desired{Failovers: []FailoverRequest{{ID: "a"}, {ID: "b"}}, Reboots: []RebootRequest{{ID: "c"}}}
	before := d
	d.PruneRequests([]string{"a", "c", "z"})
	if len(d.Failovers) != 1 || d.Failovers[0].ID != "b" || len(d.Reboots) != 0 {
		t.Errorf("%+v", d)
	}
	if before.Failovers[0].ID != "a" {
		t.Error("the caller's slice was changed")
	}
}
