package commands

import (
	"bytes"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/store/collection"
)

// streamGroupCommands are XGROUP, a container.
func streamGroupCommands() []*spec.Command {
	sub := func(name, since, doc, complexity string, arity int, flags spec.Flag, access spec.Access, args []spec.Arg, run func(*spec.Call)) *spec.Command {
		return &spec.Command{Name: name, Since: since, Doc: doc, Complex: complexity, Arity: arity, Flags: flags, Keys: spec.One(2, access),
			Args: append(spec.Args(keyArg, spec.Str("group")), args...), Run: run}
	}
	consumer := spec.Args(spec.Str("consumer"))
	selector := spec.OneOf("id-selector", spec.Str("id"), spec.Arg{Name: "new-id", Type: spec.TypePureToken, Token: "$"})
	entriesRead := spec.Opt(spec.Arg{Name: "entriesread", Display: "entries-read", Type: spec.TypeInteger, Token: "ENTRIESREAD"})
	create := sub("create", "5.0.0", "Creates a consumer group.", "O(1)", -5, spec.Write|spec.DenyOOM, spec.RW|spec.Inserts,
		spec.Args(selector, spec.Opt(spec.Token("MKSTREAM")), entriesRead), xgroupCreate)
	create.History = [][2]string{{"7.0.0", "Added the `entries_read` named argument."}}
	setid := sub("setid", "5.0.0", "Sets the last-delivered ID of a consumer group.", "O(1)", -5, spec.Write, spec.RW|spec.Updates, spec.Args(selector, entriesRead), xgroupSetID)
	setid.History = [][2]string{{"7.0.0", "Added the optional `entries_read` argument."}}
	return []*spec.Command{{Name: "xgroup", Since: "5.0.0", Doc: "A container for consumer groups commands.", Complex: "Depends on subcommand.", Group: spec.Stream, Arity: -2,
		Sub: []*spec.Command{create, setid,
			sub("createconsumer", "6.2.0", "Creates a consumer in a consumer group.", "O(1)", 5, spec.Write|spec.DenyOOM, spec.RW|spec.Inserts, consumer, xgroupCreateConsumer),
			sub("delconsumer", "5.0.0", "Deletes a consumer from a consumer group.", "O(1)", 5, spec.Write, spec.RW|spec.Deletes, consumer, xgroupDelConsumer),
			sub("destroy", "5.0.0", "Destroys a consumer group.", "O(N) where N is the number of entries in the group's pending entries list (PEL).", 4, spec.Write,
				spec.RW|spec.Deletes, nil, xgroupDestroy),
			{Name: "help", Since: "5.0.0", Doc: "Returns helpful text about the different subcommands.", Complex: "O(1)", Arity: 2, Flags: spec.Loading | spec.Stale, Run: xgroupHelp},
		}}}
}

// badSubcommand answers that a subcommand does not take such arguments.
func badSubcommand(c *spec.Call) {
	const shown = 128
	name := cString(c.Args[1])
	c.Out.Error("ERR unknown subcommand or wrong number of arguments for '" + string(name[:min(len(name), shown)]) + "'. Try " +
		string(bytes.ToUpper(cString(c.Args[0]))) + " HELP.")
}

// noGroup answers that a key that is there has no such consumer group.
func noGroup(c *spec.Call, group []byte) {
	c.Out.Error("NOGROUP No such consumer group '" + string(cString(group)) + "' for key name '" + string(cString(c.Key(0).Name)) + "'")
}

// noKeyOrGroup answers that there is no such key, or that it has no such consumer group.
func noKeyOrGroup(c *spec.Call) {
	c.Out.Error("NOGROUP No such key '" + string(cString(c.Args[1])) + "' or consumer group '" + string(cString(c.Args[2])) + "'")
}

// groupToRead is the stream of the call's first key and its group that the call's second word names; false after it has answered an error.
func groupToRead(c *spec.Call) (s *collection.Stream, g *collection.StreamGroup, ok bool) {
	if s, ok = streamToRead(c); !ok {
		return nil, nil, false
	}
	if g = s.Group(c.Args[2]); g == nil {
		noKeyOrGroup(c)
		return nil, nil, false
	}
	return s, g, true
}

// groupOptions reads XGROUP's arguments from the sixth on; false after it has answered an error.
func groupOptions(c *spec.Call, mayCreate bool) (makeStream bool, entriesRead int64, ok bool) {
	entriesRead = collection.UnknownEntries
	for i := 5; i < len(c.Args); i++ {
		switch {
		case mayCreate && spec.EqualFold(c.Args[i], "mkstream"):
			makeStream = true
		case i+1 < len(c.Args) && spec.EqualFold(c.Args[i], "entriesread"):
			i++
			if entriesRead, ok = c.Int(c.Args[i]); !ok {
				return false, 0, false
			}
			if entriesRead < 0 && entriesRead != collection.UnknownEntries {
				c.Out.Error("ERR value for ENTRIESREAD must be positive or -1")
				return false, 0, false
			}
		default:
			badSubcommand(c)
			return false, 0, false
		}
	}
	return makeStream, entriesRead, true
}

