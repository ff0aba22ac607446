// Package nodeapi is what the control plane and an agent say to each other about cache nodes: NodeSpecs go down,
// NodeStatuses come up, over a Link. These are the only types that both planes know.
//
// A NodeSpec says everything about one node: that it should exist, its role, whom it follows, the addresses it listens on,
// its memory, parameters and users. An agent makes its host match the specs addressed to it and reports what it sees.
// The package decides nothing and does no I/O.
package nodeapi

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"
)

// Role is the part that a node plays in its shard.
type Role string

const (
	// RoleNone is a node that runs, keeps the data it has, and refuses clients: it waits for a role.
	RoleNone Role = "none"
	// RolePrimary accepts writes.
	RolePrimary Role = "primary"
	// RoleReplica follows Spec.Primary; with no Primary it keeps its data and drains what its link still holds (an election).
	RoleReplica Role = "replica"
)

// Existence is whether a node's process and data should be there.
type Existence string

const (
	// Running: the process runs; if it dies the agent starts it again (without a role until a spec of the current epoch gives one).
	Running Existence = "running"
	// Stopped: no process; data stays. A process that does not end in time is killed.
	Stopped Existence = "stopped"
	// Fenced: the process that Spec.FenceRun names must be dead, by SIGKILL if need be, at once and without saving; data stays.
	// Other processes of the node (a later run) are also stopped. Reported as done only once death is confirmed.
	Fenced Existence = "fenced"
	// Deleted: no process and no data.
	Deleted Existence = "deleted"
)

// Purpose is what a listening address is for.
type Purpose string

const (
	// PurposeNode is a node's own address: its replicas and whoever names it connect here.
	PurposeNode Purpose = "node"
	// PurposePrimary is the shard's primary endpoint; only the primary listens on it.
	PurposePrimary Purpose = "primary"
	// PurposeReader is the shard's reader endpoint; healthy replicas share it, or the primary has it when there is none.
	PurposeReader Purpose = "reader"
)

// Listener is one address that a node serves clients on.
type Listener struct {
	Addr    netip.AddrPort `json:"addr"`
	Purpose Purpose        `json:"purpose"`
}

// Task is a piece of long work on a node, asked for once: an agent does each ID at most once per node run.
type Task struct {
	ID   string   `json:"id"`
	Kind TaskKind `json:"kind"`
}

// TaskKind names the work.
type TaskKind string

const (
	// TaskReboot restarts the process without its data, as RebootCacheCluster does.
	TaskReboot TaskKind = "reboot"
	// TaskSave writes a snapshot file (BGSAVE).
	TaskSave TaskKind = "save"
)

// NodeSpec is everything that the control plane wants of one node.
type NodeSpec struct {
	// ID is unique in an account and region: CacheClusterId "/" CacheNodeId, such as "web-001/0001".
	ID string `json:"id"`
	// Host is the agent that has the node.
	Host string `json:"host"`
	// Group is the replication group or the standalone cluster that the node belongs to; logs and tables show it.
	Group string `json:"group"`

	// Epoch orders changes of role within a group. An agent keeps the highest it has seen on disk and refuses lower ones.
	Epoch int64 `json:"epoch"`
	// Generation orders the specs of a group within and across epochs; statuses echo the one that is fully applied.
	Generation int64 `json:"generation"`

	Existence Existence `json:"existence"`
	// FenceRun is the run (NodeStatus.Run) that must be dead when Existence is Fenced; empty: whichever runs.
	FenceRun string `json:"fence_run,omitempty"`

	Engine        string `json:"engine"`         // redis, valkey or memcached, as the API has it
	EngineVersion string `json:"engine_version"` // such as 7.1.0

	Role Role `json:"role"`
	// Run is the life of the process (NodeStatus.Run) that Role is meant for: another one stays without a role until a spec names
	// it. Empty with RoleNone.
	Run string `json:"run,omitempty"`
	// Primary is the node address of the primary that a replica follows; the zero value is none.
	Primary netip.AddrPort `json:"primary,omitzero"`
	// Listen is every client address. A node with RoleNone listens on none of them. The first is the node's own.
	Listen []Listener `json:"listen,omitempty"`
	// PauseWrites holds clients' writes (CLIENT PAUSE … WRITE) during a planned failover.
	PauseWrites bool `json:"pause_writes,omitempty"`
	// Discard drops what the node has before it takes its role: a replacement for a node whose data must not come back.
	Discard bool `json:"discard,omitempty"`

	MaxMemory  int64             `json:"max_memory"` // bytes
	Parameters map[string]string `json:"parameters,omitempty"`
	// ReplicationPassword is the group's secret of the hidden replication user.
	ReplicationPassword Secret `json:"replication_password"`
	Tasks               []Task `json:"tasks,omitempty"`
}

