package model

import (
	"net/netip"
	"slices"
	"time"

	"github.com/larder-cache/larder/nodeapi"
)

// Assignment is the planner's own choices for a group. Only the planner writes it, always before anything acts on it.
// Together with Desired it says everything about the NodeSpecs.
type Assignment struct {
	// Format is the version of the encoding; see codec.go.
	Format int `json:"format"`

	// Epoch orders changes of role. It never decreases.
	Epoch int64 `json:"epoch"`
	// Generation grows by one with every write of the assignment. A node's own Generation is the one at which its spec last
	// changed, so that a write that does not concern a node does not disturb it.
	Generation int64 `json:"generation"`
	// CompletedGeneration is the Desired.Generation whose effects are all there. 0: the group is still being created.
	CompletedGeneration int64 `json:"completed_generation"`

	Shards []Shard `json:"shards"`

	// Handled are the ids of requests that have been carried out or have come to nothing. It lists only those that
	// Desired still has.
	Handled []string `json:"handled,omitempty"`
	// Failed says why the group cannot be created, in a sentence; empty when nothing is wrong.
	Failed string `json:"failed,omitempty"`
	// ReplicationPassword is the secret of the hidden replication user of the group's nodes. It is stored, and shown by
	// nobody: nodeapi.Secret hides it from logs.
	ReplicationPassword nodeapi.Secret `json:"replication_password"`
}

// Floor is the highest epoch and generation that nodes which are gone have had. A new group begins above it: a node's id may
// have been another node's, and an agent refuses what is lower than what it knows of the id.
type Floor struct {
	// Format is the version of the encoding; see codec.go.
	Format     int   `json:"format"`
	Epoch      int64 `json:"epoch"`
	Generation int64 `json:"generation"`
}

// Raise returns the floor that also lies above an assignment.
func (f Floor) Raise(a *Assignment) Floor {
	if a != nil {
		f.Epoch, f.Generation = max(f.Epoch, a.Epoch), max(f.Generation, a.Generation)
	}
	return f
}

// Shard is one node group.
type Shard struct {
	ID    string `json:"id"`
	Slots string `json:"slots,omitempty"`

	// PrimaryEndpoint and ReaderEndpoint are addresses that move from node to node. Zero for a standalone cluster.
	PrimaryEndpoint netip.AddrPort `json:"primary_endpoint,omitzero"`
	ReaderEndpoint  netip.AddrPort `json:"reader_endpoint,omitzero"`

	// Primary is the id of the node that has, or is to have again, the primary's role. Empty until the first is chosen.
	Primary string `json:"primary,omitempty"`
	// Holder is the id of the node that is to listen on the primary endpoint; empty while nobody may.
	// Invariant: it moves from one node to another only over empty, and gets a new value only after the former holder has
	// confirmed that it no longer listens or is dead.
	Holder string `json:"holder,omitempty"`
	// Lineage is the replication id that the primary had when it was last seen healthy: what has it, or continues it, has
	// the shard's data.
	Lineage string `json:"lineage,omitempty"`

	Nodes []Node `json:"nodes"`
	Op    *Op    `json:"op,omitempty"`
}

// NodeState is where a node is in its life.
type NodeState string

const (
	// NodeCreating: it has not been ready yet.
	NodeCreating NodeState = "creating"
	// NodeJoined: it has been ready once.
	NodeJoined NodeState = "joined"
	// NodeDeleting: its process and data are to go.
	NodeDeleting NodeState = "deleting"
)

// Node is one cache node: with Redis and Valkey also one member cluster.
type Node struct {
	Cluster string `json:"cluster"` // cache cluster id, such as web-001
	Node    string `json:"node"`    // cache node id, such as 0001
	Zone    string `json:"zone"`
	Host    string `json:"host"`
	// Addr is the node's own address.
	Addr      netip.AddrPort `json:"addr"`
	State     NodeState      `json:"state"`
	CreatedAt time.Time      `json:"created_at"`

	// Generation is the Assignment.Generation at which the node's spec last changed; SpecHash is how that is found out.
	Generation int64  `json:"generation"`
	SpecHash   uint64 `json:"spec_hash"`

	// Role is what the node is to be; Follow is the id of the node that a replica follows, or empty (it waits).
	Role   nodeapi.Role `json:"role"`
	Follow string       `json:"follow,omitempty"`
	// Run is the life of the process that Role was given to. A node seen in another run has no role until the planner
	// gives it one anew. Empty: not yet seen.
	Run string `json:"run,omitempty"`
	// Fenced: the process of run FenceRun must be dead.
	Fenced   bool   `json:"fenced,omitempty"`
	FenceRun string `json:"fence_run,omitempty"`
	// Revoked: it had the primary's role in this run, was told to give it up, and keeps its data.
	Revoked bool `json:"revoked,omitempty"`
	// Paused: clients' writes are held.
	Paused bool `json:"paused,omitempty"`
	// Reader: it listens on the reader endpoint.
	Reader bool `json:"reader,omitempty"`
	// Recovering: it lost its role in a failover and has not been ready since.
	Recovering bool `json:"recovering,omitempty"`

	// LinkDown is since when a replica's link has been down outside of an operation; zero while it is up.
	LinkDown time.Time `json:"link_down,omitzero"`

	// Reboot is the id of the reboot request that is being carried out on the node, RebootRun the run that it is to end,
	// Rebooted the id of the last one that was.
	Reboot    string `json:"reboot,omitempty"`
	RebootRun string `json:"reboot_run,omitempty"`
	Rebooted  string `json:"rebooted,omitempty"`

	// MaxMemory is in bytes. MemoryCapped: it is less than the node type has, because the host must fit all its nodes.
	MaxMemory    int64 `json:"max_memory"`
	MemoryCapped bool  `json:"memory_capped,omitempty"`
	// Problem says why the node does not start, in a sentence; empty when nothing is wrong.
	Problem string `json:"problem,omitempty"`
}

