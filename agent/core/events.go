package core

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/larder-cache/larder/nodeapi"
)

// Now is the time of a step.
type Now struct {
	Mono time.Duration // never goes back; all waiting is counted in it
	Wall time.Time     // what statuses carry
}

// Run is one life of a node's process.
type Run struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"` // when it was started, in the kernel's ticks since boot
	Boot  string `json:"boot"`  // the kernel's boot id
	// Socket is the path of its admin socket.
	Socket string `json:"socket"`
}

// Name is the run in statuses: "pid-starttime-boot", or "" for none.
func (r Run) Name() string {
	if r.PID == 0 {
		return ""
	}
	return fmt.Sprintf("%d-%d-%s", r.PID, r.Start, r.Boot)
}

// StateFormat is the version of State's encoding.
const StateFormat = 1

// State is what has to outlive the agent, of one node. It is stored as JSON.
type State struct {
	Format int    `json:"format"`
	ID     string `json:"id"`
	Group  string `json:"group"`
	Engine string `json:"engine"`
	// Epoch is the highest that has been accepted.
	Epoch int64 `json:"epoch"`
	// Run is the last life of the process.
	Run Run `json:"run,omitzero"`
	// RunID is what the process itself calls its life (INFO run_id); empty until it first was up.
	RunID string `json:"run_id,omitempty"`
	// Floor and FloorEpoch guard the run against specs that were made for an earlier one: see gate.
	Floor      int64 `json:"floor"`
	FloorEpoch int64 `json:"floor_epoch"`
	// Secured: the run's default user has lost the restricted commands.
	Secured bool `json:"secured,omitempty"`
	// Discarded: the present request to discard (NodeSpec.Discard) has been carried out.
	Discarded bool `json:"discarded,omitempty"`
	// Wipe: the data on disk is to be removed before the next start.
	Wipe bool `json:"wipe,omitempty"`
	// Done are the last tasks, by id.
	Done []string `json:"done,omitempty"`
}

// Started is the state once a new run of the node has been started.
func (s State) Started(r Run) State {
	s.Run, s.RunID, s.Secured, s.Wipe = r, "", false, false
	return s
}

// Event is something that has happened. The types below are all there are.
type Event interface{ event() }

// nodeEvent is an event of one node.
type nodeEvent interface {
	Event
	node() string
	apply(*node)
}

type (
	// Specs is the new set of specs of the host.
	Specs struct{ Nodes []nodeapi.NodeSpec }
	// Tick says only what time it is.
	Tick struct{}
	// StopAll asks to end all processes, saving, replicas before primaries. Nothing is started or reported after it.
	StopAll struct{}

	// Loaded tells of a node that was found on disk when the agent started. Alive: its process is there, and is watched.
	Loaded struct {
		State State
		Alive bool
	}
	// Started answers Start.
	Started struct {
		ID  string
		Run Run
	}
	// StartFailed answers Start: there is no process, and Why says why.
	StartFailed struct{ ID, Why string }
	// Died: the kernel says that a run is over. Log is the last of what it wrote, in one line.
	Died struct{ ID, Run, Log string }
	// Suspended: a run has been stopped by a signal, or continued.
	Suspended struct {
		ID, Run string
		Stopped bool
	}
	// Answered answers Do. Err is what went wrong with the connection; then nothing else is set. Refusal is the error of the
	// first action that failed; those after it were not tried.
	Answered struct {
		ID, Run string
		Job     int64
		Err     string
		// Performed is how many of the actions were done.
		Performed int
		Refusal   string
		// Parameters are those that the node does not take, sentences by name; set by SetParameters.
		Parameters map[string]string
		Seen       Seen
	}
	// Stored answers Store. Err: it failed.
	Stored struct {
		ID  string
		Seq int64
		Err string
	}
	// Removed answers Remove.
	Removed struct{ ID, Err string }
)

func (Specs) event()       {}
func (Tick) event()        {}
func (StopAll) event()     {}
func (Loaded) event()      {}
func (Started) event()     {}
func (StartFailed) event() {}
func (Died) event()        {}
func (Suspended) event()   {}
func (Answered) event()    {}
func (Stored) event()      {}
func (Removed) event()     {}

func (e Loaded) node() string      { return e.State.ID }
func (e Started) node() string     { return e.ID }
func (e StartFailed) node() string { return e.ID }
func (e Died) node() string        { return e.ID }
func (e Suspended) node() string   { return e.ID }
func (e Answered) node() string    { return e.ID }
func (e Stored) node() string      { return e.ID }
func (e Removed) node() string     { return e.ID }

