package engine

import "github.com/larder-cache/larder/commands/spec"

// This file has what COMMAND DOCS tells of the arguments of CLIENT LIST and CLIENT KILL.

var clientListHistory = [][2]string{{"2.8.12", "Added unique client `id` field."}, {"5.0.0", "Added optional `TYPE` filter."}, {"6.0.0", "Added `user` field."},
	{"6.2.0", "Added `argv-mem`, `tot-mem`, `laddr` and `redir` fields and the optional `ID` filter."},
	{"7.0.0", "Added `resp`, `multi-mem`, `rbs` and `rbp` fields."}, {"7.0.3", "Added `ssub` field."},
	{"8.0.0", "Replaced `master` `TYPE` with `primary`. `master` still supported for backward compatibility."},
	{"8.1.0", "Added filters USER, ADDR, LADDR, SKIPME, and MAXAGE"}}

var clientKillHistory = [][2]string{{"2.8.12", "Added new filter format."}, {"2.8.12", "`ID` option."}, {"3.2.0", "Added `master` type in for `TYPE` option."},
	{"5.0.0", "Replaced `slave` `TYPE` with `replica`. `slave` still supported for backward compatibility."}, {"6.2.0", "`LADDR` option."}, {"8.0.0", "`MAXAGE` option."},
	{"8.0.0", "Replaced `master` `TYPE` with `primary`. `master` still supported for backward compatibility."}, {"8.1.0", "`ID` option accepts multiple IDs."}}

func clientListArgs() []spec.Arg {
	kinds := spec.OneOf("client-type", spec.Token("NORMAL"), spec.Token("MASTER"), spec.Token("REPLICA"), spec.Token("PUBSUB"))
	option := func(version, word string, a spec.Arg) spec.Arg {
		return spec.Since(version, spec.Opt(spec.After(word, a)))
	}
	return []spec.Arg{option("5.0.0", "TYPE", kinds), option("6.2.0", "ID", spec.Many(spec.Int("client-id"))), option("8.1.0", "USER", spec.Str("username")),
		option("8.1.0", "ADDR", spec.Shown("ip:port", spec.Str("addr"))), option("8.1.0", "LADDR", spec.Shown("ip:port", spec.Str("laddr"))),
		option("8.1.0", "SKIPME", spec.OneOf("skipme", spec.Token("YES"), spec.Token("NO"))), option("8.1.0", "MAXAGE", spec.Int("maxage"))}
}

func clientKillArgs() []spec.Arg {
	kinds := spec.OneOf("client-type", spec.Token("NORMAL"), spec.Since("3.2.0", spec.Token("MASTER")), spec.Since("8.0.0", spec.Token("PRIMARY")), spec.Token("SLAVE"),
		spec.Since("5.0.0", spec.Token("REPLICA")), spec.Token("PUBSUB"))
	option := func(version, word string, a spec.Arg) spec.Arg {
		return spec.Since(version, spec.Opt(spec.After(word, a)))
	}
	old := spec.Shown("ip:port", spec.Str("old-format"))
	old.Deprecated = "2.8.12"
	return []spec.Arg{spec.OneOf("filter", old, spec.Many(spec.OneOf("new-format",
		option("2.8.12", "ID", spec.Many(spec.Int("client-id"))), option("2.8.12", "TYPE", kinds), option("", "USER", spec.Str("username")),
		option("", "ADDR", spec.Shown("ip:port", spec.Str("addr"))), option("6.2.0", "LADDR", spec.Shown("ip:port", spec.Str("laddr"))),
		option("", "SKIPME", spec.OneOf("skipme", spec.Token("YES"), spec.Token("NO"))), option("8.0.0", "MAXAGE", spec.Int("maxage")))))}
}
