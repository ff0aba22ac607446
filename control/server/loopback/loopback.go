// Package loopback gives each data folder a block of 127.0.0.0/8 of its own, 127.B.0.0/16, so that several larders, and
// tests in parallel, live side by side on one machine.
//
// Three things keep two from having the same block. A register in the user's state folder says which block each data
// folder of that user has, running or not. While larder runs it holds the block's guard, a listener on the block's last
// address, which nobody else on the machine can then have. And a block in which anything listens (nodes that outlive a
// killed larder, another user's larder) is not given to a new folder.
//
// A block has 15 slices of 4094 addresses, one a zone, numbered in the order in which the folder's zones first appeared.
// Package loopback gives out no single addresses: that is the planner's.
package loopback

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"

	"github.com/larder-cache/larder/base/clock"
	"github.com/larder-cache/larder/base/errs"
	"github.com/larder-cache/larder/base/vfs"
)

const (
	// firstBlock and lastBlock are the second byte of a block: all but 0, where 127.0.0.1 is, and 255.
	firstBlock = 1
	lastBlock  = 254
	// sliceBits and maxZones: sixteen /20 in a /16, the last of which has the guard.
	sliceBits = 20
	maxZones  = 15
	// guardPort is where the guard listens, on 127.B.255.254.
	guardPort = 4600
	// format is the version of both files.
	format       = 1
	maxFileBytes = 1 << 20
)

// Config says whose block is asked for.
type Config struct {
	FS    vfs.FS
	Clock clock.Clock
	// Folder is the data folder's absolute path.
	Folder string
	// File is where the folder's block is recorded.
	File string
	// Register is the user's register; empty for none.
	Register string
	// Zones are the names of the availability zones, at least one.
	Zones  []string
	Logger *slog.Logger
	// Listening returns the blocks in which something listens; nil reads the system's table.
	Listening func() map[int]bool
}

// Block is a block that this process holds.
type Block struct {
	number int
	zones  map[string]int
	guard  net.Listener
}

// record is the file in the data folder.
type record struct {
	Format int            `json:"format"`
	Block  int            `json:"block"`
	Zones  map[string]int `json:"zones"`
}

// Claim returns the folder's block: the one it had before, or a free one.
func Claim(cfg Config) (*Block, error) {
	rec, had, err := readRecord(cfg)
	if err != nil {
		return nil, err
	}
	if err := rec.addZones(cfg.Zones); err != nil {
		return nil, err
	}
	if had {
		return reclaim(cfg, rec)
	}
	return choose(cfg, rec)
}

func readRecord(cfg Config) (rec record, had bool, err error) {
	rec = record{Format: format, Zones: map[string]int{}}
	text, err := vfs.ReadFile(cfg.FS, cfg.File, maxFileBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return rec, false, nil
	}
	if err != nil {
		return rec, false, errs.World("read the block of addresses", err)
	}
	if err := json.Unmarshal(text, &rec); err != nil {
		return rec, false, errs.Corruptf(cfg.File, errs.UnknownOffset, "%w", err)
	}
	if rec.Format != format || rec.Block < firstBlock || rec.Block > lastBlock || rec.Zones == nil {
		return rec, false, errs.Corruptf(cfg.File, errs.UnknownOffset, "format %d, block %d", rec.Format, rec.Block)
	}
	return rec, true, nil
}

// addZones numbers the zones that are new.
func (r *record) addZones(zones []string) error {
	for _, z := range zones {
		if _, ok := r.Zones[z]; ok {
			continue
		}
		if len(r.Zones) == maxZones {
			return errs.WithHint(errs.Errorf("give each zone its addresses", errs.Limit,
				"a data folder can have %d zones over time", maxZones), "use fewer --zones, or another --data")
		}
		r.Zones[z] = len(r.Zones)
	}
	return nil
}

func (r record) write(cfg Config) error {
	b, err := json.Marshal(r)
	if err != nil {
		return errs.Bugf("encode the block of addresses: %w", err)
	}
	return errs.World("write the block of addresses", vfs.WriteFileAtomic(cfg.FS, cfg.File, append(b, '\n'), 0o600))
}

