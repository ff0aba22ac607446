package layers

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/larder-cache/larder/base/lint"
)

// TestModule checks every Go file of the module.
func TestModule(t *testing.T) {
	root, err := lint.Root()
	if err != nil {
		t.Fatal(err)
	}
	m, err := lint.Load(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range Check(m, Table(), Outside()) {
		t.Errorf("%v", f)
	}
}

// TestBinaries checks what the commands really link, through whomever.
func TestBinaries(t *testing.T) {
	root, err := lint.Root()
	if err != nil {
		t.Fatal(err)
	}
	m, err := lint.Load(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range Binaries(m.Path) {
		t.Run(b.Package, func(t *testing.T) {
			cmd := exec.Command("go", "list", "-deps", "./"+b.Package)
			cmd.Dir = root
			var stderr strings.Builder
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("go list: %v\n%s", err, stderr.String())
			}
			deps := strings.Fields(string(out))
			if !slices.Contains(deps, m.Path+"/"+b.Package) {
				t.Fatalf("go list -deps does not name the command itself, but %d other packages", len(deps))
			}
			for _, bad := range b.CheckLinked(deps) {
				t.Errorf("links %s: %s", bad, b.Why)
			}
		})
	}
}

const module = "example.com/m"

// check parses one file that has one import, and returns what the table and the bans say of it.
func check(t *testing.T, name, imp string) []lint.Finding {
	t.Helper()
	f, err := lint.Parse(name, []byte("package p\n\nimport \""+imp+"\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	return Check(&lint.Module{Path: module, Files: []*lint.File{f}}, Table(), Outside())
}

// TestFires shows for the imports that matter most that they are found, and for their neighbours that they are not.
func TestFires(t *testing.T) {
	for _, c := range []struct {
		file, imp string
		forbidden bool
	}{
		{"store/dict/dict.go", module + "/engine", true},
		{"store/dict/dict.go", module + "/store/arena", false},
		{"store/dict/dict.go", module + "/base/invariant", false},
		{"store/dict/dict.go", "os", true},
		{"store/dict/dict.go", "net/http", true},
		{"store/dict/dict.go", "net/netip", false},
		{"store/arena/os_unix.go", "os", false},
		{"store/dict/dict.go", "context", true},
		{"store/dict/dict_test.go", "os", false},
		{"wire/resp/resp.go", module + "/base/limits", true},
		{"wire/resp/resp_test.go", module + "/base/limits", false},
		{"wire/resp/resp.go", module + "/nodeapi", true},
		{"base/errs/errs.go", module + "/wire/resp", true},
		{"commands/string.go", module + "/engine", true},
		{"commands/string.go", module + "/commands/spec", false},
		{"commands/spec/spec.go", module + "/commands", true},
		{"commands/spec/spec.go", module + "/wire/slot", false},
		{"commands/string.go", "sync", true},
		{"engine/executor.go", module + "/commands", true},
		{"engine/executor_test.go", module + "/commands", false},
		{"engine/executor.go", module + "/persist/rdb", true},
		{"replication/full.go", module + "/persist/rdb", false},
		{"replication/full.go", module + "/persist/aof", true},
		{"persist/rdb/rdb.go", module + "/replication", true},
		{"node/node.go", module + "/control/model", true},
		{"node/node.go", module + "/nodeapi", true},
		{"node/node.go", module + "/agent", true},
		{"node/node.go", "go.etcd.io/etcd/client/v3", true},
		{"node/node_test.go", "go.etcd.io/etcd/client/v3", true},
		{"control/plan/plan.go", module + "/control/meta", true},
		{"control/plan/plan.go", module + "/base/clock", true},
		{"control/plan/plan.go", module + "/control/model", false},
		{"control/reconcile/run.go", module + "/control/api", true},
		{"control/meta/etcd/etcd.go", "go.etcd.io/etcd/server/v3/embed", false},
		{"control/meta/etcd/etcd.go", "go.uber.org/zap", false},
		{"agent/agent.go", module + "/engine", true},
		{"agent/agent.go", module + "/control/model", true},
		{"agent/agent.go", "github.com/aws/aws-sdk-go-v2/aws", true},
		{"wire/sigv4/verify.go", "github.com/aws/aws-sdk-go-v2/aws", true},
		{"wire/sigv4/verify_test.go", "github.com/aws/aws-sdk-go-v2/aws/signer/v4", false},
		{"control/meta/metatest/suite.go", "testing", false},
		{"control/meta/store.go", "testing", true},
		{"store/arena/arena.go", "pgregory.net/rapid", true},
		{"store/arena/arena_test.go", "pgregory.net/rapid", false},
		{"cmd/larder/up.go", module + "/node", true},
		{"cmd/larder/up.go", module + "/control/reconcile", false},
		{"cmd/larder-server/main.go", module + "/control/model", true},
		{"cmd/larder-server/main.go", module + "/node", false},
		{"agent/agent.go", module + "/cmd/larder", true},
		{"client/client.go", module + "/control/model", true},
		{"control/api/serve.go", module + "/test/e2e", true},
		{"newfolder/a.go", "fmt", true},
	} {
		if got := check(t, c.file, c.imp); (len(got) > 0) != c.forbidden {
			t.Errorf("%s imports %s: findings %v, want forbidden=%v", c.file, c.imp, got, c.forbidden)
		}
	}
}

// TestEveryRowAndBanFires breaks each row and each ban in turn.
func TestEveryRowAndBanFires(t *testing.T) {
	for _, row := range Table() {
		if row.Why == "" {
			t.Errorf("the row %s has no why", row.Folder)
		}
		target := module + "/cmd/larder"
		if row.Folder == "cmd/larder" {
			target = module + "/sim"
		}
		if got := check(t, row.Folder+"/a.go", target); len(got) != 1 || !strings.Contains(got[0].Msg, row.Why) {
			t.Errorf("%s imports %s: %v", row.Folder, target, got)
		}
		for _, may := range row.May {
			if _, ok := rowOf(Table(), may); !ok && may != "control" {
				t.Errorf("%s may import %s, which has no row", row.Folder, may)
			}
		}
	}
	for _, ban := range Outside() {
		folder := "engine"
		if len(ban.In) > 0 {
			folder = ban.In[0]
		}
		if got := check(t, folder+"/a.go", ban.Import+"/x"); len(got) != 1 || !strings.Contains(got[0].Msg, ban.Why) || ban.Why == "" {
			t.Errorf("%s imports %s: %v", folder, ban.Import, got)
		}
	}
	for _, b := range Binaries(module) {
		for _, ban := range b.Bans {
			deps := []string{"fmt", ban + "x", ban + "/sub", ban}
			if got := b.CheckLinked(deps); !slices.Equal(got, deps[2:]) {
				t.Errorf("%s: of %q it forbids %q", b.Package, deps, got)
			}
		}
	}
}

// TestNobodyImportsTheTop checks the table itself: no row lets anybody import cmd, sim or test, or cross the planes.
func TestNobodyImportsTheTop(t *testing.T) {
	for _, row := range Table() {
		for _, target := range []string{"cmd/larder", "cmd/larder-server", "sim", "test/e2e"} {
			if !within(target, row.Folder) && row.allows(target, true) {
				t.Errorf("%s may import %s", row.Folder, target)
			}
		}
	}
	data := []string{"store", "commands", "acl", "script", "engine", "persist", "replication", "cluster", "memcached", "node"}
	control := []string{"control/model", "control/meta", "control/plan", "control/api", "control/reconcile", "agent", "monitor", "backup"}
	for _, d := range data {
		for _, c := range control {
			up, _ := rowOf(Table(), d)
			down, _ := rowOf(Table(), c)
			if up.allows(c, false) || down.allows(d, false) {
				t.Errorf("the planes meet: %s and %s", d, c)
			}
		}
	}
}
