package meta

import (
	"fmt"
	"strings"
	"time"

	"github.com/larder-cache/larder/base/limits"
)

// The store's bounds. They hold for every implementation, so that what works with one works with all; etcd's own bounds
// (1.5 MiB a request, 128 operations, both in its default configuration) lie above them.
const (
	// MaxTxnOps bounds the operations of a transaction, and separately its guards.
	MaxTxnOps = limits.MaxMetaTxnOps
	// MaxKeyBytes bounds a key or prefix.
	MaxKeyBytes = 1 * limits.KiB
	// MaxValueBytes bounds a value.
	MaxValueBytes = limits.MaxMetaValueBytes
	// MaxTxnBytes bounds the sum of all keys and values of a transaction. The keys of guards count twice, because they
	// travel twice: to be compared, and to be read if one does not hold. What is left of etcd's request is for the
	// encoding around them.
	MaxTxnBytes = limits.MaxMetaRequest - 64*limits.KiB
)

// maxTTL keeps a mistaken unit from becoming a lease that outlives its owner for months.
const maxTTL = 24 * time.Hour

// GuardKind is what a guard compares.
type GuardKind uint8

// The kinds of guard.
const (
	// GuardAbsent: the key does not exist.
	GuardAbsent GuardKind = iota + 1
	// GuardExists: the key exists.
	GuardExists
	// GuardMod: the key was last written at the guard's revision; at revision 0, it does not exist.
	GuardMod
	// GuardCreate: the key was made at the guard's revision and not deleted since, however often written.
	GuardCreate
)

// Guard is a condition on one key. Make it with Absent, Exists, AtRevision or CreatedAt.
type Guard struct {
	Kind GuardKind
	Key  string
	Rev  Revision // for GuardMod and GuardCreate
}

// Absent holds if key does not exist.
func Absent(key string) Guard { return Guard{Kind: GuardAbsent, Key: key} }

// Exists holds if key exists.
func Exists(key string) Guard { return Guard{Kind: GuardExists, Key: key} }

// AtRevision holds if key was last written at mod. Zero means that key does not exist, so the Mod of what Get returned
// is right whether or not it found the key.
func AtRevision(key string, mod Revision) Guard { return Guard{Kind: GuardMod, Key: key, Rev: mod} }

// CreatedAt holds if key was made at create and has existed since. Leadership.Guard is one of these.
func CreatedAt(key string, create Revision) Guard {
	return Guard{Kind: GuardCreate, Key: key, Rev: create}
}

// Holds tells if the guard holds for a key with these revisions, both zero when the key is absent.
func (g Guard) Holds(create, mod Revision) bool {
	switch g.Kind {
	case GuardAbsent:
		return create == 0
	case GuardExists:
		return create != 0
	case GuardMod:
		return mod == g.Rev
	case GuardCreate:
		return create != 0 && create == g.Rev
	default:
		return false
	}
}

// String says the condition in words, for errors and logs.
func (g Guard) String() string {
	switch g.Kind {
	case GuardAbsent:
		return g.Key + " is absent"
	case GuardExists:
		return g.Key + " exists"
	case GuardMod:
		return fmt.Sprintf("%s is at revision %d", g.Key, g.Rev)
	case GuardCreate:
		return fmt.Sprintf("%s was created at revision %d", g.Key, g.Rev)
	default:
		return fmt.Sprintf("guard of unknown kind %d on %s", g.Kind, g.Key)
	}
}

// OpKind is what an operation does.
type OpKind uint8

// The kinds of operation.
const (
	// OpPut writes a key.
	OpPut OpKind = iota + 1
	// OpDelete deletes a key, if it exists.
	OpDelete
	// OpDeletePrefix deletes all keys that begin with Key.
	OpDeletePrefix
)

// Op is one operation of a transaction. Make it with Put, PutLeased, Delete or DeletePrefix.
type Op struct {
	Kind  OpKind
	Key   string
	Value []byte  // for OpPut
	Lease LeaseID // for OpPut; 0: the key lives until it is deleted
}

// Put writes key. It takes key off a lease under which it stood.
func Put(key string, value []byte) Op { return Op{Kind: OpPut, Key: key, Value: value} }

// PutLeased writes key, which is deleted when the lease ends.
func PutLeased(key string, value []byte, lease LeaseID) Op {
	return Op{Kind: OpPut, Key: key, Value: value, Lease: lease}
}

// Delete deletes key. Deleting what does not exist changes nothing.
func Delete(key string) Op { return Op{Kind: OpDelete, Key: key} }

// DeletePrefix deletes all keys that begin with prefix.
func DeletePrefix(prefix string) Op { return Op{Kind: OpDeletePrefix, Key: prefix} }

// Txn is a transaction: if all guards hold, all operations are applied at one revision. Without guards it always
// succeeds; without operations it only compares.
type Txn struct {
	Guards []Guard
	Ops    []Op
}

