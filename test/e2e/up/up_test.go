// Package up tests `larder up` and its companions env, aws, status and plan, as a person meets them: the built binary in a
// folder of its own, started, stopped, killed, and started where it cannot be.
package up

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	"github.com/redis/go-redis/v9"

	"github.com/larder-cache/larder/control/server/local"
	"github.com/larder-cache/larder/test/harness"
)

// eachDriver runs a test with each kind of node.
func eachDriver(t *testing.T, test func(t *testing.T, o harness.Options)) {
	t.Run("process", func(t *testing.T) {
		t.Parallel()
		test(t, harness.Options{Redis: harness.RedisServer(t)})
	})
	t.Run("native", func(t *testing.T) {
		t.Parallel()
		test(t, harness.Options{})
	})
}

// create makes a replication group of a primary and replicas, and waits until it is available.
func create(t *testing.T, l *harness.Larder, id string, replicas int) local.Cache {
	t.Helper()
	_, err := l.Client().CreateReplicationGroup(harness.Context(t), &elasticache.CreateReplicationGroupInput{
		ReplicationGroupId: aws.String(id), ReplicationGroupDescription: aws.String(id), Engine: aws.String("redis"),
		CacheNodeType: aws.String("cache.t3.micro"), NumCacheClusters: aws.Int32(int32(replicas) + 1), AutomaticFailoverEnabled: aws.Bool(replicas > 0)})
	if err != nil {
		t.Fatal(err)
	}
	c := l.WaitAvailable(id)
	if len(c.Nodes) != replicas+1 {
		t.Fatalf("got %d nodes, want %d", len(c.Nodes), replicas+1)
	}
	return c
}

