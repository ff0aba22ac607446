// Package layers holds the import table: which folder may import which, and why not. Imports point downwards only, so
// that a part can be read, tested and replaced without those above it, and so that the two planes stay apart.
//
// The table is data (Table, Outside, Binaries); a test checks all Go files of the module against it, for every
// platform and build tag, tests included. It says nothing about imports within a folder's own tree.
package layers

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/larder-cache/larder/base/lint"
)

// Row says what a folder may import of ours, beside its own tree and base.
type Row struct {
	// Folder is the folder, with all below it that has no row of its own.
	Folder string
	// May are the folders it may import, each with all below it.
	May []string
	// Tests are more that its tests (see isTest) may import.
	Tests []string
	// NoBase takes base away, too.
	NoBase bool
	// Why says what the row protects; it is printed when an import breaks it.
	Why string
}

// base is what everybody may import: leaves that every part needs alike.
const base = "base"

// dataPlane are the folders that a node is made of.
var dataPlane = []string{"wire", "store", "commands", "acl", "script", "engine", "persist", "replication", "cluster", "memcached"}

// Table returns the rows, from the bottom up. A package without one is an error: who adds a folder says what it may
// import.
func Table() []Row {
	return slices.Concat(leafRows(), dataRows(), controlRows(), edgeRows())
}

func leafRows() []Row {
	return []Row{
		{Folder: base, Why: "a leaf: what everybody imports must import nobody"},
		{Folder: "wire", NoBase: true, Why: "bytes to values and back, usable alone; its bounds are given to it"},
		{Folder: "nodeapi", Why: "the only types that both planes know: whatever it imports, both planes import"},
	}
}

func dataRows() []Row {
	return []Row{
		{Folder: "store", Why: "memory and nothing else: no command, protocol or file reaches into it"},
		{Folder: "commands/spec", May: []string{"wire/slot", "wire/resp", "store"},
			Why: "a declaration is read by everybody above, so it may know only what a handler works on: the keyspace, and the reply that it writes"},
		{Folder: "commands", May: []string{"commands/spec", "wire/resp", "store"}, Tests: []string{"engine", "acl", "persist/keydump"},
			Why: "a handler is serial code over a Call; it knows no lock, socket, clock or file"},
		{Folder: "acl", May: []string{"commands/spec", "commands/glob", "wire/resp"}, Tests: []string{"engine", "commands"}, Why: "users and rules are derived from the declarations, not from handlers"},
		{Folder: "script", May: []string{"commands/spec", "wire/resp"}, Why: "a script calls commands through the engine, which hands itself in"},
		{Folder: "engine", May: []string{"commands/spec", "commands/glob", "wire/resp", "wire/slot", "store", "acl", "script"}, Tests: []string{"commands"},
			Why: "the executor is handed its command table, and its files and peers through interfaces"},
		{Folder: "persist", May: []string{"commands/spec", "store", "wire", "engine"},
			Why: "the engine's clients do not know each other: each can be left out"},
		{Folder: "persist/keydump", May: []string{"commands/spec", "store", "persist/rdb"}, Tests: []string{"engine", "wire/resp"},
			Why: "commands whose values are RDB bytes: like those of package commands, but these may know persist/rdb"},
		{Folder: "replication", May: []string{"commands/spec", "store", "wire", "engine", "persist/rdb"},
			Why: "the engine's clients do not know each other; only a full resync is an RDB file"},
		{Folder: "cluster", May: []string{"commands/spec", "store", "wire", "engine"},
			Why: "the engine's clients do not know each other: each can be left out"},
		{Folder: "memcached", May: []string{"commands/spec", "store", "wire", "engine"},
			Why: "the engine's clients do not know each other: each can be left out"},
		{Folder: "node", May: dataPlane, Why: "a node is a cache server that runs alone: it knows no control plane and no agent"},
	}
}

func controlRows() []Row {
	return []Row{
		{Folder: "control/model", May: []string{"nodeapi"}, Why: "records and their status are pure functions"},
		{Folder: "control/meta", Why: "the store keeps bytes: it knows no resource, so that its fake and etcd stay interchangeable"},
		{Folder: "control/plan", May: []string{"control/model", "nodeapi"}, NoBase: true,
			Why: "pure: the same records, time and seed give the same plan"},
		{Folder: "control/api", May: []string{"control/model", "control/meta", "wire"},
			Why: "a handler validates and writes what is desired; it starts no work"},
		{Folder: "control/reconcile", May: []string{"control/plan", "control/model", "control/meta", "nodeapi"},
			Why: "it runs the plan; it knows no API, and agents only through nodeapi"},
		{Folder: "agent", May: []string{"nodeapi"},
			Why: "it makes its host match its NodeSpecs and knows neither who wrote them nor how a node works inside"},
		{Folder: "control/server", May: []string{"control", "agent", "nodeapi", "wire"},
			Why: "it puts a control plane and an agent together; how a node works inside is no part of either"},
		{Folder: "monitor", May: []string{"nodeapi", "control/model", "control/meta", "wire"},
			Why: "figures and alarms of nodes are read from outside, so that foreign engines have them, too"},
		{Folder: "backup", May: []string{"nodeapi", "control/model", "control/meta", "wire"},
			Why: "a backup is made by a node's own commands"},
	}
}

