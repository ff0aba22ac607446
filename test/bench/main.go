// Command bench measures larder-server beside redis-server, and beside valkey-server, memcached and pogocache where it is told
// their paths: requests a second, latency, processor time a request as the kernel counts it, memory a key, and what saving,
// expiry and the garbage collector cost. It judges the marks that the project has set itself and writes a page of tables.
//
// Servers and load run on different cores. All servers of a table run at once and are measured in turns, so that what
// else the machine does meets all of them.
//
// Reading order: main.go, kinds.go with server.go, load.go with protocol.go, speed.go, memory.go, save.go, big.go, fanout.go, task.go with
// pour.go, types.go, memtypes.go, bigtypes.go, report.go.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

var (
	quick         = flag.Bool("quick", false, "a short run, to see that everything works: its figures mean little")
	only          = flag.String("only", "", "run only these parts, as in speed,memory,save,big,fanout,types,memory-types,big-types; empty: all")
	match         = flag.String("match", "", "of the parts with types, only the rows with this in their name")
	inFlight      = flag.Int("in-flight", 0, "of the part types, only loads with so many requests in flight; 0: all")
	rounds        = flag.Int("rounds", 5, "measurements of each cell; the servers take turns, and the median counts")
	duration      = flag.Duration("duration", 1500*time.Millisecond, "length of one measurement")
	keyCounts     = intsFlag("keys", []int{100_000, 1_200_000}, "how many keys the load is spread over, as in 100000,1200000")
	memKeys       = flag.Int("memory-keys", 1_000_000, "keys for the memory figures")
	saveKeys      = flag.Int("save-keys", 3_000_000, "keys that a snapshot under load has")
	hashFields    = flag.Int("hash-fields", 10_000_000, "fields of the big hash, which is a gigabyte then")
	bigElements   = flag.Int("big-elements", 1_000_000, "elements of the big collections that go away")
	bigKeys       = flag.Int("big-keys", 10_000_000, "keys of the big keyspace, of which 10 are volatile")
	outFile       = flag.String("out", "bench/RESULTS.md", "where the tables go; empty: only to the terminal")
	valkeyPath    = flag.String("valkey", os.Getenv("VALKEY_SERVER"), "path of valkey-server (or VALKEY_SERVER)")
	memcachedPath = flag.String("memcached", os.Getenv("MEMCACHED"), "path of memcached (or MEMCACHED)")
	pogocachePath = flag.String("pogocache", os.Getenv("POGOCACHE"), "path of pogocache (or POGOCACHE)")
)

const (
	connections = 50
	valueBytes  = 64
)

func intsFlag(name string, def []int, usage string) *[]int {
	flag.Func(name, usage, func(s string) error {
		def = nil
		for _, f := range strings.Split(s, ",") {
			n, err := strconv.Atoi(f)
			if err != nil || n < 1 {
				return fmt.Errorf("%q is no number of keys", f)
			}
			def = append(def, n)
		}
		return nil
	})
	return &def
}

func main() {
	if len(os.Args) > 3 && os.Args[1] == pinWord {
		fail(execPinned(os.Args[2:]))
	}
	flag.Parse()
	if err := run(); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "bench:", err)
	os.Exit(1)
}

// hurry makes everything short.
func hurry() {
	*rounds, *duration = 1, 300*time.Millisecond
	*keyCounts = []int{20_000, 60_000}
	*memKeys, *saveKeys, *bigKeys, *hashFields, *bigElements = 200_000, 200_000, 300_000, 300_000, 100_000
	if *outFile == "bench/RESULTS.md" {
		*outFile = "" // its figures are not to be kept
	}
}