// client is a Redis client of an endpoint.
func client(t *testing.T, addr fmt.Stringer) *redis.Client {
	c := redis.NewClient(&redis.Options{Addr: addr.String()})
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// shape is what must not change over a restart.
func shape(c local.Cache) []string {
	lines := []string{c.ID, c.Primary.String(), c.Reader.String()}
	for _, n := range c.Nodes {
		lines = append(lines, n.ID+" "+n.Role+" "+n.Address.String()+" "+n.Zone)
	}
	return lines
}

func pids(c local.Cache) []int {
	var all []int
	for _, n := range c.Nodes {
		all = append(all, n.PID)
	}
	return all
}

// TestKilled: kill -9 of larder leaves nodes serving, and the next larder adopts them as they are.
func TestKilled(t *testing.T) {
	t.Parallel()
	eachDriver(t, func(t *testing.T, o harness.Options) {
		l := harness.Start(t, o)
		before := create(t, l, "web", 1)
		rdb := client(t, before.Primary)
		if err := rdb.Set(harness.Context(t), "k", "1", 0).Err(); err != nil {
			t.Fatal(err)
		}
		l.Kill()
		if err := rdb.Set(harness.Context(t), "k", "2", 0).Err(); err != nil {
			t.Errorf("with larder killed, the primary endpoint says %v", err)
		}
		if _, stderr, code := l.Run("env"); code != 1 || !strings.Contains(stderr, "no larder is running") {
			t.Errorf("larder env says %q, exit code %d", stderr, code)
		}
		again := l.Again()
		after := again.WaitAvailable("web")
		if got, want := shape(after), shape(before); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		if got, want := pids(after), pids(before); !slices.Equal(got, want) {
			t.Errorf("processes %v became %v: they were not adopted", want, got)
		}
		if got, err := rdb.Get(harness.Context(t), "k").Result(); got != "2" || err != nil {
			t.Errorf("got %q, %v, want 2", got, err)
		}
	})
}

// TestStopped: Ctrl-C saves everything, and the next larder brings it back: data, addresses, roles.
func TestStopped(t *testing.T) {
	t.Parallel()
	eachDriver(t, func(t *testing.T, o harness.Options) {
		l := harness.Start(t, o)
		before := create(t, l, "web", 1)
		single := create(t, l, "single", 0)
		for addr, value := range map[fmt.Stringer]string{before.Primary: "1", single.Primary: "2"} {
			if err := client(t, addr).Set(harness.Context(t), "k", value, 0).Err(); err != nil {
				t.Fatal(err)
			}
		}
		l.Stop()
		if left := harness.NodePIDs(t, l.Data); len(left) > 0 {
			t.Errorf("processes %v are left", left)
		}
		for _, file := range []string{"running.json", "larder.sock"} {
			if _, err := os.Stat(filepath.Join(l.Data, file)); !os.IsNotExist(err) {
				t.Errorf("%s: %v, want it gone", file, err)
			}
		}
		again := l.Again()
		for want, c := range map[string]local.Cache{"1": before, "2": single} {
			after := again.WaitAvailable(c.ID)
			if got, want := shape(after), shape(c); !slices.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
			if got, err := client(t, after.Primary).Get(harness.Context(t), "k").Result(); got != want || err != nil {
				t.Errorf("%s: got %q, %v, want %q", c.ID, got, err, want)
			}
		}
	})
}

// TestStoppedTwice: a second Ctrl-C does not wait for a node that does not end.
func TestStoppedTwice(t *testing.T) {
	t.Parallel()
	l := harness.Start(t, harness.Options{})
	c := create(t, l, "web", 0)
	l.Signal(os.Interrupt)
	l.WaitOutput("Ctrl-C again")
	_ = syscall.Kill(c.Nodes[0].PID, syscall.SIGSTOP) // it may have ended
	l.Signal(os.Interrupt)
	l.Wait() // the exit code depends on who was faster
	if left := harness.NodePIDs(t, l.Data); len(left) > 0 {
		t.Errorf("processes %v are left", left)
	}
}

// TestTerminated: a service manager's SIGTERM is a Ctrl-C.
func TestTerminated(t *testing.T) {
	t.Parallel()
	l := harness.Start(t, harness.Options{})
	l.Signal(syscall.SIGTERM)
	if code := l.Wait(); code != 0 || !strings.Contains(l.Output(), "stopped; everything is saved") {
		t.Errorf("exit code %d:\n%s", code, l.Output())
	}
}

// TestSameFolder: a second larder on the data folder says who has it.
func TestSameFolder(t *testing.T) {
	t.Parallel()
	l := harness.Start(t, harness.Options{})
	second := harness.Launch(t, harness.Options{Data: l.Data})
	refused(t, second, fmt.Sprintf("another larder (process %d) is running on it", l.PID()))
	l.MustRun("status") // the first goes on
}

// TestOtherRegion: a data folder stays in its region.
func TestOtherRegion(t *testing.T) {
	t.Parallel()
	l := harness.Start(t, harness.Options{})
	l.Stop()
	refused(t, harness.Launch(t, harness.Options{Data: l.Data, Args: []string{"--region", "eu-west-1"}}), "its caches are in us-east-1, not in eu-west-1")
}

// TestSecondFolder: larders on two data folders do not share an address.
func TestSecondFolder(t *testing.T) {
	t.Parallel()
	o := harness.Options{}
	a, b := harness.Start(t, o), harness.Start(t, o)
	one, two := create(t, a, "web", 0), create(t, b, "web", 0)
	if one.Primary == two.Primary || one.Primary.Port() != 6379 || two.Primary.Port() != 6379 {
		t.Errorf("the endpoints are %v and %v", one.Primary, two.Primary)
	}
	if err := client(t, one.Primary).Set(harness.Context(t), "k", "1", 0).Err(); err != nil {
		t.Error(err)
	}
	if n, err := client(t, two.Primary).DBSize(harness.Context(t)).Result(); n != 0 || err != nil {
		t.Errorf("the other larder's cache has %d keys, %v", n, err)
	}
}

// refused checks that a larder ends with exit code 1 and one sentence that says what is wrong and what to try.
func refused(t *testing.T, l *harness.Larder, want string) {
	t.Helper()
	code := l.Wait()
	lines := strings.Split(strings.TrimSpace(l.Output()), "\n")
	last := lines[len(lines)-1]
	if code != 1 || !strings.Contains(last, want) || !strings.HasPrefix(last, "larder: ") || !strings.HasSuffix(last, ")") {
		t.Errorf("exit code %d, want 1 and %q with what to try:\n%s", code, want, l.Output())
	}
	if errorLines := slices.DeleteFunc(lines, func(s string) bool { return strings.HasPrefix(s, "starting larder") }); len(errorLines) != 1 {
		t.Errorf("it says more than one sentence:\n%s", l.Output())
	}
}

// TestRefusals: what cannot be is one sentence, and nothing is half made.
func TestRefusals(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() })
	redisServer := harness.RedisServer(t)
	for name, c := range map[string]struct {
		data func(t *testing.T, root string) string // the data folder; nil: a new one
		args []string
		want string
	}{
		"port":           {args: []string{"--listen", taken.Addr().String()}, want: "address already in use"},
		"other address":  {args: []string{"--listen", "192.0.2.1:4600"}, want: "cannot assign requested address"},
		"bad address":    {args: []string{"--listen", "4600"}, want: "is not HOST:PORT"},
		"region":         {args: []string{"--region", "Us East"}, want: "is no name of a region"},
		"zones":          {args: []string{"--zones", "a,a"}, want: "is named twice"},
		"ports":          {args: []string{"--addresses", "ports", "--ports", "5000"}, want: "is not a range of ports"},
		"advertise":      {args: []string{"--addresses", "ports", "--advertise", ""}, want: "no host to advertise"},
		"several ports":  {args: []string{"--addresses", "ports", "--driver", "redis=" + harness.RedisServer(t)}, want: "have only one"},
		"driver":         {args: []string{"--driver", "redis=/nowhere/redis-server"}, want: "/nowhere/redis-server"},
		"engine":         {args: []string{"--driver", "mysql=" + redisServer}, want: `engine "mysql" is unknown`},
		"file":           {data: file, want: "it is a file, not a folder"},
		"below a file":   {data: func(t *testing.T, root string) string { return filepath.Join(file(t, root), "data") }, want: "not a directory"},
		"foreign folder": {data: foreign, want: "that are not larder's"},
		"key":            {data: badKey, want: "aws_access_key_id"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			data := filepath.Join(root, "a", "data")
			if c.data != nil {
				data = c.data(t, root)
			}
			before := tree(t, root)
			l := harness.Launch(t, harness.Options{Data: data, Redis: redisServer, Args: c.args})
			refused(t, l, c.want)
			if after := tree(t, root); after != before {
				t.Errorf("before:\n%safter:\n%s", before, after)
			}
		})
	}
}

