package commands

import (
	"time"

	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/wire/resp"
)

// Migration is what a MIGRATE asks for. Its keys are those of the call.
type Migration struct {
	Host    string
	Port    int // 0 if it is none
	DB      int64
	Timeout time.Duration // of each read and write
	Copy    bool          // the keys stay here
	Replace bool          // what the target has is overwritten
	// Auth are the arguments of the AUTH that goes before: a password, or a user's name and password; nil: none goes.
	Auth []string
}

// Migrate declares MIGRATE. run is called with the shards of the keys held, when the options are right.
func Migrate(run func(*spec.Call, *Migration)) *spec.Command {
	const access = spec.RW | spec.Reads | spec.Deletes
	empty := spec.Arg{Name: "empty-string", Type: spec.TypePureToken, Token: `""`}
	many := spec.Since("3.0.6", spec.Opt(spec.After("KEYS", spec.Many(spec.Arg{Name: "keys", Display: "key", Type: spec.TypeKey, KeySpec: 1}))))
	return &spec.Command{Name: "migrate", Since: "2.6.0", Doc: "Atomically transfers a key from one instance to another.",
		Complex: "This command actually executes a DUMP+DEL in the source instance, and a RESTORE in the target instance. See the pages of these commands for time " +
			"complexity. Also an O(N) data transfer between the two instances is performed.",
		Group: spec.Generic, Arity: -6, Flags: spec.Write | spec.MovableKeys, Categories: spec.CatDangerous, Tips: []string{"nondeterministic_output"},
		Keys: spec.Keys{{Begin: spec.Begin{At: 3}, Find: spec.Find{Step: 1}, Access: access, Place: migrateKey},
			{Begin: spec.Begin{Keyword: "KEYS", From: -2}, Find: spec.Find{Last: -1, Step: 1}, Access: access | spec.Incomplete, Place: migrateKeys}},
		Secrets: migrateSecrets,
		History: [][2]string{{"3.0.0", "Added the `COPY` and `REPLACE` options."}, {"3.0.6", "Added the `KEYS` option."}, {"4.0.7", "Added the `AUTH` option."},
			{"6.0.0", "Added the `AUTH2` option."}},
		Args: spec.Args(spec.Str("host"), spec.Int("port"), spec.OneOf("key-selector", spec.Key("key"), empty), spec.Int("destination-db"), spec.Int("timeout"),
			spec.Since("3.0.0", spec.Opt(spec.Token("COPY"))), spec.Since("3.0.0", spec.Opt(spec.Token("REPLACE"))),
			spec.Opt(spec.OneOf("authentication", spec.Since("4.0.7", spec.After("AUTH", spec.Shown("password", spec.Str("auth")))),
				spec.Since("6.0.0", spec.After("AUTH2", spec.Block("auth2", spec.Str("username"), spec.Str("password")))))), many),
		Run: func(c *spec.Call) {
			if m, ok := parseMigration(c); ok {
				run(c, &m)
			}
		}}
}

// The options of MIGRATE, which stand from this argument on.
const migrateOptions = 6

// migrateKey is where the one key stands: the third argument, unless there is KEYS. A third argument and KEYS are an error that the handler
// tells; then there is no key.
func migrateKey(args [][]byte) int {
	if keysWord(args) > 0 {
		return 0
	}
	return 3
}

// migrateKeys is where the keys behind KEYS begin.
func migrateKeys(args [][]byte) int {
	if at := keysWord(args); at > 0 && len(args[3]) == 0 {
		return at + 1
	}
	return 0
}

// keysWord is where KEYS stands, 0 if it does not. A user's name or password may be that word, too.
func keysWord(args [][]byte) int {
	for i := migrateOptions; i < len(args); i++ {
		switch {
		case spec.EqualFold(args[i], "keys"):
			return i
		case spec.EqualFold(args[i], "auth"):
			i++
		case spec.EqualFold(args[i], "auth2"):
			i += 2
		}
	}
	return 0
}

// migrateSecrets are the arguments of AUTH and AUTH2.
func migrateSecrets(args [][]byte) (hide []int) {
	for i := migrateOptions; i < len(args); i++ {
		n := 0
		switch {
		case spec.EqualFold(args[i], "keys"):
			return hide
		case spec.EqualFold(args[i], "auth"):
			n = 1
		case spec.EqualFold(args[i], "auth2"):
			n = 2
		}
		for ; n > 0 && i+1 < len(args); n-- {
			i++
			hide = append(hide, i)
		}
	}
	return hide
}

// parseMigration reads a call; false after it has answered what is wrong with it. The options come first, as in Redis.
func parseMigration(c *spec.Call) (m Migration, ok bool) {
	if !m.parseOptions(c) {
		return m, false
	}
	ms, ok := c.Int(c.Args[5])
	if !ok {
		return m, false
	}
	if m.DB, ok = c.Int(c.Args[4]); !ok {
		return m, false
	}
	if ms <= 0 {
		ms = int64(limits.MigrateTimeoutDefault / time.Millisecond)
	}
	m.Timeout = time.Duration(min(ms, int64(limits.MaxMigrateTimeout/time.Millisecond))) * time.Millisecond
	m.Host = string(c.Args[1])
	if p, isInt := resp.ParseInt(c.Args[2]); isInt && p > 0 && p <= 65535 {
		m.Port = int(p)
	}
	return m, true
}

// parseOptions reads what stands behind the timeout.
func (m *Migration) parseOptions(c *spec.Call) bool {
	for i := migrateOptions; i < len(c.Args); i++ {
		left := len(c.Args) - 1 - i
		switch a := c.Args[i]; {
		case spec.EqualFold(a, "copy"):
			m.Copy = true
		case spec.EqualFold(a, "replace"):
			m.Replace = true
		case spec.EqualFold(a, "auth") && left >= 1:
			m.Auth = []string{string(c.Args[i+1])}
			i++
		case spec.EqualFold(a, "auth2") && left >= 2:
			m.Auth = []string{string(c.Args[i+1]), string(c.Args[i+2])}
			i += 2
		case spec.EqualFold(a, "keys"):
			if len(c.Args[3]) != 0 {
				c.Out.Error("ERR When using MIGRATE KEYS option, the key argument must be set to the empty string")
				return false
			}
			return true
		default:
			c.Out.Error(spec.ErrSyntax)
			return false
		}
	}
	return true
}
