package server

import (
	"context"
	"maps"
	"sync"

	"github.com/larder-cache/larder/nodeapi"
)

// observer is a Link that remembers the latest status of each node, with the figures that the store does not keep.
type observer struct {
	nodeapi.Link

	mu     sync.Mutex
	latest map[string]nodeapi.NodeStatus // guarded by mu
}

func newObserver(link nodeapi.Link) *observer {
	return &observer{Link: link, latest: map[string]nodeapi.NodeStatus{}}
}

// Report implements nodeapi.Link.
func (o *observer) Report(ctx context.Context, s nodeapi.NodeStatus) {
	o.mu.Lock()
	if s.Process == nodeapi.ProcessAbsent && s.Run == "" {
		delete(o.latest, s.ID)
	} else {
		o.latest[s.ID] = s
	}
	o.mu.Unlock()
	o.Link.Report(ctx, s)
}

// nodes returns the latest statuses.
func (o *observer) nodes() map[string]nodeapi.NodeStatus {
	o.mu.Lock()
	defer o.mu.Unlock()
	return maps.Clone(o.latest)
}