func file(t *testing.T, root string) string {
	name := filepath.Join(root, "file")
	write(t, name, "")
	return name
}

func foreign(t *testing.T, root string) string {
	write(t, filepath.Join(root, "home", "letter.txt"), "")
	return filepath.Join(root, "home")
}

// badKey is a data folder with a damaged key.
func badKey(t *testing.T, root string) string {
	data := filepath.Join(root, "data")
	write(t, filepath.Join(data, "format"), "larder data folder, format 1\n")
	write(t, filepath.Join(data, "access-key"), "nonsense\n")
	write(t, filepath.Join(data, "lock"), "")
	write(t, filepath.Join(data, "region"), "us-east-1\n")
	write(t, filepath.Join(data, "larder.log"), "")
	return data
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// tree lists all names below root, a line each.
func tree(t *testing.T, root string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
		fmt.Fprintln(&b, strings.TrimPrefix(path, root))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestUsage: a command line that makes no sense is exit code 2, and points to the help; every command has help.
func TestUsage(t *testing.T) {
	t.Parallel()
	bin := harness.Binary(t, "larder")
	for _, args := range [][]string{{"upp"}, {"up", "--nonsense"}, {"up", "extra"}, {"env", "--format", "xml"}, {"up", "--addresses", "magic"}} {
		stdout, stderr, code := harness.Command(t, nil, append([]string{bin}, args...)...)
		if code != 2 || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "--help") {
			t.Errorf("%v: exit code %d, %q, %q", args, code, stdout, stderr)
		}
	}
	for _, command := range []string{"", "up", "env", "aws", "status", "plan", "version"} {
		stdout, _, code := harness.Command(t, nil, strings.Fields(bin+" "+command+" --help")...)
		if code != 0 || !strings.Contains(stdout, "Usage: larder "+command) {
			t.Errorf("larder %s --help: exit code %d\n%s", command, code, stdout)
		}
	}
	stdout, _, code := harness.Command(t, nil, bin, "version")
	if code != 0 || !strings.HasPrefix(stdout, "larder ") {
		t.Errorf("larder version: exit code %d, %s", code, stdout)
	}
}

// TestEnv: the exports work in a shell and for the SDK; the key is private and stays.
func TestEnv(t *testing.T) {
	t.Parallel()
	l := harness.Start(t, harness.Options{})
	info, err := os.Stat(filepath.Join(l.Data, "access-key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the access key's file: %v, %v, want mode 0600", info.Mode(), err)
	}
	env := l.Env()
	script := l.MustRun("env") + `echo "$AWS_ENDPOINT_URL $AWS_REGION $AWS_DEFAULT_REGION $AWS_ACCESS_KEY_ID $AWS_SECRET_ACCESS_KEY ${AWS_SESSION_TOKEN-unset} ${AWS_PROFILE-unset}"`
	stdout, stderr, code := harness.Command(t, []string{"AWS_SESSION_TOKEN=old", "AWS_PROFILE=old"}, "sh", "-euc", script)
	want := strings.Join([]string{env["AWS_ENDPOINT_URL"], harness.Region, harness.Region, env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], "unset", "unset"}, " ")
	if got := strings.TrimSpace(stdout); code != 0 || got != want {
		t.Errorf("exit code %d, got %q, want %q: %s", code, got, want, stderr)
	}
	if _, err := l.Client().DescribeReplicationGroups(harness.Context(t), nil); err != nil {
		t.Error(err)
	}
	l.Stop()
	if again := l.Again().Env(); again["AWS_ACCESS_KEY_ID"] != env["AWS_ACCESS_KEY_ID"] {
		t.Error("another start made another key")
	}
}