// groupStream is the stream that XGROUP is about; false after it has answered an error.
func groupStream(c *spec.Call, makeStream bool) (*collection.Stream, bool) {
	s, ok := streamToWrite(c)
	if ok && !s.Found() && !makeStream {
		c.Out.Error("ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically.")
		return nil, false
	}
	return s, ok
}

// groupToChange is the group that XGROUP is about, of a stream; false after it has answered an error.
func groupToChange(c *spec.Call) (*collection.Stream, *collection.StreamGroup, bool) {
	s, ok := groupStream(c, false)
	if !ok {
		return nil, nil, false
	}
	g := s.Group(c.Args[3])
	if g == nil {
		noGroup(c, c.Args[3])
	}
	return s, g, g != nil
}

// lastOf reads an id that may be $, the last one of a stream; false after it has answered an error.
func lastOf(c *spec.Call, s *collection.Stream, arg []byte, read func(*spec.Call, []byte) (collection.StreamID, bool)) (collection.StreamID, bool) {
	if len(arg) == 1 && arg[0] == '$' {
		return s.LastID(), true
	}
	return read(c, arg)
}

// groupChanged tells of a change of a stream's groups, which is none of what the key holds: who watches the key goes on.
func groupChanged(c *spec.Call, event string) {
	c.Engine.Dirty(1)
	c.Engine.Notify(eventStream, event, c.Key(0))
}

func xgroupCreate(c *spec.Call) {
	const most = 8 // arguments
	makeStream, entriesRead, ok := groupOptions(c, true)
	if !ok {
		return
	}
	s, ok := groupStream(c, makeStream)
	if !ok {
		return
	}
	if len(c.Args) > most {
		badSubcommand(c)
		return
	}
	last, ok := lastOf(c, s, c.Args[4], streamID)
	if !ok {
		return
	}
	if !s.Found() {
		s.Create()
		c.Engine.Modified(c.Key(0))
	}
	if s.CreateGroup(c.Args[3], last, entriesRead) == nil {
		c.Out.Error("BUSYGROUP Consumer Group name already exists")
		return
	}
	c.Out.OK()
	groupChanged(c, "xgroup-create")
}

func xgroupSetID(c *spec.Call) {
	const most = 7 // arguments
	_, entriesRead, ok := groupOptions(c, false)
	if !ok {
		return
	}
	s, g, ok := groupToChange(c)
	if !ok {
		return
	}
	if len(c.Args) > most {
		badSubcommand(c)
		return
	}
	last, ok := lastOf(c, s, c.Args[4], func(c *spec.Call, arg []byte) (collection.StreamID, bool) { return streamEdge(c, arg, 0) })
	if !ok {
		return
	}
	g.SetLastID(last)
	g.SetEntriesRead(entriesRead)
	c.Out.OK()
	groupChanged(c, "xgroup-setid")
}

func xgroupDestroy(c *spec.Call) {
	s, ok := groupStream(c, false)
	if !ok {
		return
	}
	if !s.DestroyGroup(c.Args[3]) {
		c.Out.Int(0)
		return
	}
	c.Out.Int(1)
	groupChanged(c, "xgroup-destroy")
	c.Engine.Wake(c.Key(0)) // who waits for entries through the group is to hear that there is none any more
}

func xgroupCreateConsumer(c *spec.Call) {
	_, g, ok := groupToChange(c)
	if !ok {
		return
	}
	if g.CreateConsumer(c.Args[4], c.Now) == nil {
		c.Out.Int(0)
		return
	}
	c.Out.Int(1)
	groupChanged(c, "xgroup-createconsumer")
}

func xgroupDelConsumer(c *spec.Call) {
	_, g, ok := groupToChange(c)
	if !ok {
		return
	}
	pending, there := g.DeleteConsumer(c.Args[4])
	c.Out.Int(int64(pending))
	if there {
		groupChanged(c, "xgroup-delconsumer")
	}
}

func xgroupHelp(c *spec.Call) {
	c.Help("CREATE <key> <groupname> <id|$> [option]",
		"    Create a new consumer group. Options are:",
		"    * MKSTREAM",
		"      Create the empty stream if it does not exist.",
		"    * ENTRIESREAD entries_read",
		"      Set the group's entries_read counter (internal use).",
		"CREATECONSUMER <key> <groupname> <consumer>",
		"    Create a new consumer in the specified group.",
		"DELCONSUMER <key> <groupname> <consumer>",
		"    Remove the specified consumer.",
		"DESTROY <key> <groupname>",
		"    Remove the specified group.",
		"SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
		"    Set the current group ID and entries_read counter.")
}
