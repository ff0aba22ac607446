package node

import "github.com/larder-cache/larder/commands/spec"

// Cluster mode is not built in this version. Its commands answer what Redis answers when cluster-enabled is no, which it always is here.

func clusterDisabled(c *spec.Call) { c.Out.Error("ERR This instance has cluster support disabled") }

// clusterCommands are those of cluster mode. READONLY and READWRITE are also of use without it: package engine has them.
func clusterCommands() []*spec.Command {
	return []*spec.Command{
		{Name: "cluster", Since: "3.0.0", Doc: "A container for Cluster commands.", Complex: "Depends on subcommand.", Group: spec.Cluster, Arity: -2,
			Sub: clusterSubs()},
		{Name: "asking", Since: "3.0.0", Doc: "Signals that a cluster client is following an -ASK redirect.", Complex: "O(1)", Group: spec.Cluster, Arity: 1,
			Flags: spec.Fast, Categories: spec.CatConnection, Run: clusterDisabled},
	}
}

func clusterSubs() []*spec.Command {
	const always, admin = spec.Loading | spec.Stale, spec.Admin | spec.Stale
	const change = admin | spec.NoAsyncLoading
	nondet := []string{"nondeterministic_output"}
	return []*spec.Command{
		{Name: "addslots", Since: "3.0.0", Doc: "Assigns new hash slots to a node.", Complex: "O(N) where N is the total number of hash slot arguments",
			Arity: -3, Flags: change,
			Args: spec.Args(spec.Many(spec.Int("slot"))), Run: clusterDisabled},
		{Name: "addslotsrange", Since: "7.0.0", Doc: "Assigns new hash slot ranges to a node.", Complex: "O(N) where N is the total number of the slots between the start slot and end slot arguments.",
			Arity: -4, Flags: change,
			Args: spec.Args(spec.Many(spec.Block("range", spec.Int("start-slot"), spec.Int("end-slot")))), Run: clusterDisabled},
		{Name: "bumpepoch", Since: "3.0.0", Doc: "Advances the cluster config epoch.", Complex: "O(1)",
			Arity: 2, Flags: change, Tips: nondet, Run: clusterDisabled},
		{Name: "count-failure-reports", Since: "3.0.0", Doc: "Returns the number of active failure reports active for a node.", Complex: "O(N) where N is the number of failure reports",
			Arity: 3, Flags: admin, Tips: nondet,
			Args: spec.Args(spec.Str("node-id")), Run: clusterDisabled},
		{Name: "countkeysinslot", Since: "3.0.0", Doc: "Returns the number of keys in a hash slot.", Complex: "O(1)",
			Arity: 3, Flags: spec.Stale,
			Args: spec.Args(spec.Int("slot")), Run: clusterDisabled},
		{Name: "delslots", Since: "3.0.0", Doc: "Sets hash slots as unbound for a node.", Complex: "O(N) where N is the total number of hash slot arguments",
			Arity: -3, Flags: change,
			Args: spec.Args(spec.Many(spec.Int("slot"))), Run: clusterDisabled},
		{Name: "delslotsrange", Since: "7.0.0", Doc: "Sets hash slot ranges as unbound for a node.", Complex: "O(N) where N is the total number of the slots between the start slot and end slot arguments.",
			Arity: -4, Flags: change,
			Args: spec.Args(spec.Many(spec.Block("range", spec.Int("start-slot"), spec.Int("end-slot")))), Run: clusterDisabled},
		{Name: "failover", Since: "3.0.0", Doc: "Forces a replica to perform a manual failover of its primary.", Complex: "O(1)",
			Arity: -2, Flags: change,
			Args: spec.Args(spec.Opt(spec.OneOf("options", spec.Token("FORCE"), spec.Token("TAKEOVER")))), Run: clusterDisabled},
		{Name: "flushslots", Since: "3.0.0", Doc: "Deletes all slots information from a node.", Complex: "O(1)",
			Arity: 2, Flags: change, Run: clusterDisabled},
		{Name: "forget", Since: "3.0.0", Doc: "Removes a node from the nodes table.", Complex: "O(1)",
			Arity: 3, Flags: change,
			Args: spec.Args(spec.Str("node-id")), Run: clusterDisabled},
		{Name: "getkeysinslot", Since: "3.0.0", Doc: "Returns the key names in a hash slot.", Complex: "O(N) where N is the number of requested keys",
			Arity: 4, Flags: spec.Stale, Tips: nondet,
			Args: spec.Args(spec.Int("slot"), spec.Int("count")), Run: clusterDisabled},
		{Name: "help", Since: "5.0.0", Doc: "Returns helpful text about the different subcommands.", Complex: "O(1)",
			Arity: 2, Flags: always, Run: clusterDisabled},
		{Name: "info", Since: "3.0.0", Doc: "Returns information about the state of a node.", Complex: "O(1)",
			Arity: 2, Flags: always, Tips: nondet, Run: clusterDisabled},
		{Name: "keyslot", Since: "3.0.0", Doc: "Returns the hash slot for a key.", Complex: "O(N) where N is the number of bytes in the key",
			Arity: 3, Flags: spec.Stale,
			Args: spec.Args(spec.Str("key")), Run: clusterDisabled},
		{Name: "links", Since: "7.0.0", Doc: "Returns a list of all TCP links to and from peer nodes.", Complex: "O(N) where N is the total number of Cluster nodes",
			Arity: 2, Flags: spec.Stale, Tips: nondet, Run: clusterDisabled},
		{Name: "meet", Since: "3.0.0", Doc: "Forces a node to handshake with another node.", Complex: "O(1)",
			Arity: -4, Flags: change, History: [][2]string{{"4.0.0", "Added the optional `cluster_bus_port` argument."}},
			Args: spec.Args(spec.Str("ip"), spec.Int("port"), spec.Since("4.0.0", spec.Opt(spec.Int("cluster-bus-port")))), Run: clusterDisabled},
		{Name: "myid", Since: "3.0.0", Doc: "Returns the ID of a node.", Complex: "O(1)",
			Arity: 2, Flags: always, Run: clusterDisabled},
		{Name: "myshardid", Since: "7.2.0", Doc: "Returns the shard ID of a node.", Complex: "O(1)",
			Arity: 2, Flags: always, Tips: nondet, Run: clusterDisabled},
		{Name: "nodes", Since: "3.0.0", Doc: "Returns the cluster configuration for a node.", Complex: "O(N) where N is the total number of Cluster nodes",
			Arity: 2, Flags: always, Tips: nondet, Run: clusterDisabled},
		{Name: "replicas", Since: "5.0.0", Doc: "Lists the replica nodes of a primary node.", Complex: "O(N) where N is the number of replicas.",
			Arity: 3, Flags: admin, Tips: nondet,
			Args: spec.Args(spec.Str("node-id")), Run: clusterDisabled},
		{Name: "replicate", Since: "3.0.0", Doc: "Configure a node as replica of a primary node.", Complex: "O(1)",
			Arity: 3, Flags: change,
			Args: spec.Args(spec.Str("node-id")), Run: clusterDisabled},
		{Name: "reset", Since: "3.0.0", Doc: "Resets a node.", Complex: "O(N) where N is the number of known nodes. The command may execute a FLUSHALL as a side effect.",
			Arity: -2, Flags: admin | spec.NoScript,
			Args: spec.Args(spec.Opt(spec.OneOf("reset-type", spec.Token("HARD"), spec.Token("SOFT")))), Run: clusterDisabled},
		{Name: "saveconfig", Since: "3.0.0", Doc: "Forces a node to save the cluster configuration to disk.", Complex: "O(1)",
			Arity: 2, Flags: change, Run: clusterDisabled},
		{Name: "set-config-epoch", Since: "3.0.0", Doc: "Sets the configuration epoch for a new node.", Complex: "O(1)",
			Arity: 3, Flags: change,
			Args: spec.Args(spec.Int("config-epoch")), Run: clusterDisabled},
		{Name: "setslot", Since: "3.0.0", Doc: "Binds a hash slot to a node.", Complex: "O(1)",
			Arity: -4, Flags: change | spec.MayReplicate, History: [][2]string{{"8.0.0", "Added the `TIMEOUT` option."}},
			Args: spec.Args(spec.Int("slot"), spec.OneOf("subcommand", spec.After("IMPORTING", spec.Str("importing")), spec.After("MIGRATING", spec.Str("migrating")), spec.After("NODE", spec.Str("node")), spec.Token("STABLE")), spec.Since("8.0.0", spec.Opt(spec.After("TIMEOUT", spec.Int("timeout"))))), Run: clusterDisabled},
		{Name: "shards", Since: "7.0.0", Doc: "Returns the mapping of cluster slots to shards.", Complex: "O(N) where N is the total number of cluster nodes",
			Arity: 2, Flags: always, Tips: nondet, Run: clusterDisabled},
		{Name: "slaves", Since: "3.0.0", Doc: "Lists the replica nodes of a primary node.", Complex: "O(N) where N is the number of replicas.",
			Arity: 3, Flags: admin, Tips: nondet, Deprecated: "5.0.0", Instead: "`CLUSTER REPLICAS`",
			Args: spec.Args(spec.Str("node-id")), Run: clusterDisabled},
		{Name: "slot-stats", Since: "8.0.0", Doc: "Return an array of slot usage statistics for slots assigned to the current node.", Complex: "O(N) where N is the total number of slots based on arguments. O(N*log(N)) with ORDERBY subcommand.",
			Arity: -4, Flags: always, Tips: []string{"nondeterministic_output", "request_policy:all_shards"},
			Args: spec.Args(spec.OneOf("filter", spec.After("SLOTSRANGE", spec.Block("slotsrange", spec.Int("start-slot"), spec.Int("end-slot"))), spec.After("ORDERBY", spec.Block("orderby", spec.Str("metric"), spec.Opt(spec.After("LIMIT", spec.Int("limit"))), spec.Opt(spec.OneOf("order", spec.Token("ASC"), spec.Token("DESC"))))))), Run: clusterDisabled},
		{Name: "slots", Since: "3.0.0", Doc: "Returns the mapping of cluster slots to nodes.", Complex: "O(N) where N is the total number of Cluster nodes",
			Arity: 2, Flags: always, Tips: nondet, History: [][2]string{{"4.0.0", "Added node IDs."}, {"7.0.0", "Added additional networking metadata field."}}, Run: clusterDisabled},
	}
}
