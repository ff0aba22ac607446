package node

import (
	_ "embed"
	"slices"
	"strconv"
	"strings"
	"testing"
)

//go:embed testdata/directives.txt
var directives string

// otherwise are the directives of which something is not as in Valkey, by "name: what", and why.
var otherwise = map[string]string{
	"io-threads: default":               "0 stands for a loop a core",
	"io-threads: bounds":                "0 stands for a loop a core, and there is a bound on loops",
	"databases: bounds":                 "there is a bound on databases",
	"repl-diskless-sync-delay: default": "nothing is forked for a replica, so none waits for others to come",
	"syslog-ident: default":             "it is the program's name",
	"rdma-rx-size: hidden":              "tests of before 8.1 try to set all that they are shown",
	"rdma-completion-vector: hidden":    "tests of before 8.1 try to set all that they are shown",
}

// TestDirectives: every directive of Valkey 8.1 is known, by both its names, with the same default, the same values and the same rules for CONFIG SET, and it acts, or
// docs/compat.md (TestCompatPage) says why not.
func TestDirectives(t *testing.T) {
	cfg, used, count := NewConfig(), map[string]bool{}, 0
	for line := range strings.Lines(directives) {
		f := strings.Split(strings.TrimRight(line, "\n"), "\t")
		if strings.HasPrefix(line, "#") {
			continue
		}
		if len(f) != 6 {
			t.Fatalf("%q", line)
		}
		count++
		name, alias, kind, def, bounds, rules := f[0], f[1], f[2], f[3], f[4], strings.Split(f[5], ",")
		v := cfg.byName[name]
		if v == nil {
			t.Errorf("%s is not known", name)
			continue
		}
		differ := func(what string, ours, theirs any) {
			if key := name + ": " + what; ours != theirs && otherwise[key] == "" {
				t.Errorf("%s: %v, Valkey: %v", key, ours, theirs)
			} else if ours != theirs {
				used[key] = true
			}
		}
		if alias != "-" && (cfg.byName[alias] != v || v.p.name != name) {
			t.Errorf("%s and %s are not one, or the other way round", name, alias)
		}
		if kind == "memory" || kind == "percent" {
			def, _, _ = strings.Cut(def, "%")
		}
		differ("default", v.string(), def)
		differ("bounds", boundsOf(v.p, bounds), bounds)
		for what, ours := range map[string]bool{"immutable": v.p.immutable, "hidden": v.p.hidden, "protected": v.p.protected, "notloading": v.p.notLoading, "secret": v.p.secret} {
			differ(what, ours, slices.Contains(rules, what))
		}
		if v.p.inert != "" && len(v.p.only) > 0 {
			t.Errorf("%s has no effect and refuses values", name)
		}
	}
	if count < 210 {
		t.Errorf("%d directives", count)
	}
	for key := range otherwise {
		if !used[key] {
			t.Errorf("%s is as in Valkey", key)
		}
	}
}

// boundsOf is what values a parameter takes, in the form of the table: its numbers' bounds or its words in any order.
func boundsOf(p *param, as string) string {
	switch p.kind {
	case kindInt, kindMemory:
		return strconv.FormatInt(p.min, 10) + ".." + strconv.FormatInt(p.max, 10)
	case kindOctal:
		return strconv.FormatInt(p.min, 8) + ".." + strconv.FormatInt(p.max, 8)
	case kindEnum, kindFlags:
		words := strings.Split(as, "|")
		if len(words) == len(p.enum) && !slices.ContainsFunc(words, func(w string) bool { return !slices.Contains(p.enum, w) }) {
			return as
		}
		return strings.Join(p.enum, "|")
	}
	return as
}

// TestWrongValues: what is wrong with a value is said in Valkey's words.
func TestWrongValues(t *testing.T) {
	for _, tt := range []struct{ name, value, why string }{
		{"maxmemory", "x", "argument must be a memory value"},
		{"maxmemory", "-1", "argument must be a memory value"},
		{"maxmemory-clients", "101%", "percentage argument must be less or equal to 100"},
		{"maxmemory-clients", "-5", "argument must be a memory or percent value"},
		{"maxmemory-samples", "65", "argument must be between 1 and 64 inclusive"},
		{"maxmemory-samples", "3.5", "argument couldn't be parsed into an integer"},
		{"unixsocketperm", "9", "argument couldn't be parsed as an octal number"},
		{"unixsocketperm", "1000", "argument must be between 0 and 777 inclusive"},
		{"rdbcompression", "on", "argument must be 'yes' or 'no'"},
		{"loglevel", "loud", "argument(s) must be one of the following: debug, verbose, notice, warning, nothing"},
		{"dbfilename", "", "dbfilename can't be empty"},
		{"dbfilename", "a/b", "dbfilename can't be a path, just a filename"},
		{"appendfilename", "", "appendfilename can't be empty"},
		{"appenddirname", "a/b", "appenddirname can't be a path, just a dirname"},
		{"cluster-config-file", "", "cluster-config-file can't be empty"},
		{"cluster-announce-client-ipv4", "::1", "Invalid IPv4 address"},
		{"cluster-announce-client-ipv6", "127.0.0.1", "Invalid IPv6 address"},
		{"cluster-announce-hostname", strings.Repeat("h", 256), "Hostnames must be less than 256 characters"},
		{"cluster-announce-hostname", "a b", "Hostnames may only contain alphanumeric characters, hyphens or dots"},
		{"cluster-announce-human-nodename", "a:b", "Announced human node name contained invalid character"},
		{"save", "1", "Invalid save parameters"},
		{"save", "0 1", "Invalid save parameters"},
		{"notify-keyspace-events", "Q", "Invalid event class character. Use 'Ag$lshzxeKEtmdn'."},
		{"client-output-buffer-limit", "normal 0 0", "Wrong number of arguments in buffer limit configuration."},
		{"client-output-buffer-limit", "master 0 0 0", "Invalid client class specified in buffer limit configuration."},
		{"client-output-buffer-limit", "normal 0 0 x", "Error in hard, soft or soft_seconds setting in buffer limit configuration."},
		{"oom-score-adj-values", "1 2", "wrong number of arguments"},
		{"oom-score-adj-values", "1 2 3000", "Invalid oom-score-adj-values, elements must be between -2000 and 2000."},
		{"latency-tracking-info-percentiles", "101", "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]"},
		{"latency-tracking-info-percentiles", "x", "Invalid latency-tracking-info-percentiles parameters"},
		{"proc-title-template", "{nosuch}", "template format is invalid or contains unknown variables"},
	} {
		if err := NewConfig().get(tt.name).set(tt.value); err == nil || err.Error() != tt.why {
			t.Errorf("%s %q: %v, want %s", tt.name, tt.value, err, tt.why)
		}
	}
}