// Secret is a string that never shows in logs.
type Secret string

// String hides the secret.
func (Secret) String() string { return "…" }

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return "nodeapi.Secret(…)" }

// ProcessState is what the agent sees of a node's process.
type ProcessState string

const (
	// ProcessAbsent: no process, none expected.
	ProcessAbsent ProcessState = "absent"
	// ProcessStarting: started, and not yet answering on its admin socket, or still loading its data.
	ProcessStarting ProcessState = "starting"
	// ProcessUp: answers.
	ProcessUp ProcessState = "up"
	// ProcessHung: alive but does not answer, or is stopped by a signal.
	ProcessHung ProcessState = "hung"
	// ProcessDead: its death is confirmed.
	ProcessDead ProcessState = "dead"
	// ProcessFailed: it can't be started; Message says why.
	ProcessFailed ProcessState = "failed"
)

// NodeStatus is what an agent sees of one node.
type NodeStatus struct {
	ID   string `json:"id"`
	Host string `json:"host"`
	// Epoch is the highest that the agent has accepted for the node; Applied is the Generation of the last spec that is fully true
	// of the node (process, role, listeners, pause, parameters): "what you asked for with that generation is done".
	Epoch   int64 `json:"epoch"`
	Applied int64 `json:"applied"`

	Process ProcessState `json:"process"`
	// Run names one life of the process: "pid-starttime-boot". Empty when there never was one.
	Run     string `json:"run,omitempty"`
	PID     int    `json:"pid,omitempty"`
	Message string `json:"message,omitempty"` // why Process is failed or hung, in a sentence

	Role      Role       `json:"role,omitempty"` // as the node itself says
	Listening []Listener `json:"listening,omitempty"`
	Paused    bool       `json:"paused,omitempty"`
	// Empty: the node holds no data at all (a fresh or discarded one).
	Empty bool `json:"empty,omitempty"`
	// Syncing: a replica that receives its primary's snapshot; not yet to be promoted or read.
	Syncing bool `json:"syncing,omitempty"`
	// LinkUp: a replica's stream from its primary is connected.
	LinkUp  bool     `json:"link_up,omitempty"`
	Primary string   `json:"primary,omitempty"` // whom the replica follows, host:port
	Done    []string `json:"done,omitempty"`    // Tasks finished, by ID (the last 16)

	// What follows moves all the time: it is reported with every change and every poll, and kept in no store.

	ReplID           string    `json:"-"`
	ReplID2          string    `json:"-"` // the history before the last promotion, valid up to SecondOffset
	SecondOffset     int64     `json:"-"`
	Offset           int64     `json:"-"` // replication offset, bytes
	UsedMemory       int64     `json:"-"` // bytes
	ConnectedClients int64     `json:"-"`
	Lag              int64     `json:"-"` // bytes behind the primary, as the primary's own INFO has it; -1 unknown
	SeenAt           time.Time `json:"-"` // when the agent last got an answer
}

// Ready reports whether a client can use the node in the role and at the generation given.
func (s NodeStatus) Ready(role Role, generation int64) bool {
	return s.Process == ProcessUp && s.Role == role && s.Applied >= generation && !s.Syncing && (role != RoleReplica || s.LinkUp)
}

// Stable is the status without what moves all the time: two statuses with equal Stable forms need only one write.
func (s NodeStatus) Stable() NodeStatus {
	s.ReplID, s.ReplID2, s.SecondOffset, s.Offset = "", "", 0, 0
	s.UsedMemory, s.ConnectedClients, s.Lag, s.SeenAt = 0, 0, 0, time.Time{}
	return s
}

// HostSpecs is the full set of specs of one host: a node that is not in it is none of the agent's business and is left alone.
type HostSpecs struct {
	Host  string
	Nodes []NodeSpec
}

// Link joins the control plane and one agent. On one machine it is in the same process; between hosts it goes through the store.
type Link interface {
	// Specs gives the current set at once and then every newer one, until ctx ends; only the latest matters, older ones may be skipped.
	Specs(ctx context.Context, host string) <-chan HostSpecs
	// Report hands over what the agent sees of one node. It does not block on storage.
	Report(ctx context.Context, s NodeStatus)
}

// NodeID joins a cluster id and a cache node id.
func NodeID(cluster, node string) string { return cluster + "/" + node }

// SplitNodeID undoes NodeID.
func SplitNodeID(id string) (cluster, node string, err error) {
	cluster, node, ok := strings.Cut(id, "/")
	if !ok || cluster == "" || node == "" {
		return "", "", fmt.Errorf("node id %q is not CLUSTER/NODE", id)
	}
	return cluster, node, nil
}

// LogValue hides the secret from log/slog, which would print the string itself.
func (Secret) LogValue() slog.Value { return slog.StringValue("…") }
