package engine

import "github.com/larder-cache/larder/commands/spec"

// Transactions are the commands MULTI, EXEC, DISCARD, WATCH and UNWATCH.
func Transactions() []*spec.Command {
	const common = spec.NoScript | spec.Loading | spec.Stale | spec.AllowBusy
	return []*spec.Command{
		{Name: "multi", Since: "1.2.0", Doc: "Starts a transaction.", Complex: "O(1)", Group: spec.Transactions, Arity: 1,
			Flags: common | spec.Fast | spec.NoMulti, Run: multiRun},
		{Name: "exec", Since: "1.2.0", Doc: "Executes all commands in a transaction.", Complex: "Depends on commands in the transaction",
			Group: spec.Transactions, Arity: 1, Flags: spec.NoScript | spec.Loading | spec.Stale | spec.SkipSlowlog, Run: execRun},
		{Name: "discard", Since: "2.0.0", Doc: "Discards a transaction.", Complex: "O(N), when N is the number of queued commands",
			Group: spec.Transactions, Arity: 1, Flags: common | spec.Fast, Run: discardRun},
		{Name: "watch", Since: "2.2.0", Doc: "Monitors changes to keys to determine the execution of a transaction.", Complex: "O(1) for every key.",
			Group: spec.Transactions, Arity: -2, Flags: common | spec.Fast | spec.NoMulti, Keys: spec.From(1, spec.RO), Args: spec.Args(spec.Many(spec.Key("key"))), Run: watchRun},
		{Name: "unwatch", Since: "2.2.0", Doc: "Forgets about watched keys of a transaction.", Complex: "O(1)",
			Group: spec.Transactions, Arity: 1, Flags: common | spec.Fast, Run: unwatchRun},
	}
}

// Monitoring are the commands that tell what a node does: SLOWLOG, COMMANDLOG, LATENCY, MONITOR.
func Monitoring() []*spec.Command {
	return append(logCommands(), latencyCommand(), monitorCommand())
}
