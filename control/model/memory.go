package model

import "math/bits"

// minShares is the least number of nodes that a host's memory is divided by when it is divided at all.
const minShares = 4

// MaxMemory is the maxmemory of a node of that type on the host, in bytes, and whether the host caps it.
//
// Memory is not reserved on a host: each of its nodes gets at most an equal share, so that all of them fit. The number of
// nodes is rounded up to a power of two, at least 4, so that a share changes rarely.
func (h Host) MaxMemory(nodeType NodeType) (bytes int64, capped bool) {
	if h.Memory <= 0 {
		return nodeType.MaxMemory, false
	}
	share := h.Memory / shares(h.Nodes)
	if share >= nodeType.MaxMemory {
		return nodeType.MaxMemory, false
	}
	return share, true
}

// shares is nodes rounded up to a power of two, at least minShares.
func shares(nodes int) int64 {
	if nodes <= minShares {
		return minShares
	}
	return 1 << bits.Len(uint(nodes-1))
}
