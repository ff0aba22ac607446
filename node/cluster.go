package node

import (
	"slices"

	"github.com/larder-cache/larder/commands/spec"
)

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

// clusterSubs are CLUSTER's subcommands; their tables leave out what is the same for all.
func clusterSubs() []*spec.Command {
	subs := slices.Concat(clusterOfSlots(), clusterOfKeys(), clusterOfNodes(), clusterOfMembership(), clusterOfItself())
	for _, c := range subs {
		c.Run = clusterDisabled
	}
	return subs
}

// What CLUSTER's subcommands have in common: flags, tips, complexities and arguments.
const (
	clusterTells   = spec.Loading | spec.Stale
	clusterAdmin   = spec.Admin | spec.Stale
	clusterChanges = clusterAdmin | spec.NoAsyncLoading

	ofSlots    = "O(N) where N is the total number of hash slot arguments"
	ofRanges   = "O(N) where N is the total number of the slots between the start slot and end slot arguments."
	ofNodes    = "O(N) where N is the total number of Cluster nodes"
	ofReplicas = "O(N) where N is the number of replicas."
)

func clusterVaries() []string    { return []string{"nondeterministic_output"} }
func clusterNodeID() []spec.Arg  { return spec.Args(spec.Str("node-id")) }
func clusterSlotIDs() []spec.Arg { return spec.Args(spec.Many(spec.Int("slot"))) }
func clusterRanges() []spec.Arg {
	return spec.Args(spec.Many(spec.Block("range", spec.Int("start-slot"), spec.Int("end-slot"))))
}

// clusterOfSlots say which slots a node has.
func clusterOfSlots() []*spec.Command {
	return []*spec.Command{
		{Name: "addslots", Since: "3.0.0", Doc: "Assigns new hash slots to a node.", Complex: ofSlots,
			Arity: -3, Flags: clusterChanges, Args: clusterSlotIDs()},
		{Name: "addslotsrange", Since: "7.0.0", Doc: "Assigns new hash slot ranges to a node.", Complex: ofRanges,
			Arity: -4, Flags: clusterChanges, Args: clusterRanges()},
		{Name: "delslots", Since: "3.0.0", Doc: "Sets hash slots as unbound for a node.", Complex: ofSlots,
			Arity: -3, Flags: clusterChanges, Args: clusterSlotIDs()},
		{Name: "delslotsrange", Since: "7.0.0", Doc: "Sets hash slot ranges as unbound for a node.", Complex: ofRanges,
			Arity: -4, Flags: clusterChanges, Args: clusterRanges()},
		{Name: "flushslots", Since: "3.0.0", Doc: "Deletes all slots information from a node.", Complex: "O(1)",
			Arity: 2, Flags: clusterChanges},
		{Name: "setslot", Since: "3.0.0", Doc: "Binds a hash slot to a node.", Complex: "O(1)",
			Arity: -4, Flags: clusterChanges | spec.MayReplicate, History: [][2]string{{"8.0.0", "Added the `TIMEOUT` option."}},
			Args: spec.Args(spec.Int("slot"),
				spec.OneOf("subcommand", spec.After("IMPORTING", spec.Shown("node-id", spec.Str("importing"))), spec.After("MIGRATING", spec.Shown("node-id", spec.Str("migrating"))),
					spec.After("NODE", spec.Shown("node-id", spec.Str("node"))), spec.Token("STABLE")),
				spec.Since("8.0.0", spec.Opt(spec.After("TIMEOUT", spec.Int("timeout")))))},
	}
}

// clusterOfKeys are about slots and what is in them.
func clusterOfKeys() []*spec.Command {
	return []*spec.Command{
		{Name: "countkeysinslot", Since: "3.0.0", Doc: "Returns the number of keys in a hash slot.", Complex: "O(1)",
			Arity: 3, Flags: spec.Stale, Args: spec.Args(spec.Int("slot"))},
		{Name: "getkeysinslot", Since: "3.0.0", Doc: "Returns the key names in a hash slot.", Complex: "O(N) where N is the number of requested keys",
			Arity: 4, Flags: spec.Stale, Tips: clusterVaries(), Args: spec.Args(spec.Int("slot"), spec.Int("count"))},
		{Name: "keyslot", Since: "3.0.0", Doc: "Returns the hash slot for a key.", Complex: "O(N) where N is the number of bytes in the key",
			Arity: 3, Flags: spec.Stale, Args: spec.Args(spec.Str("key"))},
		{Name: "shards", Since: "7.0.0", Doc: "Returns the mapping of cluster slots to shards.", Complex: "O(N) where N is the total number of cluster nodes",
			Arity: 2, Flags: clusterTells, Tips: clusterVaries()},
		{Name: "slots", Since: "3.0.0", Doc: "Returns the mapping of cluster slots to nodes.", Complex: ofNodes,
			Arity: 2, Flags: clusterTells, Tips: clusterVaries(), History: [][2]string{{"4.0.0", "Added node IDs."}, {"7.0.0", "Added additional networking metadata field."}}},
		{Name: "slot-stats", Since: "8.0.0", Doc: "Return an array of slot usage statistics for slots assigned to the current node.", Complex: "O(N) where N is the total number of slots based on arguments. O(N*log(N)) with ORDERBY subcommand.",
			Arity: -4, Flags: clusterTells, Tips: []string{"nondeterministic_output", "request_policy:all_shards"},
			Args: spec.Args(spec.OneOf("filter",
				spec.After("SLOTSRANGE", spec.Block("slotsrange", spec.Int("start-slot"), spec.Int("end-slot"))),
				spec.After("ORDERBY", spec.Block("orderby", spec.Str("metric"), spec.Opt(spec.After("LIMIT", spec.Int("limit"))),
					spec.Opt(spec.OneOf("order", spec.Token("ASC"), spec.Token("DESC")))))))},
	}
}

