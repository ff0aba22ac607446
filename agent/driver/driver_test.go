package driver

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/larder-cache/larder/agent/core"
)

func TestParseInfo(t *testing.T) {
	s := parseInfo("# Server\r\nrun_id:abc\r\n# Clients\r\nconnected_clients:3\r\n# Persistence\r\nloading:0\r\nasync_loading:1\r\n" +
		"rdb_last_bgsave_status:err\r\n# Replication\r\nrole:master\r\nconnected_slaves:2\r\n" +
		"slave0:ip=127.64.0.2,port=7000,state=online,offset=120,lag=0\r\nslave_read_only:1\r\n" +
		"master_replid:r1\r\nmaster_replid2:r0\r\nmaster_repl_offset:130\r\nsecond_repl_offset:90\r\n# Keyspace\r\ndb0:keys=1,expires=0\r\n")
	if s.RunID != "abc" || s.Clients != 3 || !s.Loading || !s.SaveFailed || s.Empty || s.Following || s.ReplID != "r1" || s.ReplID2 != "r0" ||
		s.Offset != 130 || s.SecondOffset != 90 || s.Replicas[netip.MustParseAddrPort("127.64.0.2:7000")] != 120 || len(s.Replicas) != 1 {
		t.Errorf("a primary: %+v", s)
	}
	s = parseInfo("role:slave\nmaster_host:::1\nmaster_port:7000\nmaster_link_status:up\nmaster_sync_in_progress:1\nslave_repl_offset:7\n" +
		"master_repl_offset:9\nmaster_replid2:0000000000\nsecond_repl_offset:-1\n")
	if !s.Following || s.Primary != netip.MustParseAddrPort("[::1]:7000") || !s.LinkUp || !s.Syncing || s.Offset != 7 || s.ReplID2 != "" || !s.Empty {
		t.Errorf("a replica: %+v", s)
	}
}

func TestConfigHidesNothingAndQuotes(t *testing.T) {
	text := string(NewProcess("redis-server").Config(Setup{Dir: "/a b", Socket: "/s", Password: "admin", ReplicationPassword: "p\"\\\n", MaxMemory: 5}))
	for _, want := range []string{"\nport 0\n", `dir "/a b"`, `masterauth "p\"\\\x0a"`, "\nunixsocket /s\n", "\nmaxmemory 5\n", "\ndatabases 16\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if strings.Contains(text, "admin\n") || strings.Contains(text, ">") {
		t.Errorf("a password of a user stands as it is in\n%s", text)
	}
	if text := string(NewNative("x").Config(Setup{Socket: "/s"})); !strings.Contains(text, "\nadmin-socket /s\n") || strings.Contains(text, "unixsocket") {
		t.Errorf("the native one is\n%s", text)
	}
}

func TestRestricted(t *testing.T) {
	rules := strings.Join(restricted([]string{"get", "CONFIG", "config|get", "acl", "acl|setuser"}), " ")
	if rules != "-acl|setuser -config" {
		t.Errorf("the rules are %q", rules)
	}
}

func TestStray(t *testing.T) {
	allowed := []netip.AddrPort{netip.MustParseAddrPort("127.64.0.1:7000")}
	for line, want := range map[string]string{
		"id=3 addr=127.0.0.1:5 laddr=127.64.0.1:7000 name= flags=N": "",
		"id=4 addr=127.0.0.1:5 laddr=127.64.0.9:7000 name= flags=N": "4",
		"id=5 addr=127.0.0.1:5 laddr=127.64.0.9:7000 name= flags=S": "5",
		"id=6 addr=127.0.0.1:5 laddr=127.0.0.1:40000 name= flags=M": "",
		"id=7 addr=/a/b:0 laddr=/a/b:0 name= flags=U":               "",
		"": "",
	} {
		if id, ok := stray(line, allowed); id != want || ok != (want != "") {
			t.Errorf("%q: %q, %v", line, id, ok)
		}
	}
}

func TestCapabilities(t *testing.T) {
	native, process := NewNative("larder-server").Caps(), NewProcess("redis-server").Caps()
	if !native.CanLoad(process) || process.CanLoad(native) {
		t.Errorf("native %+v, process (7.0) %+v", native, process)
	}
	for _, c := range []struct {
		version string
		valkey  bool
		rdb     int
	}{{"7.0.15", false, 10}, {"7.2.4", false, 11}, {"7.4.1", false, 12}, {"8.0.1", true, 11}, {"7.2.5", true, 11}, {"9.0.0", true, 80}} {
		major, minor, err := parseVersion(c.version)
		if err != nil || rdbOf(major, minor, c.valkey) != c.rdb {
			t.Errorf("%+v: %d, %v", c, rdbOf(major, minor, c.valkey), err)
		}
	}
	if _, _, err := parseVersion("seven"); err == nil {
		t.Error("seven is a version")
	}
	if err := NewProcess("/no/such/server").Check(t.Context()); err == nil || !strings.Contains(err.Error(), "no server") {
		t.Errorf("a missing server: %v", err)
	}
	var _ = []Driver{NewNative(""), NewProcess("")}
	var _ core.Engine = EngineOf(NewNative(""))
}
