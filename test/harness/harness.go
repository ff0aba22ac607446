// Package harness starts larders for tests: the built binary, on a data folder and a port of its own, so that many run side
// by side, and ends what it started. What a test does with them is its own: the AWS SDK's client and the endpoint are here,
// Redis clients and checks are not.
//
// The binaries are those in the folder that the environment variable LARDER_BIN names; `make test-e2e` builds them and sets
// it. Reading order: harness.go, process.go, nodes.go.
package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"

	"github.com/larder-cache/larder/base/vfs"
	"github.com/larder-cache/larder/control/api/sdkhttp"
	"github.com/larder-cache/larder/control/server/datadir"
	"github.com/larder-cache/larder/control/server/local"
)

// Region is that of all larders here.
const Region = "us-east-1"

// Patience is how long anything may take before a test gives up. It bounds a hang; it is no mark of speed.
const Patience = 60 * time.Second

// Options say how a larder is to be started.
type Options struct {
	// Data is the data folder; empty: a new one, which goes with the test.
	Data string
	// Args are more arguments of `larder up`, after those that the harness gives.
	Args []string
	// Redis, if set, is the server that runs the nodes of both engines instead of larder-server: a path.
	Redis string
	// Env are more environment variables, NAME=VALUE.
	Env []string
}

// Binary returns the path of a built binary, larder or larder-server.
func Binary(t testing.TB, name string) string {
	t.Helper()
	folder := os.Getenv("LARDER_BIN")
	if folder == "" {
		t.Fatal("LARDER_BIN does not name the folder of the built binaries: run make test-e2e, or make build and set it to bin")
	}
	file := filepath.Join(folder, name)
	if _, err := os.Stat(file); err != nil {
		t.Fatalf("%v: run make build", err)
	}
	return file
}

// RedisServer returns the path of the installed redis-server.
func RedisServer(t testing.TB) string {
	t.Helper()
	file, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatalf("%v: make deps installs it", err)
	}
	return file
}

// Larder is a `larder up` that a test started.
type Larder struct {
	*Process
	// Data is its data folder, Options what it was started with.
	Data    string
	Options Options
	t       testing.TB
	bin     string
}

// Start starts a larder and waits until it is ready. At the end of the test it is stopped, with its nodes.
func Start(t testing.TB, o Options) *Larder {
	t.Helper()
	l := Launch(t, o)
	l.WaitReady()
	return l
}

// Launch starts a larder and does not wait.
func Launch(t testing.TB, o Options) *Larder {
	t.Helper()
	if o.Data == "" {
		o.Data = filepath.Join(t.TempDir(), "data")
	}
	args := []string{"--data", o.Data, "up", "--listen", "127.0.0.1:0", "--region", Region}
	if o.Redis != "" {
		args = append(args, "--driver", "redis="+o.Redis, "--driver", "valkey="+o.Redis)
	}
	bin := Binary(t, "larder")
	l := &Larder{Data: o.Data, Options: o, t: t, bin: bin,
		Process: StartProcess(t, o.Env, append([]string{bin}, append(args, o.Args...)...)...)}
	t.Cleanup(l.cleanUp)
	return l
}

// cleanUp ends the larder, however it is doing, and whatever nodes it has left behind.
func (l *Larder) cleanUp() {
	if l.t.Failed() {
		l.t.Logf("larder up on %s said:\n%s", l.Data, l.Output())
		l.t.Logf("its log ends:\n%s", tail(filepath.Join(l.Data, "larder.log"), 60))
	}
	l.Signal(os.Interrupt)
	if !l.Ended(Patience) {
		l.Kill()
	}
	KillNodes(l.t, l.Data)
}

// tail returns the last lines of a file.
func tail(name string, lines int) string {
	text, err := os.ReadFile(name)
	if err != nil {
		return err.Error()
	}
	all := strings.SplitAfter(string(text), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "")
}

// WaitReady waits until larder says that it is ready.
func (l *Larder) WaitReady() {
	l.t.Helper()
	l.WaitOutput("larder is ready")
}

// Again starts another larder on the same data folder with the same options, and waits until it is ready. The one before
// must have ended.
func (l *Larder) Again() *Larder {
	l.t.Helper()
	o := l.Options
	o.Data = l.Data
	return Start(l.t, o)
}

// Stop ends larder as Ctrl-C does, and checks that it ends well.
func (l *Larder) Stop() {
	l.t.Helper()
	l.Signal(os.Interrupt)
	if code := l.Wait(); code != 0 {
		l.t.Fatalf("larder up ended with exit code %d:\n%s", code, l.Output())
	}
}