func (e Loaded) apply(n *node)      { n.loaded(e) }
func (e Started) apply(n *node)     { n.started(e) }
func (e StartFailed) apply(n *node) { n.startFailed(e) }
func (e Died) apply(n *node)        { n.died(e) }
func (e Suspended) apply(n *node)   { n.suspend(e) }
func (e Answered) apply(n *node)    { n.answered(e) }
func (e Stored) apply(n *node)      { n.storeDone(e) }
func (e Removed) apply(n *node)     { n.removed(e) }

// Seen is what a node says of itself.
type Seen struct {
	RunID   string
	Loading bool
	// Following: it is a replica, of Primary.
	Following bool
	Primary   netip.AddrPort
	// LinkUp and Syncing are a replica's; see nodeapi.NodeStatus.
	LinkUp, Syncing bool

	ReplID, ReplID2      string
	SecondOffset, Offset int64
	// Replicas are the offsets that a primary knows of its replicas, by the address that they announce.
	Replicas map[netip.AddrPort]int64

	// Open are the addresses that it listens on, in order.
	Open []netip.AddrPort
	// Announce is the address by which it makes itself known to its primary.
	Announce netip.AddrPort

	MaxMemory, UsedMemory, Clients int64 // bytes, bytes, connections
	// Empty: it holds no key.
	Empty bool
	// Saving: a snapshot file is being written. SaveFailed: the last one could not be.
	Saving, SaveFailed bool
}

// Effect is something to be done. The types below are all there are.
type Effect interface{ effect() }

type (
	// Store writes a node's state, durably. Answered by Stored.
	Store struct {
		Seq   int64
		State State
	}
	// Start starts a node's process with what Spec says, refusing clients, and stores State.Started(run); with State.Wipe,
	// without its data. Answered by Started or StartFailed.
	Start struct {
		Spec  nodeapi.NodeSpec
		State State
	}
	// Kill ends a run by SIGKILL. Died follows.
	Kill struct{ ID, Run string }
	// Do has the run carry out actions in order, up to the first that fails, and then say how it is. Answered by Answered.
	Do struct {
		ID, Run string
		Job     int64
		Actions []Action
	}
	// Report hands a status to the control plane.
	Report struct{ Status nodeapi.NodeStatus }
	// Remove removes a node's folder and sockets; its process is dead. Answered by Removed.
	Remove struct{ ID string }
)

func (Store) effect()  {}
func (Start) effect()  {}
func (Kill) effect()   {}
func (Do) effect()     {}
func (Report) effect() {}
func (Remove) effect() {}

// Action is something to be asked of a node over its admin socket. The types below are all there are.
type Action interface{ action() }

type (
	// Secure takes the restricted commands from the default user and lets it in.
	Secure struct{}
	// KillStrays ends all client connections that came in at an address other than these.
	KillStrays struct{ Allowed []netip.AddrPort }
	// Listen makes the open addresses these; none closes all. Those in Shared may be held by several nodes. Connections stay.
	Listen struct {
		Addrs  []netip.AddrPort
		Shared []netip.AddrPort
	}
	// KillClients ends the connections that came in at these addresses.
	KillClients struct{ Addrs []netip.AddrPort }
	// SetReplication sets the group's replication password, as primary and as replica.
	SetReplication struct{ Password nodeapi.Secret }
	// Announce sets the address by which the node makes itself known to its primary.
	Announce struct{ Addr netip.AddrPort }
	// Follow makes it a replica; Promote makes it follow nobody.
	Follow struct{ Primary netip.AddrPort }
	// Promote ends following; data, and the lineage of it, stay.
	Promote struct{}
	// Pause holds clients' writes for so long, or longer if they are held already.
	Pause struct{ For time.Duration }
	// Unpause ends it.
	Unpause struct{}
	// Flush drops all data, in memory and on disk.
	Flush struct{}
	// SetMemory sets maxmemory, in bytes.
	SetMemory struct{ Bytes int64 }
	// SetParameters sets those that differ. What the node does not take is no failure; it is told in Answered.Parameters.
	SetParameters struct{ Values map[string]string }
	// Save begins to write a snapshot file.
	Save struct{}
	// Shutdown saves and ends the process.
	Shutdown struct{}
)

func (Secure) action()         {}
func (KillStrays) action()     {}
func (Listen) action()         {}
func (KillClients) action()    {}
func (SetReplication) action() {}
func (Announce) action()       {}
func (Follow) action()         {}
func (Promote) action()        {}
func (Pause) action()          {}
func (Unpause) action()        {}
func (Flush) action()          {}
func (SetMemory) action()      {}
func (SetParameters) action()  {}
func (Save) action()           {}
func (Shutdown) action()       {}
