// Command bench measures larder-server beside redis-server in one run: requests a second, latency, processor time for each
// request as the kernel counts it, and memory for each key. It prints a table with ratios, and writes it to a file.
//
// It needs redis-server and redis-benchmark in PATH, and larder-server in LARDER_BIN (make bench sets it).
package main

import (
	"encoding/csv"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

var (
	requests = flag.Int("requests", 1_000_000, "requests of one measurement with 16 in flight; a fifth of it without pipelining")
	rounds   = flag.Int("rounds", 3, "measurements of each kind; the servers take turns, and the median counts")
	keys     = flag.Int("keys", 100_000, "distinct keys under load")
	memKeys  = flag.Int("memory-keys", 1_000_000, "keys of 16 bytes with values of 64 bytes, for the memory figure")
	loops    = flag.Int("loops", 1, "larder's io-threads")
	outFile  = flag.String("out", "bench/RESULTS.md", "where the table goes; empty: only to the terminal")
)

const (
	connections = 50
	valueBytes  = 64
)

func main() {
	flag.Parse()
	if err := run(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(out io.Writer) error {
	for _, tool := range []string{"redis-server", "redis-benchmark", "redis-cli"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%s is missing: apt-get install redis-server redis-tools", tool)
		}
	}
	larder := filepath.Join(os.Getenv("LARDER_BIN"), "larder-server")
	if _, err := os.Stat(larder); err != nil {
		return fmt.Errorf("no larder-server in LARDER_BIN: run it as make bench")
	}
	dir, err := os.MkdirTemp("", "larder-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	servers := []*server{
		{name: "redis", argv: []string{"redis-server", "--save", "", "--dir", dir}},
		{name: "larder", argv: []string{larder, "--save", "", "--dir", dir, "--io-threads", strconv.Itoa(*loops)}},
	}
	for _, s := range servers {
		if err := s.start(); err != nil {
			return err
		}
		defer s.stop()
	}
	report := &strings.Builder{}
	to := io.MultiWriter(out, report)
	fmt.Fprintf(to, "# make bench\n\n%s, %d connections, %d-byte values, %d keys, larder on %d loop(s), median of %d\n\n",
		time.Now().UTC().Format("2006-01-02"), connections, valueBytes, *keys, *loops, *rounds)
	if err := load(to, servers); err != nil {
		return err
	}
	if err := memory(to, servers); err != nil {
		return err
	}
	if *outFile == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(*outFile), 0o755); err != nil {
		return err
	}
	return os.WriteFile(*outFile, []byte(report.String()), 0o644)
}

// result is one measurement.
type result struct {
	rps, p50, p99 float64 // requests a second; milliseconds
	cpu           float64 // microseconds a request
}

func load(out io.Writer, servers []*server) error {
	fmt.Fprintln(out, "| command | in flight | server | requests/s | p50 ms | p99 ms | CPU µs/request | CPU ratio |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|---|---|")
	for _, depth := range []int{16, 1} {
		for _, cmd := range []string{"set", "get"} {
			got := map[string][]result{}
			for range *rounds {
				for _, s := range servers {
					r, err := s.bench(cmd, depth)
					if err != nil {
						return err
					}
					got[s.name] = append(got[s.name], r)
				}
			}
			base := middle(got["redis"])
			for _, s := range servers {
				r := middle(got[s.name])
				fmt.Fprintf(out, "| %s | %d | %s | %.0f | %.3f | %.3f | %.3f | %.2f |\n", strings.ToUpper(cmd), depth, s.name, r.rps, r.p50, r.p99, r.cpu, r.cpu/base.cpu)
			}
		}
	}
	return nil
}

// middle is the measurement whose processor time is the median.
func middle(rs []result) result {
	best := rs[0]
	for _, r := range rs {
		less, more := 0, 0
		for _, o := range rs {
			if o.cpu < r.cpu {
				less++
			} else if o.cpu > r.cpu {
				more++
			}
		}
		if less <= len(rs)/2 && more <= len(rs)/2 {
			best = r
		}
	}
	return best
}

func (s *server) bench(cmd string, depth int) (result, error) {
	n := *requests
	if depth == 1 {
		n /= 5
	}
	before, err := s.cpu()
	if err != nil {
		return result{}, err
	}
	b, err := exec.Command("redis-benchmark", "-p", strconv.Itoa(s.port), "-c", strconv.Itoa(connections), "-d", strconv.Itoa(valueBytes),
		"-r", strconv.Itoa(*keys), "-n", strconv.Itoa(n), "-P", strconv.Itoa(depth), "-t", cmd, "--csv").Output()
	if err != nil {
		return result{}, fmt.Errorf("redis-benchmark against %s: %w", s.name, err)
	}
	after, err := s.cpu()
	if err != nil {
		return result{}, err
	}
	r, err := parseCSV(string(b))
	r.cpu = (after - before).Seconds() * 1e6 / float64(n)
	return r, err
}

// parseCSV reads "test","rps","avg_latency_ms","min…","p50…","p95…","p99…","max…".
func parseCSV(text string) (result, error) {
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(rows) < 2 || len(rows[1]) < 8 {
		return result{}, fmt.Errorf("redis-benchmark printed what is no table: %q", text)
	}
	num := func(i int) float64 { f, _ := strconv.ParseFloat(rows[1][i], 64); return f }
	return result{rps: num(1), p50: num(4), p99: num(6)}, nil
}

func memory(out io.Writer, servers []*server) error {
	fmt.Fprintf(out, "\n| server | bytes/key by RSS | bytes/key by used_memory | empty RSS MiB |\n|---|---|---|---|\n")
	for _, s := range servers {
		s.stop()
		if err := s.start(); err != nil {
			return err
		}
		rss0, used0, err := s.memory()
		if err != nil {
			return err
		}
		if err := s.fill(*memKeys); err != nil {
			return err
		}
		rss1, used1, err := s.memory()
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "| %s | %.1f | %.1f | %.1f |\n", s.name, float64(rss1-rss0)/float64(*memKeys), float64(used1-used0)/float64(*memKeys), float64(rss0)/(1<<20))
	}
	return nil
}