// TestAccessKeyFile: CI brings its key, or finds it where it said.
func TestAccessKeyFile(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "key")
	o := harness.Options{Args: []string{"--access-key-file", name}}
	l := harness.Start(t, o)
	text, err := os.ReadFile(name)
	if err != nil || !bytes.Contains(text, []byte(l.Env()["AWS_SECRET_ACCESS_KEY"])) {
		t.Errorf("got %d bytes, %v, want the key that larder made", len(text), err)
	}
	write(t, name, "[ci]\naws_access_key_id = AKIDEXAMPLE000000000\naws_secret_access_key = it's a secret\n")
	brought := harness.Launch(t, o)
	refused(t, brought, "aws_secret_access_key")
	write(t, name, "[ci]\naws_access_key_id = AKIDEXAMPLE000000000\naws_secret_access_key = it'sASecret\n")
	brought = harness.Start(t, o)
	if got := brought.Env()["AWS_SECRET_ACCESS_KEY"]; got != "it'sASecret" {
		t.Errorf("got %q", got)
	}
	if _, err := brought.Client().DescribeReplicationGroups(harness.Context(t), nil); err != nil {
		t.Error(err)
	}
	for _, x := range []*harness.Larder{l, brought} {
		if _, err := os.Stat(filepath.Join(x.Data, "access-key")); !os.IsNotExist(err) {
			t.Errorf("a key is in the data folder, too: %v", err)
		}
	}
}

// TestAWS: the installed AWS CLI is run with the right endpoint and key, even if what is first in PATH is of no use.
func TestAWS(t *testing.T) {
	t.Parallel()
	shim := t.TempDir()
	write(t, filepath.Join(shim, "aws"), "#!/bin/sh\nexit 127\n")
	if err := os.Chmod(filepath.Join(shim, "aws"), 0o700); err != nil {
		t.Fatal(err)
	}
	l := harness.Start(t, harness.Options{Env: []string{"PATH=" + shim + ":" + os.Getenv("PATH"), "AWS_PROFILE=none", "AWS_SESSION_TOKEN=x"}})
	if got := l.MustRun("aws", "sts", "get-caller-identity", "--query", "Account", "--output", "text"); strings.TrimSpace(got) != "000000000000" {
		t.Errorf("got %q", got)
	}
	if _, stderr, code := l.Run("aws", "elasticache", "describe-replication-groups", "--replication-group-id", "none"); code != 254 && code != 255 || !strings.Contains(stderr, "ReplicationGroupNotFoundFault") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}

