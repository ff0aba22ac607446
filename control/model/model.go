// Package model is the vocabulary of the control plane: what a cache is asked to be (Desired), what the planner has
// chosen for it (Assignment), what the agents see of it (Observed), and what AWS's API says of it, which is computed
// from these three and stored nowhere (status.go).
//
// The unit of everything is a group: a replication group with its member cache clusters, or one standalone cache cluster
// of one node. Each of its records is one key of the state store: the API writes Desired, the planner Assignment; they are
// separate keys because they have separate writers.
//
// The package does no I/O, reads no clock and decides nothing: what is to be done is decided by control/plan. It knows
// the store only as bytes (codec.go), and no wire format.
//
// Reading order: model.go, assignment.go, observed.go, status.go, event.go, names.go, addr.go, memory.go, nodetypes.go,
// engines.go, codec.go.
package model

import (
	"slices"
	"time"
)

// Kind tells replication groups and standalone clusters apart. Its values are AWS' words for the resource in an ARN.
type Kind string

const (
	// KindReplicationGroup is a group made by CreateReplicationGroup.
	KindReplicationGroup Kind = "replicationgroup"
	// KindCluster is a standalone cache cluster, made by CreateCacheCluster: one shard of one node.
	KindCluster Kind = "cluster"
)

// The engines, as the API has them.
const (
	EngineRedis     = "redis"
	EngineValkey    = "valkey"
	EngineMemcached = "memcached"
)

// Desired is what the API was asked for. Only API handlers write it.
type Desired struct {
	// Format is the version of the encoding; see codec.go.
	Format int `json:"format"`

	Kind Kind   `json:"kind"`
	ID   string `json:"id"` // lower-cased, unique within Kind
	ARN  string `json:"arn"`
	// Account and Region stand in the ARNs of the members too.
	Account string `json:"account"`
	Region  string `json:"region"`

	// Generation grows by one with every write that asks for an effect, requests included. The group is being modified
	// until Assignment.CompletedGeneration has reached it.
	Generation int64     `json:"generation"`
	CreatedAt  time.Time `json:"created_at"`
	// Deleting is set once and for ever: nodes and records are to go.
	Deleting bool `json:"deleting,omitempty"`

	Description   string `json:"description,omitempty"`
	Engine        string `json:"engine"`
	EngineVersion string `json:"engine_version"` // full, such as 7.1.0
	NodeType      string `json:"node_type"`      // such as cache.t3.micro
	Port          uint16 `json:"port"`

	// Shards are the node groups; with cluster mode disabled exactly one.
	Shards []DesiredShard `json:"shards"`

	AutomaticFailover bool `json:"automatic_failover,omitempty"`
	MultiAZ           bool `json:"multi_az,omitempty"`

	ParameterGroup    string   `json:"parameter_group"`
	MaintenanceWindow string   `json:"maintenance_window,omitempty"` // ddd:hh24:mi-ddd:hh24:mi, lower case
	SnapshotWindow    string   `json:"snapshot_window,omitempty"`    // hh24:mi-hh24:mi
	SnapshotRetention int32    `json:"snapshot_retention,omitempty"` // days
	Snapshotting      string   `json:"snapshotting_cluster,omitempty"`
	SubnetGroup       string   `json:"subnet_group,omitempty"`
	SecurityGroups    []string `json:"security_groups,omitempty"`       // VPC security group ids
	CacheSecurity     []string `json:"cache_security_groups,omitempty"` // names of the legacy kind

	// AutoMinorVersionUpgrade and what follows have no effect on the nodes: they are remembered and shown.
	AutoMinorVersionUpgrade bool   `json:"auto_minor_version_upgrade,omitempty"`
	NotificationTopic       string `json:"notification_topic,omitempty"`        // ARN
	NotificationStatus      string `json:"notification_topic_status,omitempty"` // active or inactive
	NetworkType             string `json:"network_type,omitempty"`              // ipv4
	IPDiscovery             string `json:"ip_discovery,omitempty"`              // ipv4
	AZMode                  string `json:"az_mode,omitempty"`                   // standalone clusters: single-az or cross-az
	ClusterMode             string `json:"cluster_mode,omitempty"`              // disabled
	Durability              string `json:"durability,omitempty"`                // as asked for
	StorageEncryption       string `json:"storage_encryption,omitempty"`        // none
	AtRestEncryption        bool   `json:"at_rest_encryption,omitempty"`
	KMSKey                  string `json:"kms_key,omitempty"`
	TransitEncryption       bool   `json:"transit_encryption,omitempty"`
	TransitEncryptionMode   string `json:"transit_encryption_mode,omitempty"`
	DataTiering             bool   `json:"data_tiering,omitempty"`

	// Tags are the group's; MemberTags those of member clusters, by cluster id.
	Tags       map[string]string            `json:"tags,omitempty"`
	MemberTags map[string]map[string]string `json:"member_tags,omitempty"`

	// Failovers and Reboots are one-time requests, in the order in which they were made. The planner carries each out once
	// and then lists its id in Assignment.Handled; PruneRequests drops those.
	Failovers []FailoverRequest `json:"failovers,omitempty"`
	Reboots   []RebootRequest   `json:"reboots,omitempty"`
}