func run() error {
	if *quick {
		hurry()
	}
	ks, err := kinds()
	if err != nil {
		return err
	}
	all, err := allCores()
	if err != nil {
		return err
	}
	one, many := layouts(all)
	if err := pinSelf(one.load); err != nil {
		return err
	}
	runtime.GOMAXPROCS(len(one.load) + 1)
	b := &bench{kinds: ks, out: os.Stdout, started: time.Now(), throughput: map[place]float64{}}
	if b.dir, err = os.MkdirTemp("", "larder-bench"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	b.head(all)
	if err := b.parts(one, many); err != nil {
		return err
	}
	b.summary()
	b.progress("done")
	if *outFile == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(*outFile), 0o755); err != nil {
		return err
	}
	return os.WriteFile(*outFile, []byte(b.report.String()), 0o644)
}

// layouts divides the cores: a server with one loop has one for itself. With four or more, one with a loop a core has half of them;
// with fewer it shares them with the load.
func layouts(all []int) (one, many cores) {
	one = cores{server: all[:1], load: all[1:], apart: true}
	if len(all) == 1 {
		one = cores{server: all, load: all}
	}
	if len(all) < 4 {
		return one, cores{server: all, load: all}
	}
	half := len(all) / 2
	return one, cores{server: all[:half], load: all[half:], apart: true}
}

func (b *bench) head(all []int) {
	var names []string
	for _, k := range b.kinds {
		names = append(names, k.name)
	}
	b.say("# make bench\n\n%s, %d cores; %d connections, keys of %d bytes, values of %d; medians of %d measurements of %v each; servers: %s.\n",
		time.Now().UTC().Format("2006-01-02"), len(all), connections, len(zeroKey()), valueBytes, *rounds, *duration, strings.Join(names, ", "))
	if *quick {
		b.say("\n**A quick run: the figures mean little.**\n")
	}
}

// parts runs the parts of the benchmark that were asked for.
func (b *bench) parts(one, many cores) error {
	for _, p := range []struct {
		name string
		run  func(one, many cores) error
	}{{"speed", b.speeds}, {"memory", b.memory}, {"save", b.save}, {"big", b.big}, {"fanout", b.fanout},
		{"types", b.types}, {"memory-types", b.memoryTypes}, {"big-types", b.bigTypes}} {
		if *only != "" && !strings.Contains(","+*only+",", ","+p.name+",") {
			continue
		}
		b.progress("%s", p.name)
		if err := p.run(one, many); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}

// selected reports whether a row of the parts with types is to be measured.
func selected(name string) bool { return strings.Contains(name, *match) }

// speeds runs every scene.
func (b *bench) speeds(one, many cores) error {
	cert, err := newCertificate(b.dir)
	if err != nil {
		return err
	}
	where := func(c cores) string {
		if c.apart {
			return fmt.Sprintf("Servers on core %s, the load on core %s.", joinInts(c.server), joinInts(c.load))
		}
		return fmt.Sprintf("Servers and load share the cores %s: there are too few to keep them apart, so throughput and latency are those of both together.", joinInts(c.server))
	}
	alone := scene{name: "One loop", cores: one, threads: 1, most: [2]float64{0.5, 1.0}, note: where(one)}
	all := scene{name: "A loop a core", cores: many, threads: len(many.server), most: [2]float64{0.65, 1.15}, note: where(many) + " redis and valkey run their commands on one thread."}
	replica := scene{name: "One loop, a replica attached", cores: one, threads: 1, replica: true, most: [2]float64{0.5, 1.0}, note: where(one) + " The replicas run where the load runs."}
	secure := scene{name: "One loop, TLS", cores: one, threads: 1, tls: cert, most: [2]float64{0.5, 1.0}, note: where(one)}
	secureAll := scene{name: "A loop a core, TLS", cores: many, threads: len(many.server), tls: cert, most: [2]float64{0.65, 1.15}, note: where(many)}
	for _, sc := range []scene{alone, all, replica, secure, secureAll} {
		b.progress("%s", sc.name)
		if err := b.speed(sc); err != nil {
			return fmt.Errorf("%s: %w", sc.name, err)
		}
	}
	b.scaling(alone, all)
	return nil
}