// reclaim takes the block that the folder has.
func reclaim(cfg Config, rec record) (*Block, error) {
	b, err := hold(rec)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, errs.WithHint(errs.Errorf(fmt.Sprintf("take the addresses 127.%d.0.0/16 of %s", rec.Block, cfg.Folder), errs.InUse,
			"another program listens on %s", guardAddr(rec.Block)),
			"stop it; if this data folder is a copy of another one whose larder is running, stop that larder")
	}
	if err != nil {
		return nil, guardError(err)
	}
	if err := rec.write(cfg); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// choose takes a free block and records it in both places.
func choose(cfg Config, rec record) (*Block, error) {
	reg, err := openRegister(cfg)
	if err != nil {
		return nil, err
	}
	defer reg.close()
	listening := cfg.Listening
	if listening == nil {
		listening = systemListeners
	}
	busy := listening()
	for _, number := range candidates(cfg.Folder) {
		if busy[number] || reg.taken(number) {
			continue
		}
		rec.Block = number
		b, err := hold(rec)
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			return nil, guardError(err)
		}
		if err := errors.Join(rec.write(cfg), reg.add(number)); err != nil {
			b.Close()
			return nil, err
		}
		return b, nil
	}
	return nil, errs.WithHint(errs.Errorf("take a block of loopback addresses", errs.NoSpace, "all of 127.0.0.0/8 is taken"),
		"remove data folders that you no longer need, or use --addresses ports")
}

// candidates are all blocks, beginning at one that depends on the folder's name, so that users who do not share a register
// rarely try the same one first.
func candidates(folder string) []int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(folder)) // never fails
	const n = lastBlock - firstBlock + 1
	start := int(h.Sum32() % n)
	all := make([]int, n)
	for i := range all {
		all[i] = firstBlock + (start+i)%n
	}
	return all
}

// hold takes the block's guard.
func hold(rec record) (*Block, error) {
	guard, err := net.Listen("tcp4", guardAddr(rec.Block))
	if err != nil {
		return nil, err
	}
	return &Block{number: rec.Block, zones: maps.Clone(rec.Zones), guard: guard}, nil
}

func guardAddr(block int) string { return fmt.Sprintf("127.%d.255.254:%d", block, guardPort) }

func guardError(err error) error {
	return errs.WithHint(errs.World("take a block of loopback addresses", err),
		"this system may not have all of 127.0.0.0/8: use --addresses ports")
}

// Prefix is the block.
func (b *Block) Prefix() netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{127, byte(b.number), 0, 0}), 16)
}

// Pools returns each zone's slice.
func (b *Block) Pools() map[string]netip.Prefix {
	pools := make(map[string]netip.Prefix, len(b.zones))
	for zone, i := range b.zones {
		pools[zone] = netip.PrefixFrom(netip.AddrFrom4([4]byte{127, byte(b.number), byte(i << (24 - sliceBits)), 0}), sliceBits)
	}
	return pools
}

// Close gives the guard up. The folder keeps its block.
func (b *Block) Close() { _ = b.guard.Close() }

// systemListeners reads Linux' table of TCP sockets. Where there is none, nothing is known to listen: the guards and the
// register must do.
func systemListeners() map[int]bool {
	text, err := vfs.ReadFile(vfs.OS{}, "/proc/net/tcp", maxTableBytes)
	if err != nil {
		return nil
	}
	return parseListeners(string(text))
}

// maxTableBytes bounds how much of the system's table is read: 150 bytes a socket.
const maxTableBytes = 64 << 20

// parseListeners returns the second bytes of all listening addresses in 127.0.0.0/8. Source: the kernel's
// Documentation/networking/proc_net_tcp: local address as a hexadecimal number in the machine's byte order, state 0A is LISTEN.
func parseListeners(table string) map[int]bool {
	busy := map[int]bool{}
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 4 || f[3] != "0A" || len(f[1]) < 8 {
			continue
		}
		n, err := strconv.ParseUint(f[1][:8], 16, 32)
		if err != nil {
			continue
		}
		var a [4]byte
		if binary.NativeEndian.PutUint32(a[:], uint32(n)); a[0] == 127 {
			busy[int(a[1])] = true
		}
	}
	return busy
}