// DesiredShard is what was asked for one node group.
type DesiredShard struct {
	ID    string `json:"id"`              // node group id, such as 0001
	Slots string `json:"slots,omitempty"` // such as 0-8191; empty with cluster mode disabled
	// Replicas is how many nodes there are beside the primary.
	Replicas int `json:"replicas"`
	// Zones are the zones asked for, the primary's first at creation. Each entry is for one node; nodes without an entry
	// are spread. It may be empty or shorter than the number of nodes; IncreaseReplicaCount appends.
	Zones []string `json:"zones,omitempty"`
	// Remove are the member clusters to go first when there are more nodes than asked for. A member that is the primary by
	// then is not removed: another replica is. DecreaseReplicaCount sets it, IncreaseReplicaCount clears it.
	Remove []string `json:"remove,omitempty"`
}

// FailoverKind says what a failover was asked for.
type FailoverKind string

const (
	// FailoverTest is TestFailover: any healthy replica takes over.
	FailoverTest FailoverKind = "test"
	// FailoverPromote is ModifyReplicationGroup with PrimaryClusterId: the member named takes over.
	FailoverPromote FailoverKind = "promote"
)

// FailoverRequest asks once for a planned failover.
type FailoverRequest struct {
	ID    string       `json:"id"` // unique within the group for ever
	Kind  FailoverKind `json:"kind"`
	Shard string       `json:"shard"`        // node group id
	To    string       `json:"to,omitempty"` // member cluster id; for FailoverTest empty
	At    time.Time    `json:"at"`
}

// RebootRequest asks once for a restart of nodes without their data, as RebootCacheCluster does.
type RebootRequest struct {
	ID    string    `json:"id"`    // unique within the group for ever
	Nodes []string  `json:"nodes"` // node ids, such as web-001/0001
	At    time.Time `json:"at"`
}

// Key names the group in the store and in maps: kind and id, as in the resource part of its ARN.
func (d Desired) Key() string { return GroupKey(d.Kind, d.ID) }

// Shard returns the node group with that id, and whether there is one.
func (d Desired) Shard(id string) (DesiredShard, bool) {
	for _, s := range d.Shards {
		if s.ID == id {
			return s, true
		}
	}
	return DesiredShard{}, false
}

// PruneRequests drops the requests that are in handled. Handlers call it before they write.
func (d *Desired) PruneRequests(handled []string) {
	d.Failovers = slices.DeleteFunc(slices.Clone(d.Failovers), func(r FailoverRequest) bool {
		return slices.Contains(handled, r.ID)
	})
	d.Reboots = slices.DeleteFunc(slices.Clone(d.Reboots), func(r RebootRequest) bool {
		return slices.Contains(handled, r.ID)
	})
}