// OpKind is what a shard is in the middle of.
type OpKind string

const (
	// OpElect chooses a primary after one was lost: unplanned failover, or the start after everything was stopped.
	OpElect OpKind = "elect"
	// OpSwitch moves the primary's role from a healthy node to another: planned failover.
	OpSwitch OpKind = "switch"
	// OpRefill restores a lost primary's data from its best replica; the roles stay (automatic failover is disabled).
	OpRefill OpKind = "refill"
)

// OpPhase is how far an operation is.
type OpPhase string

const (
	// PhaseFencing (elect): the old primary is being made sure to be dead, the replicas drain their links.
	PhaseFencing OpPhase = "fencing"
	// PhasePromoting (elect, switch): Op.To has the role and the endpoint, and is not known to be ready yet.
	PhasePromoting OpPhase = "promoting"
	// PhaseRefilling (refill): Op.To serves the data, read-only and without the endpoint; Op.From copies it.
	PhaseRefilling OpPhase = "refilling"
	// PhasePausing (switch): writes are held, Op.To catches up.
	PhasePausing OpPhase = "pausing"
	// PhaseReleasing (switch): the old primary lets go of the endpoint.
	PhaseReleasing OpPhase = "releasing"
)

// Op is an operation on a shard. It is a note of the planner to itself, not a plan: everything else is read from the
// observations again each time.
type Op struct {
	Kind  OpKind  `json:"kind"`
	Phase OpPhase `json:"phase"`
	Epoch int64   `json:"epoch"` // the group's when the operation began
	// From and To are node ids. From has, or had, the primary's role; To is empty until it is chosen.
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
	// Request is the failover request that is being carried out, if any.
	Request string `json:"request,omitempty"`
	// Reason is why, in a few words.
	Reason  string    `json:"reason"`
	Started time.Time `json:"started"`
	// Deadline ends the waiting of the phase for what may never come; zero: none.
	Deadline time.Time `json:"deadline,omitzero"`
	// Back: the switch ends a refill: a failed one goes back to refilling, and nobody else is told of it.
	Back bool `json:"back,omitempty"`
}

// ID is the node's id in specs and statuses.
func (n Node) ID() string { return nodeapi.NodeID(n.Cluster, n.Node) }

// Shard returns the node group with that id, or nil.
func (a *Assignment) Shard(id string) *Shard {
	if a == nil {
		return nil
	}
	for i := range a.Shards {
		if a.Shards[i].ID == id {
			return &a.Shards[i]
		}
	}
	return nil
}

// Member returns the node of a member cluster and its shard, or nils.
func (a *Assignment) Member(cluster string) (*Shard, *Node) {
	if a == nil {
		return nil, nil
	}
	for i := range a.Shards {
		s := &a.Shards[i]
		for j := range s.Nodes {
			if s.Nodes[j].Cluster == cluster {
				return s, &s.Nodes[j]
			}
		}
	}
	return nil, nil
}

// Nodes returns all nodes of all shards, in order.
func (a *Assignment) Nodes() []Node {
	if a == nil {
		return nil
	}
	var all []Node
	for i := range a.Shards {
		all = append(all, a.Shards[i].Nodes...)
	}
	return all
}

// Node returns the node with that id, or nil.
func (s *Shard) Node(id string) *Node {
	for i := range s.Nodes {
		if s.Nodes[i].ID() == id {
			return &s.Nodes[i]
		}
	}
	return nil
}

// Clone returns a deep copy; nil stays nil.
func (a *Assignment) Clone() *Assignment {
	if a == nil {
		return nil
	}
	c := *a
	c.Handled = slices.Clone(a.Handled)
	c.Shards = slices.Clone(a.Shards)
	for i := range c.Shards {
		s := &c.Shards[i]
		s.Nodes = slices.Clone(s.Nodes)
		if s.Op != nil {
			op := *s.Op
			s.Op = &op
		}
	}
	return &c
}