// Run runs another subcommand on the data folder and returns what it wrote, and its exit code.
func (l *Larder) Run(args ...string) (stdout, stderr string, code int) {
	l.t.Helper()
	return Command(l.t, l.Options.Env, append([]string{l.bin, "--data", l.Data}, args...)...)
}

// MustRun is Run for what must go well; it returns the standard output.
func (l *Larder) MustRun(args ...string) string {
	l.t.Helper()
	stdout, stderr, code := l.Run(args...)
	if code != 0 {
		l.t.Fatalf("larder %s ended with exit code %d: %s%s", strings.Join(args, " "), code, stdout, stderr)
	}
	return stdout
}

// Env returns what `larder env` gives: variables to set.
func (l *Larder) Env() map[string]string {
	l.t.Helper()
	var all map[string]*string
	if err := json.Unmarshal([]byte(l.MustRun("env", "--format", "json")), &all); err != nil {
		l.t.Fatal(err)
	}
	set := map[string]string{}
	for name, value := range all {
		if value != nil {
			set[name] = *value
		}
	}
	return set
}

// Endpoint is the API's URL.
func (l *Larder) Endpoint() string { return l.Env()["AWS_ENDPOINT_URL"] }

// Status is what `larder status --json` says, asked for without starting a program: tests ask often.
func (l *Larder) Status() local.Status {
	l.t.Helper()
	note, err := datadir.ReadNote(vfs.OS{}, l.Data)
	if err != nil {
		l.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	s, err := local.NewClient(note.Socket).Status(ctx)
	if err != nil {
		l.t.Fatal(err)
	}
	return s
}

// Cache is the status of one replication group or standalone cluster; false if there is none of that id.
func (l *Larder) Cache(id string) (local.Cache, bool) {
	l.t.Helper()
	caches := l.Status().Caches
	i := slices.IndexFunc(caches, func(c local.Cache) bool { return c.ID == id })
	if i < 0 {
		return local.Cache{}, false
	}
	return caches[i], true
}

// WaitCache waits until the cache is as ok wants it, and returns it.
func (l *Larder) WaitCache(id, what string, ok func(local.Cache) bool) local.Cache {
	l.t.Helper()
	var last local.Cache
	WaitFor(l.t, id+": "+what, func() bool {
		c, found := l.Cache(id)
		last = c
		return found && ok(c)
	})
	return last
}

// WaitAvailable waits until the cache and all its nodes are available.
func (l *Larder) WaitAvailable(id string) local.Cache {
	l.t.Helper()
	return l.WaitCache(id, "available", func(c local.Cache) bool {
		for _, n := range c.Nodes {
			if n.Status != "available" {
				return false
			}
		}
		return c.Status == "available" && len(c.Nodes) > 0
	})
}

// Client returns the AWS SDK's client, with the root access key.
func (l *Larder) Client() *elasticache.Client {
	l.t.Helper()
	env := l.Env()
	key := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: env["AWS_ACCESS_KEY_ID"], SecretAccessKey: env["AWS_SECRET_ACCESS_KEY"]}, nil
	})
	return elasticache.New(elasticache.Options{Region: env["AWS_REGION"], BaseEndpoint: aws.String(env["AWS_ENDPOINT_URL"]), Credentials: key,
		HTTPClient: &sdkhttp.Client{}})
}

// Context ends with the test, or with the harness's patience.
func Context(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	t.Cleanup(cancel)
	return ctx
}

// WaitFor waits until ok, asking again and again.
func WaitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	const pause = 10 * time.Millisecond
	for deadline := time.Now().Add(Patience); !ok(); time.Sleep(pause) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", Patience, what)
		}
	}
}

// Command runs a program to its end.
func Command(t testing.TB, env []string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Env = &out, &errOut, append(cleanEnv(), env...)
	err := cmd.Run()
	if ctx.Err() != nil {
		t.Fatalf("%s did not end within %v: %s%s", strings.Join(args, " "), Patience, out.String(), errOut.String())
	}
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), errOut.String(), cmd.ProcessState.ExitCode()
}

// cleanEnv is the environment without what would lead a larder, or a client of one, elsewhere.
func cleanEnv() []string {
	return slices.DeleteFunc(os.Environ(), func(entry string) bool {
		return strings.HasPrefix(entry, "AWS_") || strings.HasPrefix(entry, "LARDER_DATA=")
	})
}