// clusterOfNodes tell of nodes.
func clusterOfNodes() []*spec.Command {
	return []*spec.Command{
		{Name: "count-failure-reports", Since: "3.0.0", Doc: "Returns the number of active failure reports active for a node.", Complex: "O(N) where N is the number of failure reports",
			Arity: 3, Flags: clusterAdmin, Tips: clusterVaries(), Args: clusterNodeID()},
		{Name: "info", Since: "3.0.0", Doc: "Returns information about the state of a node.", Complex: "O(1)",
			Arity: 2, Flags: clusterTells, Tips: clusterVaries()},
		{Name: "links", Since: "7.0.0", Doc: "Returns a list of all TCP links to and from peer nodes.", Complex: ofNodes,
			Arity: 2, Flags: spec.Stale, Tips: clusterVaries()},
		{Name: "myid", Since: "3.0.0", Doc: "Returns the ID of a node.", Complex: "O(1)",
			Arity: 2, Flags: clusterTells},
		{Name: "myshardid", Since: "7.2.0", Doc: "Returns the shard ID of a node.", Complex: "O(1)",
			Arity: 2, Flags: clusterTells, Tips: clusterVaries()},
		{Name: "nodes", Since: "3.0.0", Doc: "Returns the cluster configuration for a node.", Complex: ofNodes,
			Arity: 2, Flags: clusterTells, Tips: clusterVaries()},
		{Name: "replicas", Since: "5.0.0", Doc: "Lists the replica nodes of a primary node.", Complex: ofReplicas,
			Arity: 3, Flags: clusterAdmin, Tips: clusterVaries(), Args: clusterNodeID()},
		{Name: "slaves", Since: "3.0.0", Doc: "Lists the replica nodes of a primary node.", Complex: ofReplicas,
			Arity: 3, Flags: clusterAdmin, Tips: clusterVaries(), Deprecated: "5.0.0", Instead: "`CLUSTER REPLICAS`",
			Args: clusterNodeID()},
	}
}

// clusterOfMembership change who is in the cluster, and who follows whom.
func clusterOfMembership() []*spec.Command {
	return []*spec.Command{
		{Name: "failover", Since: "3.0.0", Doc: "Forces a replica to perform a manual failover of its primary.", Complex: "O(1)",
			Arity: -2, Flags: clusterChanges,
			Args: spec.Args(spec.Opt(spec.OneOf("options", spec.Token("FORCE"), spec.Token("TAKEOVER"))))},
		{Name: "forget", Since: "3.0.0", Doc: "Removes a node from the nodes table.", Complex: "O(1)",
			Arity: 3, Flags: clusterChanges, Args: clusterNodeID()},
		{Name: "meet", Since: "3.0.0", Doc: "Forces a node to handshake with another node.", Complex: "O(1)",
			Arity: -4, Flags: clusterChanges, History: [][2]string{{"4.0.0", "Added the optional `cluster_bus_port` argument."}},
			Args: spec.Args(spec.Str("ip"), spec.Int("port"), spec.Since("4.0.0", spec.Opt(spec.Int("cluster-bus-port"))))},
		{Name: "replicate", Since: "3.0.0", Doc: "Configure a node as replica of a primary node.", Complex: "O(1)",
			Arity: 3, Flags: clusterChanges, Args: clusterNodeID()},
		{Name: "reset", Since: "3.0.0", Doc: "Resets a node.", Complex: "O(N) where N is the number of known nodes. The command may execute a FLUSHALL as a side effect.",
			Arity: -2, Flags: clusterAdmin | spec.NoScript,
			Args: spec.Args(spec.Opt(spec.OneOf("reset-type", spec.Token("HARD"), spec.Token("SOFT"))))},
	}
}

// clusterOfItself are about the configuration's epoch and file, and about CLUSTER.
func clusterOfItself() []*spec.Command {
	return []*spec.Command{
		{Name: "bumpepoch", Since: "3.0.0", Doc: "Advances the cluster config epoch.", Complex: "O(1)",
			Arity: 2, Flags: clusterChanges, Tips: clusterVaries()},
		{Name: "set-config-epoch", Since: "3.0.0", Doc: "Sets the configuration epoch for a new node.", Complex: "O(1)",
			Arity: 3, Flags: clusterChanges, Args: spec.Args(spec.Int("config-epoch"))},
		{Name: "saveconfig", Since: "3.0.0", Doc: "Forces a node to save the cluster configuration to disk.", Complex: "O(1)",
			Arity: 2, Flags: clusterChanges},
		{Name: "help", Since: "5.0.0", Doc: "Returns helpful text about the different subcommands.", Complex: "O(1)",
			Arity: 2, Flags: clusterTells},
	}
}
