package server

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/larder-cache/larder/base/clock"
	"github.com/larder-cache/larder/base/errs"
	"github.com/larder-cache/larder/base/vfs"
	"github.com/larder-cache/larder/control/model"
)

// Account is the account that everything belongs to: larder on one machine has one.
const Account = "000000000000"

// Host is the name of the only host, this machine.
const Host = "local"

// The ways in which endpoints get addresses, as users name them.
const (
	AddressesLoopback = "loopback"
	AddressesPorts    = "ports"
)

// Config says what to run. All of it must be set, except where it says otherwise.
type Config struct {
	// Version is larder's, for whoever asks.
	Version string
	// Data is the data folder.
	Data string
	// Listen is where the API listens, HOST:PORT; port 0 takes a free one.
	Listen string
	// Region is the region that is served; Zones are its availability zones, full names.
	Region string
	Zones  []string
	// Addresses is AddressesLoopback, or AddressesPorts, which is refused so far. For ports, Advertise is the host of all endpoints, a name or an
	// address that this machine has, and FirstPort to LastPort the range.
	Addresses           string
	Advertise           string
	FirstPort, LastPort uint16
	// NodeBinary is larder-server. Drivers are the binaries of other servers, by engine: redis, valkey.
	NodeBinary string
	Drivers    map[string]string
	// KeyFile has the root access key, and is made if it does not exist; empty: in the data folder.
	KeyFile string
	// Register is the user's register of loopback addresses (package loopback); empty: none.
	Register string
	// PID is this process.
	PID   int
	Clock clock.Clock
	FS    vfs.FS
	// Log takes what is logged; nil: the file in the data folder.
	Log *slog.Logger
}

// regionForm is what stands in ARNs and host names. AWS's own regions look like us-east-1; another name does no harm.
var regionForm = regexp.MustCompile(`^[a-z0-9](-?[a-z0-9])*$`)

// maxNameBytes bounds the names of regions and zones.
const maxNameBytes = 63

// check refuses what makes no sense, whatever the machine is like.
func (c *Config) check() error {
	if err := c.checkPlaces(); err != nil {
		return err
	}
	if err := c.checkAddresses(); err != nil {
		return err
	}
	c.Zones = slices.Clone(c.Zones)
	return nil
}

func (c *Config) checkPlaces() error {
	if len(c.Region) > maxNameBytes || !regionForm.MatchString(c.Region) {
		return invalid("--region", "us-east-1", "%q is no name of a region", c.Region)
	}
	if len(c.Zones) == 0 {
		return invalid("--zones", c.Region+"a", "there is no zone")
	}
	for i, z := range c.Zones {
		if len(z) > maxNameBytes || !regionForm.MatchString(z) {
			return invalid("--zones", c.Region+"a,"+c.Region+"b", "%q is no name of a zone", z)
		}
		if slices.Contains(c.Zones[:i], z) {
			return invalid("--zones", c.Region+"a,"+c.Region+"b", "%s is named twice", z)
		}
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return invalid("--listen", "127.0.0.1:4600", "%q is not HOST:PORT", c.Listen)
	}
	return nil
}

func (c *Config) checkAddresses() error {
	switch c.Addresses {
	case AddressesLoopback:
		return nil
	case AddressesPorts:
		if c.Advertise == "" {
			return invalid("--advertise", "127.0.0.1", "there is no host to advertise")
		}
		if c.FirstPort == 0 || c.LastPort < c.FirstPort {
			return invalid("--ports", "4610-4809", "%d-%d is no range of ports", c.FirstPort, c.LastPort)
		}
		if len(c.Drivers) > 0 {
			return errs.WithHint(errs.Errorf("use --addresses ports", errs.NotBuilt, "every endpoint has a port of its own, and redis-server and valkey-server have only one"),
				"leave --driver out, or use --addresses loopback")
		}
		return nil
	}
	return invalid("--addresses", AddressesLoopback+" or "+AddressesPorts, "%q is unknown", c.Addresses)
}

// findBinaries makes sure that each engine has something to run.
func (c *Config) findBinaries() error {
	drivers := map[string]string{}
	for engine, name := range c.Drivers {
		if engine != model.EngineRedis && engine != model.EngineValkey {
			return invalid("--driver", "redis=/usr/bin/redis-server", "engine %q is unknown: there are %s and %s", engine, model.EngineRedis, model.EngineValkey)
		}
		file, err := executable(name)
		if err != nil {
			return errs.WithHint(errs.World("find the binary of --driver "+engine+"="+name, err), "give its path, such as redis=/usr/bin/redis-server")
		}
		drivers[engine] = file
	}
	c.Drivers = drivers
	if !c.native() {
		return nil
	}
	file, err := executable(c.NodeBinary)
	if err != nil {
		return errs.WithHint(errs.World("find larder-server, which runs the cache nodes", err),
			"put it beside larder (make build does), or run nodes with another server: --driver redis=/usr/bin/redis-server")
	}
	c.NodeBinary = file
	return nil
}

// executable returns the absolute path of a binary: a path, or a name in PATH.
func executable(name string) (string, error) {
	file, err := exec.LookPath(name)
	if err != nil {
		return "", err
	}
	return filepath.Abs(file)
}

// native reports whether any engine is run by larder-server.
func (c *Config) native() bool {
	return c.Drivers[model.EngineRedis] == "" || c.Drivers[model.EngineValkey] == ""
}

// foreign reports whether any engine is run by another server.
func (c *Config) foreign() bool { return len(c.Drivers) > 0 }

func invalid(flag, example, format string, args ...any) error {
	return errs.WithHint(errs.Errorf("read "+flag, errs.Invalid, format, args...), "such as %s %s", flag, example)
}

// advertised resolves the host of --advertise.
func advertised(ctx context.Context, host string) (netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Unmap(), nil
	}
	const hint = "give an address that this machine has, such as --advertise 127.0.0.1"
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.Addr{}, errs.WithHint(errs.E("look up --advertise "+host, errs.NotFound, err), hint)
	}
	for _, a := range addrs {
		if a.Unmap().Is4() {
			return a.Unmap(), nil
		}
	}
	if len(addrs) == 0 {
		return netip.Addr{}, errs.WithHint(errs.Errorf("look up --advertise "+host, errs.NotFound, "it has no address"), hint)
	}
	return addrs[0], nil
}

// endpointURL is how this machine's clients reach the API at the address that it listens on.
func endpointURL(addr net.Addr) string {
	ap, err := netip.ParseAddrPort(addr.String())
	if err != nil {
		return "http://" + addr.String()
	}
	ip := ap.Addr().Unmap()
	switch {
	case ip.IsUnspecified() && ip.Is4():
		ip = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	case ip.IsUnspecified():
		ip = netip.IPv6Loopback()
	}
	return fmt.Sprintf("http://%s", netip.AddrPortFrom(ip, ap.Port()))
}

// ParseZones turns the letters or names of zones into names: a,b in us-east-1 are us-east-1a and us-east-1b.
func ParseZones(region string, zones []string) []string {
	names := make([]string, len(zones))
	for i, z := range zones {
		names[i] = strings.TrimSpace(z)
		if len(names[i]) == 1 {
			names[i] = region + names[i]
		}
	}
	return names
}
