package check

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/larder-cache/larder/base/errs"
	"github.com/larder-cache/larder/base/vfs"
	"github.com/larder-cache/larder/persist/rdb"
)

// dump returns a dump with three keys, one of them expired at time 2000 and one not.
func dump(t *testing.T, opts rdb.WriterOptions) []byte {
	t.Helper()
	var out bytes.Buffer
	w := rdb.NewWriter(&out, opts)
	err := errors.Join(
		w.Header([]rdb.Aux{{Name: rdb.AuxRedisVer, Value: "7.0.15"}, {Name: "odd", Value: "a\x1b[31m"}}),
		w.SelectDB(0, 3, 2),
		w.String([]byte("plain"), []byte("value"), rdb.Meta{}),
		w.String([]byte("expired"), []byte("value"), rdb.Meta{ExpireAtMs: 1000}),
		w.String([]byte("expiring"), []byte(strings.Repeat("v", 100)), rdb.Meta{ExpireAtMs: 3000}),
		w.Close())
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// checkFile puts data into a file and checks it.
func checkFile(t *testing.T, data []byte) (Report, string, error) {
	t.Helper()
	fsys := vfs.NewMem()
	if err := vfs.WriteFileAtomic(fsys, "dump.rdb", data, 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	report, err := File(fsys, "dump.rdb", 2000, &out)
	return report, out.String(), err
}

func TestValidDump(t *testing.T) {
	report, out, err := checkFile(t, dump(t, rdb.WriterOptions{Version: 10, Checksum: true, Compress: true}))
	if err != nil {
		t.Fatal(err)
	}
	want := `[offset 0] Checking RDB file dump.rdb
[offset 27] AUX FIELD redis-ver = '7.0.15'
[offset 39] AUX FIELD odd = 'a\x1b[31m'
[offset 41] Selecting DB ID 0
[offset 118] Checksum OK
[offset 118] \o/ RDB looks OK! \o/
[info] 3 keys read
[info] 2 expires
[info] 1 already expired
`
	if out != want {
		t.Errorf("printed\n%s\nwant\n%s", out, want)
	}
	if report.Version != 10 || report.Keys != 3 || report.Expires != 2 || report.Expired != 1 || report.Kinds["string"] != 3 || report.Bytes != 118 {
		t.Errorf("the report is %+v", report)
	}
}

// TestPrintsAsRedisDoes compares what is printed with the real redis-check-rdb.
func TestPrintsAsRedisDoes(t *testing.T) {
	var data bytes.Buffer
	w := rdb.NewWriter(&data, rdb.WriterOptions{Version: 10, Checksum: true, Compress: true})
	err := errors.Join(
		w.Header([]rdb.Aux{{Name: rdb.AuxRedisVer, Value: "7.0.15"}, {Name: rdb.AuxRedisBits, Value: "64"}}),
		w.SelectDB(0, 2, 1),
		w.String([]byte("expired"), []byte("value"), rdb.Meta{ExpireAtMs: 1000}),
		w.String([]byte("7"), []byte(strings.Repeat("v", 100)), rdb.Meta{ExpireAtMs: 32503680000000}),
		w.SelectDB(11, 1, 0),
		w.String([]byte("k"), []byte("1000"), rdb.Meta{}),
		w.Close())
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "dump.rdb")
	if err := os.WriteFile(name, data.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	want, err := exec.Command("redis-check-rdb", name).Output()
	if err != nil {
		t.Fatalf("this test needs redis-check-rdb (apt install redis-server): %v", err)
	}
	var got bytes.Buffer
	if _, err := File(vfs.OS{}, name, 2000, &got); err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("printed\n%s\nredis-check-rdb prints\n%s", got.String(), want)
	}
}

func TestBadDump(t *testing.T) {
	good := dump(t, rdb.WriterOptions{Checksum: true})
	key := bytes.Index(good, []byte("plain"))
	for name, c := range map[string]struct {
		data []byte
		want []string
	}{
		"cut off in a value": {good[:key+7], []string{"--- RDB ERROR DETECTED ---\n", "While doing: read-object-value\n", "Reading key 'plain'\n", "Reading type 0 (string)\n", "[info] 0 keys read\n"}},
		"wrong checksum":     {append(bytes.Clone(good[:len(good)-1]), good[len(good)-1]^1), []string{"[offset 203] RDB CRC error: wrong checksum", "While doing: check-sum\n", "[info] 3 keys read\n"}},
		"no dump":            {[]byte("*1\r\n$4\r\nPING\r\n"), []string{"[offset 0] wrong signature", "While doing: start\n"}},
		"newer version":      {[]byte("REDIS0013\xff"), []string{"[offset 0] Not supported: RDB format version 13"}},
		"empty":              {nil, []string{"[offset 0] the data ends here, expected the signature"}},
	} {
		_, out, err := checkFile(t, c.data)
		if err == nil || strings.Contains(out, "looks OK") {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		for _, want := range c.want {
			if !strings.Contains(out, want) {
				t.Errorf("%s: printed\n%s\nwant in it %q", name, out, want)
			}
		}
	}
}

func TestChecksumSwitchedOff(t *testing.T) {
	_, out, err := checkFile(t, dump(t, rdb.WriterOptions{}))
	if err != nil || !strings.Contains(out, "saved with checksum disabled") {
		t.Errorf("%v\n%s", err, out)
	}
	_, out, err = checkFile(t, []byte("REDIS0003\xfe\x00\xff"))
	if err != nil || !strings.Contains(out, "version 3 has no checksum") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestErrorsOfTheWorld(t *testing.T) {
	if _, err := File(vfs.NewMem(), "absent", 0, io.Discard); !errors.Is(err, fs.ErrNotExist) || errs.KindOf(err) != errs.NotFound {
		t.Errorf("no file: %v", err)
	}
	broken := errors.New("broken")
	if _, err := Stream(bytes.NewReader(dump(t, rdb.WriterOptions{})), "x", 0, 0, failing{broken}); !errors.Is(err, broken) {
		t.Errorf("output: %v", err)
	}
}

// failing is an output that fails.
type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
