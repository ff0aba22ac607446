package differential

import (
	"strings"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/engine/enginetest"
	"github.com/larder-cache/larder/wire/resp"
)

// peer is what the real server is and knows.
type peer struct {
	version string
	release int
	// grammar has, for every command that it has ("xinfo|stream"), the tokens that the command takes.
	grammar map[string]map[string]bool
}

func newPeer(real *enginetest.Redis) *peer {
	p := &peer{version: real.Version(), grammar: map[string]map[string]bool{}}
	p.release = enginetest.Release(p.version)
	p.commands(real.Dial().Value("COMMAND", "DOCS").Elems)
	return p
}

func (p *peer) String() string { return "the real server, version " + p.version + "," }

// commands reads a list of names and descriptions.
func (p *peer) commands(docs []resp.Value) {
	for i := 0; i+1 < len(docs); i += 2 {
		tokens := map[string]bool{}
		p.grammar[string(docs[i].Str)] = tokens
		for j, about := 0, docs[i+1].Elems; j+1 < len(about); j += 2 {
			switch string(about[j].Str) {
			case "subcommands":
				p.commands(about[j+1].Elems)
			case "arguments":
				arguments(tokens, about[j+1].Elems)
			}
		}
	}
}

func arguments(tokens map[string]bool, args []resp.Value) {
	for _, arg := range args {
		for i := 0; i+1 < len(arg.Elems); i += 2 {
			switch string(arg.Elems[i].Str) {
			case "token":
				tokens[strings.ToUpper(string(arg.Elems[i+1].Str))] = true
			case "arguments":
				arguments(tokens, arg.Elems[i+1].Elems)
			}
		}
	}
}

func (p *peer) has(cmd *spec.Command) bool { return p.grammar[strings.ToLower(cmd.FullName())] != nil }

func (p *peer) takes(cmd *spec.Command, token string) bool {
	return p.grammar[strings.ToLower(cmd.FullName())][strings.ToUpper(token)]
}