// Result is what became of a transaction that was carried out.
type Result struct {
	// Succeeded is true if all guards held, and so all operations were applied.
	Succeeded bool
	// Revision is the store's revision after the transaction. If it changed anything, that is the revision of its
	// changes.
	Revision Revision
	// Failed are the guards that did not hold, in the order of the transaction. Empty if it succeeded.
	Failed []Guard
}

// Err returns nil if the transaction succeeded, else a *ConflictError.
func (r Result) Err() error {
	if r.Succeeded {
		return nil
	}
	return &ConflictError{Failed: r.Failed}
}

// FailedOn tells if the guard on key is among those that did not hold.
func (r Result) FailedOn(key string) bool {
	for _, g := range r.Failed {
		if g.Key == key {
			return true
		}
	}
	return false
}

// Validate returns nil, or why no store accepts the transaction: ErrTooLarge (more than MaxTxnOps guards or operations,
// or beyond MaxKeyBytes, MaxValueBytes, MaxTxnBytes) or ErrInvalid (an empty key, an unknown kind, two operations that
// touch the same key). Implementations call it first.
func (t Txn) Validate() error {
	if err := t.validateCounts(); err != nil {
		return err
	}
	total := 0
	for _, g := range t.Guards {
		if g.Kind < GuardAbsent || g.Kind > GuardCreate || g.Rev < 0 {
			return invalidf("%s", g)
		}
		if err := addKey(&total, g.Key); err != nil {
			return err
		}
		if err := add(&total, g.Key, len(g.Key)); err != nil {
			return err
		}
	}
	for _, op := range t.Ops {
		if err := op.validate(); err != nil {
			return err
		}
		if err := addKey(&total, op.Key); err != nil {
			return err
		}
		if err := add(&total, op.Key, len(op.Value)); err != nil {
			return err
		}
	}
	return t.validateDisjoint()
}

func (t Txn) validateCounts() error {
	if n := len(t.Guards); n > MaxTxnOps {
		return &TooLargeError{What: "guards", Key: cut(t.Guards[MaxTxnOps].Key), Size: n, Limit: MaxTxnOps}
	}
	if n := len(t.Ops); n > MaxTxnOps {
		return &TooLargeError{What: "operations", Key: cut(t.Ops[MaxTxnOps].Key), Size: n, Limit: MaxTxnOps}
	}
	return nil
}

func (op Op) validate() error {
	if op.Kind < OpPut || op.Kind > OpDeletePrefix {
		return invalidf("operation of unknown kind %d on %q", op.Kind, cut(op.Key))
	}
	if op.Kind != OpPut && (op.Lease != 0 || len(op.Value) != 0) {
		return invalidf("deletion of %q with a value or a lease", cut(op.Key))
	}
	if n := len(op.Value); n > MaxValueBytes {
		return &TooLargeError{What: "value", Key: cut(op.Key), Size: n, Limit: MaxValueBytes}
	}
	return nil
}

// validateDisjoint: in what order operations on one key apply is something etcd refuses to say for puts and gets wrong
// to read for deletions, so no key is touched twice.
func (t Txn) validateDisjoint() error {
	seen := make(map[string]bool, len(t.Ops))
	for _, op := range t.Ops {
		if seen[op.Key] {
			return invalidf("two operations on %q in one transaction", op.Key)
		}
		seen[op.Key] = true
	}
	for _, del := range t.Ops {
		if del.Kind != OpDeletePrefix {
			continue
		}
		for _, op := range t.Ops {
			if op.Key != del.Key && strings.HasPrefix(op.Key, del.Key) {
				return invalidf("the operation on %q lies within the deleted prefix %q", op.Key, del.Key)
			}
		}
	}
	return nil
}

// ValidateKey returns nil if key can be a key: not empty, not above MaxKeyBytes.
func ValidateKey(key string) error {
	if key == "" {
		return invalidf("empty key")
	}
	return ValidatePrefix(key)
}

// ValidatePrefix returns nil if prefix can be listed or watched: not above MaxKeyBytes.
func ValidatePrefix(prefix string) error {
	if len(prefix) > MaxKeyBytes {
		return &TooLargeError{What: "key", Key: cut(prefix), Size: len(prefix), Limit: MaxKeyBytes}
	}
	return nil
}

// ValidateTTL returns nil if ttl can be a lease's: positive and at most a day.
func ValidateTTL(ttl time.Duration) error {
	if ttl <= 0 || ttl > maxTTL {
		return invalidf("lease of %s", ttl)
	}
	return nil
}

func addKey(total *int, key string) error {
	if err := ValidateKey(key); err != nil {
		return err
	}
	return add(total, key, len(key))
}

func add(total *int, key string, n int) error {
	*total += n
	if *total > MaxTxnBytes {
		return &TooLargeError{What: "transaction", Key: key, Size: *total, Limit: MaxTxnBytes}
	}
	return nil
}

// cut keeps a key that may be of any length presentable in an error.
func cut(key string) string {
	const shown = 64
	if len(key) <= MaxKeyBytes {
		return key
	}
	return key[:shown]
}