func edgeRows() []Row {
	return []Row{
		{Folder: "proxy", May: []string{"wire", "commands/spec"}, Why: "a proxy routes by declarations and holds no data"},
		{Folder: "dax", May: []string{"wire"}, Why: "a client of DynamoDB and a server of its own protocol"},
		{Folder: "client", May: []string{"wire"}, Why: "public: whoever imports it must not get larder's inside with it"},
		{Folder: "console", May: []string{"wire"}, Why: "speaks only public protocols: what it can do, any client can"},
		{Folder: "cli", May: []string{"wire"}, Why: "speaks only public protocols: what it can do, any client can"},
		{Folder: "sim", May: append([]string{"nodeapi", "control", "agent", "node", "monitor", "backup", "proxy", "dax", "client"}, dataPlane...),
			Why: "the whole system from one seed; nobody imports it"},
		{Folder: "test", May: append([]string{"nodeapi", "control", "agent", "node", "monitor", "backup", "proxy", "dax", "client", "cli"}, dataPlane...),
			Why: "the whole system as its users see it; nobody imports it"},
		{Folder: "cmd/larder-server", May: append([]string{"node"}, dataPlane...),
			Why: "a node must start fast and small: no control plane, no agent"},
		{Folder: "cmd/larder", May: []string{"nodeapi", "control", "agent", "monitor", "backup", "proxy", "dax", "client", "console", "cli", "wire"},
			Why: "its nodes are processes that outlive it: it starts larder-server and has no data plane"},
	}
}

// Ban says who may import something that is not ours.
type Ban struct {
	// Import is an import path, with all below it.
	Import string
	// Only are the folders that may import it. With In, nobody there may.
	Only []string
	// In are the folders that the ban is for; empty means everywhere but in Only.
	In []string
	// Not are packages below Import that are free.
	Not []string
	// Except are folders within those of In that are free.
	Except []string
	// Tests says that tests (see isTest) may import it anywhere.
	Tests bool
	// Why says what the ban protects.
	Why string
}

// Outside returns the bans on packages that are not ours.
func Outside() []Ban {
	pure := []string{"store", "commands", "control/plan", "control/model", "nodeapi"}
	waitless := []string{"store", "commands", "control/plan", "control/model"} // not nodeapi: its Link waits, its types say how they are logged
	sdkUsers := []string{"control/api", "control/model", "monitor", "backup", "dax", "console", "cli", "test", "cmd/larder"}
	return []Ban{
		{Import: "go.etcd.io", Only: []string{"control/meta", "test"}, Why: "the store stands behind control/meta's interface, so that its fake takes its place"},
		{Import: "go.uber.org/zap", Only: []string{"control/meta"}, Why: "we log with log/slog; zap is for the embedded etcd only"},
		{Import: "google.golang.org/grpc", Only: []string{"control/meta"}, Why: "it comes with etcd and stays there"},
		{Import: "github.com/aws", Only: sdkUsers, Tests: true, Why: "a node and its agent speak no AWS, and an SDK is big"},
		{Import: "github.com/redis/go-redis", Only: []string{"agent", "monitor", "cli", "test"}, Tests: true, Why: "the server's own side of RESP is wire/resp"},
		{Import: "github.com/alecthomas/kong", Only: []string{"cmd", "cli"}, Why: "command lines are parsed at the edge"},
		{Import: "charm.land", Only: []string{"cmd/larder", "cli"}, Why: "terminals are the edge's matter"},
		{Import: "github.com/yuin/gopher-lua", Only: []string{"script"}, Why: "the interpreter stands behind script's interface, to be replaced"},
		{Import: "pgregory.net/rapid", Only: []string{"sim", "test"}, Tests: true, Why: "for tests only, and under MPL-2.0: never linked into a binary"},
		{Import: "github.com/cockroachdb/datadriven", Only: []string{"sim", "test"}, Tests: true, Why: "for tests only"},
		{Import: "github.com/google/go-cmp", Only: []string{"sim", "test"}, Tests: true, Why: "for tests only: it panics on purpose"},
		{Import: "testing", Only: []string{"sim", "test"}, Tests: true, Why: "a binary links no tests"},
		{Import: "net", Not: []string{"net/netip"}, In: pure, Tests: true, Why: "no I/O: what decides or stores is driven from outside"},
		{Import: "os", In: pure, Except: []string{"store/arena"}, Tests: true, Why: "no I/O: what decides or stores is driven from outside"},
		{Import: "log", Not: []string{"log/slog"}, In: pure, Tests: true, Why: "no I/O: what decides or stores returns what is to be told"},
		{Import: "log/slog", In: waitless, Tests: true, Why: "no I/O: what decides or stores returns what is to be told"},
		{Import: "context", In: waitless, Tests: true, Why: "nothing here waits"},
		{Import: "sync", In: []string{"commands", "control/plan", "control/model", "nodeapi"}, Tests: true, Why: "serial code: whoever calls it holds the locks"},
		{Import: "C", Why: "static binaries, built with CGO_ENABLED=0"},
	}
}

