package meta

import (
	"fmt"
	"net/url"
	"strings"
)

// Keys builds the store's keys for one account in one region. All of them begin with Root:
//
//	/larder/v1/<account>/<region>/
//	    resources/<kind>/<name>   one aggregate per resource (members, tags, generations inside)
//	    ids/<kind>/<name>         guards uniqueness: whoever makes it owns the name
//	    events/<time>/<id>        written in the transaction of the change that they report; sorted by time
//	    specs/<host>/<node>       what a host's agent is to run
//	    status/<host>/<node>      what it reports
//	    elections/<name>          the leader's value, under its lease
//
// What kinds there are is the caller's. Parts are escaped, so any non-empty name is safe, "/" included, and a prefix
// never takes in a neighbour whose name merely begins alike.
type Keys struct {
	Account string
	Region  string
}

// Root is the prefix of all keys of the account and region.
func (k Keys) Root() string { return "/larder/v1/" + part(k.Account) + "/" + part(k.Region) + "/" }

// Resource is the key of a resource's aggregate.
func (k Keys) Resource(kind, name string) string { return k.Resources(kind) + part(name) }

// Resources is the prefix of all resources of a kind.
func (k Keys) Resources(kind string) string { return k.AllResources() + part(kind) + "/" }

// AllResources is the prefix of all resources.
func (k Keys) AllResources() string { return k.Root() + "resources/" }

// ID is the key that guards the uniqueness of a name among its kind.
func (k Keys) ID(kind, name string) string { return k.IDs(kind) + part(name) }

// IDs is the prefix of all names of a kind.
func (k Keys) IDs(kind string) string { return k.Root() + "ids/" + part(kind) + "/" }

// Event is the key of an event. Keys sort by unixMillis (negative counts as 0), then by id, which tells apart the
// events of one millisecond.
func (k Keys) Event(unixMillis int64, id string) string {
	return fmt.Sprintf("%s%019d/%s", k.Events(), max(unixMillis, 0), part(id))
}

// Events is the prefix of all events.
func (k Keys) Events() string { return k.Root() + "events/" }

// Spec is the key of what the host's agent is to make of a node.
func (k Keys) Spec(host, node string) string { return k.Specs(host) + part(node) }

// Specs is the prefix of all node specifications of a host: what its agent watches.
func (k Keys) Specs(host string) string { return k.AllSpecs() + part(host) + "/" }

// AllSpecs is the prefix of all node specifications.
func (k Keys) AllSpecs() string { return k.Root() + "specs/" }

// Status is the key of what the host's agent last reported of a node.
func (k Keys) Status(host, node string) string { return k.Statuses(host) + part(node) }

// Statuses is the prefix of all node statuses of a host.
func (k Keys) Statuses(host string) string { return k.AllStatuses() + part(host) + "/" }

// AllStatuses is the prefix of all node statuses: what the planner watches.
func (k Keys) AllStatuses() string { return k.Root() + "status/" }

// Election is the key of an election, to be given to Store.Campaign.
func (k Keys) Election(name string) string { return k.Root() + "elections/" + part(name) }

// Parts takes a key of this account and region apart: what stands after Root, split and unescaped, such as
// ["resources", "user", "alice"]. It returns false for other keys and for prefixes.
func (k Keys) Parts(key string) ([]string, bool) {
	rest, ok := strings.CutPrefix(key, k.Root())
	if !ok || rest == "" {
		return nil, false
	}
	parts := strings.Split(rest, "/")
	for i, p := range parts {
		plain, err := url.PathUnescape(p)
		if err != nil || plain == "" {
			return nil, false
		}
		parts[i] = plain
	}
	return parts, true
}

func part(s string) string { return url.PathEscape(s) }
