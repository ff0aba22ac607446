package main

import (
	"bytes"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/larder-cache/larder/base/release"
	"github.com/larder-cache/larder/base/vfs"
	"github.com/larder-cache/larder/control/server/local"
)

func TestShellWord(t *testing.T) {
	for _, s := range []string{"plain", "", "two words", "it's", `$HOME "x" \`, "a\nb", "key=va/lue+", "*"} {
		out, err := exec.Command("sh", "-c", "printf %s "+shellWord(s)).Output()
		if err != nil || string(out) != s {
			t.Errorf("%q became %q, %v", s, out, err)
		}
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1 KiB", 1536: "1.5 KiB", 512 << 20: "512 MiB", 1010 << 20: "0.986 GiB",
		1023 << 10: "0.999 MiB", 13_201_781_556: "12.3 GiB", 5 << 40: "5 TiB"} {
		if got := size(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}

func TestPortRange(t *testing.T) {
	if a, b, err := portRange("1-65535"); a != 1 || b != 65535 || err != nil {
		t.Errorf("got %d, %d, %v", a, b, err)
	}
	for _, bad := range []string{"", "1", "0-1", "2-1", "1-65536", "a-b", "1-2-3", "-1-2"} {
		if _, _, err := portRange(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestPrintStatus(t *testing.T) {
	var b bytes.Buffer
	printStatus(&b, local.Status{Info: local.Info{Version: "1", PID: 7, Endpoint: "http://127.0.0.1:4600", Region: "us-east-1", Data: "/d"}, Caches: []local.Cache{
		{ID: "web", Kind: "replicationgroup", Status: "modifying", Engine: "valkey 8.1.0", Type: "cache.t3.micro",
			Primary: netip.MustParseAddrPort("127.1.0.3:6379"), Reader: netip.MustParseAddrPort("127.1.0.4:6379"),
			Nodes: []local.Node{
				{ID: "web-001/0001", Zone: "us-east-1a", Address: netip.MustParseAddrPort("127.1.0.1:6379"), Role: "primary", Status: "available", Process: "up", PID: 11, UsedBytes: 1 << 20, MaxBytes: 512 << 20, Clients: 3},
				{ID: "web-002/0001", Zone: "us-east-1b", Address: netip.MustParseAddrPort("127.1.16.1:6379"), Role: "replica", Status: "rebooting", Process: "hung", PID: 12, UsedBytes: 1 << 20, MaxBytes: 256 << 20, Capped: true, Problem: "it does not answer"},
			}},
		{ID: "broken", Kind: "cluster", Status: "creating", Engine: "redis 7.1.0", Type: "cache.t3.small", Problem: "no zone"},
	}})
	want := `larder 1, process 7: http://127.0.0.1:4600, region us-east-1, data in /d

web: replication group, modifying, valkey 8.1.0, cache.t3.micro
  primary endpoint 127.1.0.3:6379, reader endpoint 127.1.0.4:6379
  NODE          ROLE     STATUS     ADDRESS          ZONE        MEMORY                     LAG      CLIENTS  PROCESS
  web-001/0001  primary  available  127.1.0.1:6379   us-east-1a  1 MiB of 512 MiB           -        3        up (11)
  web-002/0001  replica  rebooting  127.1.16.1:6379  us-east-1b  1 MiB of 256 MiB (capped)  no link  0        hung (12)
  web-002/0001: it does not answer

broken: cache cluster, creating, redis 7.1.0, cache.t3.small
  problem: no zone
  no nodes yet
`
	if got := b.String(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestLag(t *testing.T) {
	for want, n := range map[string]local.Node{
		"-":       {Role: "primary", LagBytes: -1},
		"no link": {Role: "replica", LagBytes: -1},
		"unknown": {Role: "replica", LinkUp: true, LagBytes: -1},
		"2 KiB":   {Role: "replica", LinkUp: true, LagBytes: 2048},
	} {
		if got := lag(n); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestEnvironment(t *testing.T) {
	vars := []variable{{name: "A", value: "new"}, {name: "B", unset: true}, {name: "C", value: "c"}}
	got := environment([]string{"A=old", "B=old", "AB=kept", "B=again"}, vars)
	if want := []string{"AB=kept", "A=new", "C=c"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestFindAWS(t *testing.T) {
	root := t.TempDir()
	script := func(name, text string) string {
		t.Helper()
		file := filepath.Join(root, name, "aws")
		if err := (vfs.OS{}).MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := vfs.WriteFileAtomic(vfs.OS{}, file, []byte("#!/bin/sh\n"+text), 0o700); err != nil {
			t.Fatal(err)
		}
		return file
	}
	broken, good, last := script("broken", "exit 127\n"), script("good", "exit 0\n"), script("last", "exit 1\n")
	path := strings.Join([]string{"relative", filepath.Dir(broken), filepath.Dir(good), filepath.Dir(good), root}, ":")
	candidates := awsCandidates(path)
	if len(candidates) < 2 || candidates[0] != broken || candidates[1] != good || slices.Contains(candidates[2:], good) {
		t.Errorf("the candidates are %v", candidates)
	}
	for _, c := range []struct {
		candidates []string
		want       string
	}{{[]string{broken, good, last}, good}, {[]string{broken, last}, last}, {[]string{broken}, broken}} {
		if got, err := findAWS(c.candidates); got != c.want || err != nil {
			t.Errorf("%v: got %s, %v, want %s", c.candidates, got, err, c.want)
		}
	}
	if _, err := findAWS(nil); err == nil {
		t.Error("no candidate is taken")
	}
}

func TestNotRunning(t *testing.T) {
	data := filepath.Join(t.TempDir(), "a b")
	var out, errOut bytes.Buffer
	p := &program{stdout: &out, stderr: &errOut, name: "larder", getenv: func(string) string { return "" }}
	for _, sub := range []string{"env", "status", "plan", "aws"} {
		errOut.Reset()
		code := p.run([]string{"--data", data, sub})
		want := "larder: no larder is running on the data folder " + data + " (start it with: larder --data '" + data + "' up)\n"
		if code != exitFailed || errOut.String() != want || out.Len() > 0 {
			t.Errorf("%s: exit code %d, %q, %q, want %q", sub, code, out.String(), errOut.String(), want)
		}
	}
}

// TestUsual: help and the version are found under the names that other programs have for them.
func TestUsual(t *testing.T) {
	t.Setenv("LARDER_DATA", t.TempDir())
	for line, want := range map[string]string{"": "Commands:", "help": "Commands:", "--help": "Commands:", "help up": "--listen=", "--version": "larder " + release.Version, "version": "larder " + release.Version} {
		var out strings.Builder
		p := &program{stdout: &out, stderr: &out, getenv: os.Getenv, name: "larder"}
		if code := p.run(strings.Fields(line)); code != 0 || !strings.Contains(out.String(), want) {
			t.Errorf("larder %s: %d, %s", line, code, out.String())
		}
	}
}
