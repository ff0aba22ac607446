package commands

import (
	"cmp"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/wire/resp"
)

// fields writes a map of which some pairs may be missing.
type fields struct {
	w    *resp.Writer
	mark resp.Mark
	n    int
}

func newFields(w *resp.Writer) *fields { return &fields{w: w, mark: w.Defer()} }

// name writes a pair's name; the value follows.
func (f *fields) name(name string) *resp.Writer {
	f.n++
	f.w.BulkString(name)
	return f.w
}

// text writes a pair, if there is a value.
func (f *fields) text(name, text string) {
	if text != "" {
		f.name(name).BulkString(text)
	}
}

// words writes a name and words, if there are any.
func (f *fields) words(name string, words []string) {
	if len(words) > 0 {
		replyWords(f.name(name), words)
	}
}

func (f *fields) end() { f.w.SetMap(f.mark, f.n) }

// replyDocs answers a command's documentation.
func replyDocs(w *resp.Writer, cmd *spec.Command) {
	f := newFields(w)
	f.text("summary", cmd.Doc)
	f.text("since", cmd.Since)
	f.text("group", string(cmd.Group))
	f.text("complexity", cmd.Complex)
	var flags []string
	if cmd.Deprecated != "" {
		flags = append(flags, "deprecated")
	}
	if cmd.Internal {
		flags = append(flags, "syscmd")
	}
	f.words("doc_flags", flags)
	f.text("deprecated_since", cmd.Deprecated)
	f.text("replaced_by", cmd.Instead)
	if len(cmd.History) > 0 {
		f.name("history").Set(len(cmd.History))
		for _, h := range cmd.History {
			w.Array(2)
			w.BulkString(h[0])
			w.BulkString(h[1])
		}
	}
	if len(cmd.Args) > 0 {
		f.name("arguments")
		replyArgs(w, cmd.Args)
	}
	if subs := visible(cmd.Sub); len(subs) > 0 {
		f.name("subcommands").Map(len(subs))
		for _, s := range subs {
			w.BulkString(s.FullName())
			replyDocs(w, s)
		}
	}
	f.end()
}

var argTypes = map[spec.ArgType]string{
	spec.TypeString: "string", spec.TypeKey: "key", spec.TypeInteger: "integer", spec.TypeDouble: "double", spec.TypePattern: "pattern",
	spec.TypeUnixTime: "unix-time", spec.TypePureToken: "pure-token", spec.TypeOneOf: "oneof", spec.TypeBlock: "block",
}

func replyArgs(w *resp.Writer, args []spec.Arg) {
	w.Array(len(args))
	for i := range args {
		replyArg(w, &args[i])
	}
}

func replyArg(w *resp.Writer, a *spec.Arg) {
	f := newFields(w)
	f.text("name", a.Name)
	f.text("type", argTypes[a.Type])
	group := a.Type == spec.TypeOneOf || a.Type == spec.TypeBlock
	if !group {
		f.text("display_text", cmp.Or(a.Display, a.Name))
	}
	if a.Type == spec.TypeKey || a.KeySpec > 0 {
		f.name("key_spec_index").Int(int64(a.KeySpec))
	}
	f.text("token", a.Token)
	f.text("since", a.Since)
	f.text("deprecated_since", a.Deprecated)
	var flags []string
	if a.Optional {
		flags = append(flags, "optional")
	}
	if a.Multiple {
		flags = append(flags, "multiple")
	}
	if a.MultipleToken {
		flags = append(flags, "multiple_token")
	}
	f.words("flags", flags)
	if group {
		f.name("arguments")
		replyArgs(w, a.Sub)
	}
	f.end()
}
