package spec

// ArgType is the type of an argument in COMMAND DOCS.
type ArgType uint8

// The types, in the words of COMMAND DOCS.
const (
	TypeString ArgType = iota
	TypeKey
	TypeInteger
	TypeDouble
	TypePattern
	TypeUnixTime
	TypePureToken // a word alone: NX
	TypeOneOf     // exactly one of Sub
	TypeBlock     // all of Sub, in order
)

// Arg is one argument, or group of arguments, of a command's grammar. Positional arguments stand first, in order; optional
// ones may then come in any order, as Redis takes them.
type Arg struct {
	Name          string
	Display       string // COMMAND DOCS's display_text; "": Name
	Type          ArgType
	Token         string // the word before the value (EX seconds), or the word itself for a pure token
	Optional      bool
	Multiple      bool
	MultipleToken bool
	Since         string
	Deprecated    string // since which version it should not be used
	KeySpec       int    // TypeKey, and a pattern of keys: index into Command.Keys
	Sub           []Arg
}

// Args lists arguments; it only reads better than a slice literal.
func Args(a ...Arg) []Arg { return a }

// Key is a key argument.
func Key(name string) Arg { return Arg{Name: name, Type: TypeKey} }

// Str is a string argument.
func Str(name string) Arg { return Arg{Name: name} }

// Int is an integer argument.
func Int(name string) Arg { return Arg{Name: name, Type: TypeInteger} }

// Double is a floating-point argument.
func Double(name string) Arg { return Arg{Name: name, Type: TypeDouble} }

// Pattern is a glob pattern.
func Pattern(name string) Arg { return Arg{Name: name, Type: TypePattern} }

// UnixTime is a point in time, in seconds or milliseconds since 1970.
func UnixTime(name string) Arg { return Arg{Name: name, Type: TypeUnixTime} }

// Token is a word that stands alone. The name is the word in lower case.
func Token(word string) Arg { return Arg{Name: lowerString(word), Type: TypePureToken, Token: word} }

// After puts a word before an argument: After("EX", Int("seconds")).
func After(word string, a Arg) Arg { a.Token = word; return a }

// Since says which version of Redis has an argument first, where the command is older.
func Since(version string, a Arg) Arg { a.Since = version; return a }

// Shown is an argument that COMMAND DOCS shows by another word than its name.
func Shown(display string, a Arg) Arg { a.Display = display; return a }

// Opt makes an argument optional.
func Opt(a Arg) Arg { a.Optional = true; return a }

// Many lets an argument stand more than once.
func Many(a Arg) Arg { a.Multiple = true; return a }

// OneOf is exactly one of its alternatives.
func OneOf(name string, alternatives ...Arg) Arg {
	return Arg{Name: name, Type: TypeOneOf, Sub: alternatives}
}

// Block is arguments that belong together.
func Block(name string, parts ...Arg) Arg { return Arg{Name: name, Type: TypeBlock, Sub: parts} }

func lowerString(s string) string {
	b := []byte(s)
	for i := range b {
		b[i] = lower(b[i])
	}
	return string(b)
}

// Option is one optional argument found by Options: the grammar's Arg and the value behind its word (nil for a bare word).
type Option struct {
	Arg   *Arg
	Value []byte
}

// Options walks the optional arguments of a call from index `from` on, by the declaration's grammar: words in any order, at
// most one alternative of each OneOf. The same word may stand again, as Redis lets it, and its last value counts. It returns
// what it found, appended to dst, and false when the arguments do not fit (the error that clients know as "syntax error").
// It does not look into values.
func (c *Command) Options(dst []Option, args [][]byte, from int) ([]Option, bool) {
	start := len(dst)
	for i := from; i < len(args); {
		top, arg := c.option(args[i])
		if arg == nil || taken(dst[start:], &c.Args[top], arg) {
			return dst, false
		}
		i++
		o := Option{Arg: arg}
		if arg.Type != TypePureToken {
			if i >= len(args) {
				return dst, false
			}
			o.Value = args[i]
			i++
		}
		dst = append(dst, o)
	}
	return dst, true
}

// option finds the top-level optional argument that a word belongs to, and the alternative that has the word.
func (c *Command) option(word []byte) (top int, arg *Arg) {
	for i := range c.Args {
		a := &c.Args[i]
		if !a.Optional {
			continue
		}
		if a.Type != TypeOneOf {
			if a.Token != "" && EqualFold(word, a.Token) {
				return i, a
			}
			continue
		}
		for j := range a.Sub {
			if EqualFold(word, a.Sub[j].Token) {
				return i, &a.Sub[j]
			}
		}
	}
	return 0, nil
}

// taken reports whether another alternative of the same OneOf was already given.
func taken(found []Option, oneOf, arg *Arg) bool {
	for _, o := range found {
		for j := range oneOf.Sub {
			if o.Arg == &oneOf.Sub[j] && o.Arg != arg {
				return true
			}
		}
	}
	return false
}

func upperString(s string) string {
	b := []byte(s)
	for i := range b {
		if 'a' <= b[i] && b[i] <= 'z' {
			b[i] -= 'a' - 'A'
		}
	}
	return string(b)
}