// Binary says what a command must not link, directly or through anybody.
type Binary struct {
	// Package is the command's folder.
	Package string
	// Bans are import paths, each with all below it.
	Bans []string
	// Why says what the ban protects.
	Why string
}

// Binaries returns the bans on what commands link.
func Binaries(module string) []Binary {
	return []Binary{
		{Package: "cmd/larder-server", Why: "a node must start fast and small",
			Bans: []string{"go.etcd.io", "google.golang.org/grpc", "go.uber.org/zap", "github.com/aws", "github.com/prometheus",
				"pgregory.net/rapid", "testing", module + "/control", module + "/agent"}},
		{Package: "cmd/larder", Why: "its nodes are processes of their own; and tests are not for users",
			Bans: []string{"pgregory.net/rapid", "testing", module + "/engine", module + "/node", module + "/store"}},
	}
}

// Check returns the imports of m's Go files that the table or the bans forbid.
func Check(m *lint.Module, table []Row, bans []Ban) []lint.Finding {
	var all []lint.Finding
	for _, f := range m.Files {
		if f.AST == nil {
			continue
		}
		row, ok := rowOf(table, f.Dir())
		if !ok {
			all = append(all, lint.Finding{Path: f.Path, Msg: fmt.Sprintf("the folder %s has no row in the import table", f.Dir())})
			continue
		}
		for _, imp := range f.AST.Imports {
			target, err := strconv.Unquote(imp.Path.Value)
			if err != nil {
				continue // it does not parse, as the compiler will say
			}
			if why := forbidden(m.Path, f, row, bans, target); why != "" {
				line := f.Fset.Position(imp.Pos()).Line
				all = append(all, lint.Finding{Path: f.Path, Line: line, Msg: fmt.Sprintf("imports %s: %s", target, why)})
			}
		}
	}
	return all
}

// forbidden says why f may not import target; "" when it may.
func forbidden(module string, f *lint.File, row Row, bans []Ban, target string) string {
	if ours, ok := strings.CutPrefix(target, module+"/"); ok {
		if row.allows(ours, isTest(f)) {
			return ""
		}
		return row.Folder + ": " + row.Why
	}
	for _, b := range bans {
		if b.forbids(f, target) {
			return b.Why
		}
	}
	return ""
}

// isTest reports whether f is a test, or help for tests: a package whose folder's name ends in "test", as the conformance
// suites are called (metatest). That no binary links those is in Binaries.
func isTest(f *lint.File) bool { return f.IsTest() || strings.HasSuffix(f.Dir(), "test") }

// rowOf returns the row of the longest folder that dir is in.
func rowOf(table []Row, dir string) (Row, bool) {
	best, found := Row{}, false
	for _, r := range table {
		if within(dir, r.Folder) && (!found || len(r.Folder) > len(best.Folder)) {
			best, found = r, true
		}
	}
	return best, found
}

// allows reports whether the row lets a file, a test or not, import our package ours.
func (r Row) allows(ours string, test bool) bool {
	switch {
	case within(ours, r.Folder):
		return true
	case within(ours, base):
		return test || !r.NoBase
	case withinAny(ours, r.May):
		return true
	}
	return test && withinAny(ours, r.Tests)
}

// forbids reports whether the ban is against f importing target.
func (b Ban) forbids(f *lint.File, target string) bool {
	if !within(target, b.Import) || withinAny(target, b.Not) || b.Tests && isTest(f) {
		return false
	}
	if len(b.In) > 0 {
		return withinAny(f.Dir(), b.In) && !withinAny(f.Dir(), b.Except)
	}
	return !withinAny(f.Dir(), b.Only)
}

// CheckLinked returns those of deps (import paths) that the binary must not link.
func (b Binary) CheckLinked(deps []string) []string {
	var bad []string
	for _, d := range deps {
		if withinAny(d, b.Bans) {
			bad = append(bad, d)
		}
	}
	return bad
}

// within reports whether p is the folder or below it.
func within(p, folder string) bool {
	return p == folder || strings.HasPrefix(p, folder+"/")
}

func withinAny(p string, folders []string) bool {
	return slices.ContainsFunc(folders, func(folder string) bool { return within(p, folder) })
}