// TestStatus: the table and the JSON say what the API and the nodes say.
func TestStatus(t *testing.T) {
	t.Parallel()
	l := harness.Start(t, harness.Options{})
	if got := l.MustRun("status"); !strings.Contains(got, "no caches") {
		t.Errorf("got %s", got)
	}
	create(t, l, "web", 1)
	const size = 8 << 20
	c, _ := l.Cache("web")
	if err := client(t, c.Primary).Set(harness.Context(t), "big", strings.Repeat("x", size), 0).Err(); err != nil {
		t.Fatal(err)
	}
	c = l.WaitCache("web", "the big value on both nodes", func(c local.Cache) bool {
		return c.Nodes[0].UsedBytes > size && c.Nodes[1].UsedBytes > size && c.Nodes[1].LagBytes == 0
	})
	table := l.MustRun("status")
	for _, want := range []string{"web: replication group, available, redis 7.1.0, cache.t3.micro", c.Primary.String(), c.Reader.String(),
		c.Nodes[0].ID, c.Nodes[1].Address.String(), "primary", "replica", "us-east-1a", "us-east-1b", "MiB of", fmt.Sprintf("up (%d)", c.Nodes[0].PID)} {
		if !strings.Contains(table, want) {
			t.Errorf("the table lacks %q:\n%s", want, table)
		}
	}
	out, err := l.Client().DescribeReplicationGroups(harness.Context(t), &elasticache.DescribeReplicationGroupsInput{ReplicationGroupId: aws.String("web")})
	if err != nil {
		t.Fatal(err)
	}
	endpoint := out.ReplicationGroups[0].NodeGroups[0].PrimaryEndpoint
	if got := fmt.Sprintf("%s:%d", aws.ToString(endpoint.Address), aws.ToInt32(endpoint.Port)); got != c.Primary.String() {
		t.Errorf("the API says %s, larder status %s", got, c.Primary)
	}
}

// TestPlan: it says that there is nothing to do, or what is waited for.
func TestPlan(t *testing.T) {
	t.Parallel()
	l := harness.Start(t, harness.Options{})
	if got := l.MustRun("plan"); !strings.Contains(got, "no caches") {
		t.Errorf("got %s", got)
	}
	create(t, l, "web", 0)
	harness.WaitFor(t, "a plan with nothing to do", func() bool {
		got := l.MustRun("plan", "web")
		return strings.Contains(got, "web: available") && strings.Contains(got, "nothing to do")
	})
	if _, stderr, code := l.Run("plan", "none"); code != 1 || !strings.Contains(stderr, "larder status lists them") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}

// TestLongPath: a data folder whose path is too long for a unix socket does, too.
func TestLongPath(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), strings.Repeat("long", 30), "data")
	l := harness.Start(t, harness.Options{Data: data})
	create(t, l, "web", 0)
	l.Kill()
	l = l.Again()
	l.WaitAvailable("web")
	l.Stop()
}

// TestFullDisk: on a disk that fills up while larder starts, it says so and leaves nothing.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	namespace := []string{"unshare", "--mount"}
	if os.Geteuid() != 0 {
		namespace = append(namespace, "--user", "--map-root-user")
	}
	if _, stderr, code := harness.Command(t, nil, append(namespace, "mount", "-t", "tmpfs", "tmpfs", root)...); code != 0 {
		t.Skipf("a small disk cannot be made here, because mounting is forbidden: %s", stderr)
	}
	redisServer := harness.RedisServer(t)
	// The mount is seen by these processes only, and goes with them.
	script := `mount -t tmpfs -o size=256k tmpfs "$0"; "$@"; code=$?; echo "left: $(ls -A "$0")"; exit $code`
	args := append(namespace, "sh", "-c", script, root, harness.Binary(t, "larder"), "--data", filepath.Join(root, "data"),
		"up", "--listen", "127.0.0.1:0", "--driver", "redis="+redisServer, "--driver", "valkey="+redisServer)
	stdout, stderr, code := harness.Command(t, nil, args...)
	if code != 1 || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "no space left on device (") || !strings.HasSuffix(stdout, "left: \n") {
		t.Errorf("exit code %d: %s%s", code, stdout, stderr)
	}
}
