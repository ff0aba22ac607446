package api

import (
	"encoding/base64"
	"strings"

	"github.com/larder-cache/larder/base/limits"
)

// pager is where a page begins and how long it may be.
type pager struct {
	operation string
	size      int
	after     string // the key of the last item of the page before; "" for the first page
	falling   bool   // the items' keys fall
}

// newPager reads MaxRecords and Marker. A marker names the operation and the last item that was shown, so that items which
// come or go meanwhile make no other item appear twice or be left out.
func newPager(operation string, maxRecords *int32, marker *string) (*pager, error) {
	p := &pager{operation: operation, size: limits.DefaultPageRecords}
	if maxRecords != nil {
		if *maxRecords < limits.MinPageRecords || *maxRecords > limits.MaxPageRecords {
			return nil, invalidValue("Invalid value %d for MaxRecords. Must be between %d and %d", *maxRecords, limits.MinPageRecords, limits.MaxPageRecords)
		}
		p.size = int(*maxRecords)
	}
	if value(marker) == "" {
		return p, nil
	}
	b, err := base64.RawURLEncoding.DecodeString((*marker)[:min(len(*marker), limits.MaxMarkerBytes)])
	whose, after, ok := strings.Cut(string(b), "\n")
	if err != nil || !ok || whose != operation || after == "" {
		return nil, invalidValue("The parameter Marker is not one that %s has returned.", operation)
	}
	p.after = after
	return p, nil
}

// page cuts out what the pager asks for of items, which are in the order of their keys, and returns the marker of the
// next page, or nil.
func page[T any](p *pager, items []T, key func(T) string) ([]T, *string) {
	begin := 0
	for p.after != "" && begin < len(items) {
		k := key(items[begin])
		if p.falling && k < p.after || !p.falling && k > p.after {
			break
		}
		begin++
	}
	items = items[begin:]
	if len(items) <= p.size {
		return items, nil
	}
	last := p.operation + "\n" + key(items[p.size-1])
	return items[:p.size], new(base64.RawURLEncoding.EncodeToString([]byte(last)))
}
