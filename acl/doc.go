// Package acl is the users of a node and what they may do: Redis' access control lists.
//
// A User is a name with rules; its Rules are an immutable snapshot, swapped whole, so that the executor reads them without a
// lock. What a category, a command or a subcommand means comes from the spec.Table that the ACL is bound to, never from a
// list of its own. The ACL commands are declared here too, beside what they change.
//
// It keeps no connection: who a session is, and whom to disconnect when a user goes, it asks and tells through Hooks. It reads
// no clock, and the ACL file only through the interface File.
//
// Reading order: rules.go (a snapshot and what it allows), parse.go (the rule language), users.go (the users), describe.go
// (rules as text), file.go (the ACL file), log.go, commands.go.
package acl
