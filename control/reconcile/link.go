package reconcile

import (
	"context"
	"maps"
	"sync"

	"github.com/larder-cache/larder/nodeapi"
)

// link is the nodeapi.Link of agents in the same process.
type link struct {
	mu sync.Mutex
	// Guarded by mu: the latest specs of each host, who waits for them, and the statuses that Run has not taken yet.
	specs    map[string]nodeapi.HostSpecs
	waiting  map[string]map[chan nodeapi.HostSpecs]bool
	reported map[string]nodeapi.NodeStatus
	// news receives a value when reported is no longer empty.
	news chan struct{}
}

func newLink() *link {
	return &link{specs: map[string]nodeapi.HostSpecs{}, waiting: map[string]map[chan nodeapi.HostSpecs]bool{},
		reported: map[string]nodeapi.NodeStatus{}, news: make(chan struct{}, 1)}
}

// Specs gives a host's specs as nodeapi.Link says: the current ones at once, if there are any yet, then every newer set
// that the receiver is fast enough for.
func (l *link) Specs(ctx context.Context, host string) <-chan nodeapi.HostSpecs {
	ch := make(chan nodeapi.HostSpecs, 1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting[host] == nil {
		l.waiting[host] = map[chan nodeapi.HostSpecs]bool{}
	}
	l.waiting[host][ch] = true
	if s, ok := l.specs[host]; ok {
		ch <- s
	}
	context.AfterFunc(ctx, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.waiting[host], ch)
		close(ch)
	})
	return ch
}

// publish replaces a host's specs. A set that its agent has not taken yet is dropped: only the latest matters.
func (l *link) publish(s nodeapi.HostSpecs) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.specs[s.Host] = s
	for ch := range l.waiting[s.Host] {
		select {
		case <-ch:
		default:
		}
		ch <- s // has room: only publish and Specs send, under mu
	}
}

// Report takes a node's status. It never blocks; of several, the latest counts.
func (l *link) Report(_ context.Context, s nodeapi.NodeStatus) {
	l.mu.Lock()
	l.reported[s.ID] = s
	l.mu.Unlock()
	select {
	case l.news <- struct{}{}:
	default:
	}
}

// take returns what was reported since the last call.
func (l *link) take() map[string]nodeapi.NodeStatus {
	l.mu.Lock()
	defer l.mu.Unlock()
	taken := maps.Clone(l.reported)
	clear(l.reported)
	return taken
}
