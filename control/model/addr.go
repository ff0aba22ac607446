package model

import (
	"fmt"
	"net/netip"
)

// AddressMode is how endpoints get addresses.
type AddressMode string

const (
	// AddressPool: every endpoint has an address of its zone's pool, all on the port that was asked for.
	AddressPool AddressMode = "pool"
	// AddressPorts: every endpoint has the one advertised address and a port of its own.
	AddressPorts AddressMode = "ports"
)

// Addressing says where addresses come from.
type Addressing struct {
	Mode AddressMode
	// Pools are the zones' prefixes, for AddressPool: slices of 127.0.0.0/8 on one machine, subnets elsewhere.
	Pools map[string]netip.Prefix
	// Advertise is the one address, for AddressPorts; FirstPort and LastPort are the range, both included.
	Advertise           netip.Addr
	FirstPort, LastPort uint16
}

// Addresses is a set of endpoints in use.
type Addresses map[netip.AddrPort]bool

// AddressesOf is the set of a group's endpoints; of nil, the empty set.
func AddressesOf(a *Assignment) Addresses {
	set := Addresses{}
	set.Add(a)
	return set
}

// Add puts the endpoints of a group into the set.
func (set Addresses) Add(a *Assignment) {
	if a == nil {
		return
	}
	for i := range a.Shards {
		s := &a.Shards[i]
		for _, ap := range []netip.AddrPort{s.PrimaryEndpoint, s.ReaderEndpoint} {
			if ap.IsValid() {
				set[ap] = true
			}
		}
		for _, n := range s.Nodes {
			set[n.Addr] = true
		}
	}
}

// Allocate returns an endpoint in the zone that is not in use, on the port where the mode leaves it free. The same input
// gives the same result: the lowest free one. It does not note the result in inUse. The error says, in a sentence for
// users, what is exhausted or unknown.
//
// In AddressPool mode an address is never shared by two endpoints, even on different ports: an address stands for one
// thing. The prefix' first address (the network) and last one (the broadcast address, where there is one) are left out.
func (a Addressing) Allocate(zone string, port uint16, inUse Addresses) (netip.AddrPort, error) {
	switch a.Mode {
	case AddressPool:
		return a.fromPool(zone, port, inUse)
	case AddressPorts:
		return a.fromPorts(inUse)
	default:
		return netip.AddrPort{}, fmt.Errorf("address mode %q is unknown", a.Mode)
	}
}

func (a Addressing) fromPool(zone string, port uint16, inUse Addresses) (netip.AddrPort, error) {
	pool, ok := a.Pools[zone]
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("availability zone %s has no address pool", zone)
	}
	taken := make(map[netip.Addr]bool, len(inUse))
	for ap := range inUse {
		taken[ap.Addr()] = true
	}
	pool = pool.Masked()
	for addr := pool.Addr().Next(); pool.Contains(addr); addr = addr.Next() {
		last := !pool.Contains(addr.Next())
		if !taken[addr] && !last {
			return netip.AddrPortFrom(addr, port), nil
		}
	}
	return netip.AddrPort{}, fmt.Errorf("availability zone %s has no free address in %s", zone, pool)
}

func (a Addressing) fromPorts(inUse Addresses) (netip.AddrPort, error) {
	if !a.Advertise.IsValid() {
		return netip.AddrPort{}, fmt.Errorf("no address is advertised")
	}
	for p := int(a.FirstPort); p <= int(a.LastPort); p++ {
		ap := netip.AddrPortFrom(a.Advertise, uint16(p))
		if p > 0 && !inUse[ap] {
			return ap, nil
		}
	}
	return netip.AddrPort{}, fmt.Errorf("no port from %d to %d is free on %s", a.FirstPort, a.LastPort, a.Advertise)
}
