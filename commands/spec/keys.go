package spec

import "github.com/larder-cache/larder/base/limits"

// Access is what a command does with a key, as COMMAND INFO's key specifications tell it.
type Access uint16

// The access flags; exactly one of the first four is set for a key.
const (
	RO          Access = 1 << iota // does not modify the value
	RW                             // modifies the value
	OW                             // overwrites the value
	RM                             // deletes the key
	Reads                          // "access": returns or uses the value
	Updates                        // "update"
	Inserts                        // "insert"
	Deletes                        // "delete"
	NotKey                         // looks like a key, is none
	Incomplete                     // the specification can miss keys
	VariableFlg                    // the flags depend on the arguments
)

// Begin says where the search for keys begins. The zero Begin says that no rule can tell ("unknown" in COMMAND INFO).
type Begin struct {
	At      int    // the index of the first key; the name is 0
	Keyword string // or: after this word, searched from From on (from the end if negative)
	From    int
}

// Find says which arguments from the beginning on are keys.
type Find struct {
	// Last is relative to the first key: 0 means one key; -1 the last argument, -2 the one before, and so on.
	Last int
	Step int // 1: every argument; 2: every second one (MSET)
	// NumKeys: the count stands at first+NumKeyAt, and the first key at first+FirstKey.
	NumKeys            bool
	NumKeyAt, FirstKey int
	Limit              int // Last -1 only: 2 means half of the rest are keys
}

// KeySpec is one place where a command has keys.
type KeySpec struct {
	Begin  Begin
	Find   Find
	Access Access
	Notes  string // for people, in COMMAND INFO
	// Vary tells the access of one call where VariableFlg says that it depends on the arguments; nil: Access.
	Vary func(args [][]byte) Access
	// Place tells the index of the first key of a call, 0 if it has none, where Begin does not say all (SORT … STORE; MIGRATE; XREADGROUP, whose group
	// can be named STREAMS); nil: it does.
	Place func(args [][]byte) int
}

// Keys are all places where a command has keys.
type Keys []KeySpec

// One is a single key at index i.
func One(i int, a Access) Keys { return Keys{{Begin: Begin{At: i}, Find: Find{Step: 1}, Access: a}} }

// From is every argument from index i on.
func From(i int, a Access) Keys {
	return Keys{{Begin: Begin{At: i}, Find: Find{Last: -1, Step: 1}, Access: a}}
}

// EverySecond is every second argument from index i on: MSET's keys.
func EverySecond(i int, a Access) Keys {
	return Keys{{Begin: Begin{At: i}, Find: Find{Last: -1, Step: 2}, Access: a}}
}

// KeyPos is one key of a call: the argument's index and what is done with it.
type KeyPos struct {
	Arg    int
	Access Access
}

// ErrBadKeys says that the arguments do not have the keys where the declaration wants them (a numkeys that is out of range).
var ErrBadKeys error = keysError("Invalid arguments specified for command")

// ErrLongKey says that a key is longer than an entry can hold: limits.MaxKeyBytes.
var ErrLongKey error = keysError("a key is longer than 4 GiB - 1, the most that larder can hold")

// keysError is an error whose text is what clients are told.
type keysError string

func (e keysError) Error() string { return string(e) }

// Positions appends the keys of a call to dst. args[0] is the name; for a subcommand args[1] is its own name.
func (ks Keys) Positions(dst []KeyPos, args [][]byte) ([]KeyPos, error) {
	for i := range ks {
		var err error
		if dst, err = ks[i].positions(dst, args); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

func (k *KeySpec) positions(dst []KeyPos, args [][]byte) ([]KeyPos, error) {
	if k.Access&NotKey != 0 {
		return dst, nil
	}
	first := k.first(args)
	if first <= 0 || first >= len(args) {
		return dst, nil
	}
	if k.Find.NumKeys {
		return k.counted(dst, args, first)
	}
	step := max(k.Find.Step, 1) // what no rule can tell has none
	last := first + k.Find.Last
	if k.Find.Last < 0 {
		last = len(args) + k.Find.Last
		if k.Find.Limit > 1 {
			last = first + (last-first)/k.Find.Limit
		}
	}
	access := k.Access &^ Incomplete // which is said of the specification
	if k.Vary != nil {
		access = k.Vary(args)
	}
	for i := first; i <= last && i < len(args); i += step {
		if len(args[i]) > limits.MaxKeyBytes {
			return dst, ErrLongKey
		}
		dst = append(dst, KeyPos{Arg: i, Access: access})
	}
	return dst, nil
}

func (k *KeySpec) first(args [][]byte) int {
	if k.Place != nil {
		return k.Place(args)
	}
	if k.Begin.Keyword == "" {
		return k.Begin.At
	}
	from, step := k.Begin.From, 1
	if from < 0 {
		from, step = len(args)+from, -1
	}
	for i := from; i > 0 && i < len(args)-1; i += step {
		if EqualFold(args[i], k.Begin.Keyword) {
			return i + 1
		}
	}
	return 0
}

func (k *KeySpec) counted(dst []KeyPos, args [][]byte, first int) ([]KeyPos, error) {
	at := first + k.Find.NumKeyAt
	if at >= len(args) {
		return dst, ErrBadKeys
	}
	n, ok := smallInt(args[at])
	start := first + k.Find.FirstKey
	if !ok || n < 0 || start+(n-1)*k.Find.Step >= len(args) {
		return dst, ErrBadKeys
	}
	for i := range n {
		arg := start + i*k.Find.Step
		if len(args[arg]) > limits.MaxKeyBytes {
			return dst, ErrLongKey
		}
		dst = append(dst, KeyPos{Arg: arg, Access: k.Access})
	}
	return dst, nil
}

// smallInt reads a number as strictly as the handlers do: "01" is none.
func smallInt(b []byte) (int, bool) {
	if len(b) == 0 || len(b) > 7 || len(b) > 1 && b[0] == '0' {
		return 0, false
	}
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}

// EqualFold reports whether b is the ASCII word s, whatever the case of b. s must be given in upper or lower case throughout.
func EqualFold(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i := range b {
		if lower(b[i]) != lower(s[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
