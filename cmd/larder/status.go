package main

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"text/tabwriter"

	"github.com/larder-cache/larder/control/server/local"
)

// statusCommand is `larder status`.
type statusCommand struct {
	JSON bool `help:"Print everything as JSON." name:"json"`
}

// Run prints what runs.
func (c statusCommand) Run(p *program) error {
	client, err := p.running()
	if err != nil {
		return err
	}
	status, err := client.Status(context.Background())
	if err != nil {
		return p.asked(err)
	}
	if c.JSON {
		return printJSON(p.stdout, status)
	}
	printStatus(p.stdout, status)
	return nil
}

// printStatus prints a table for each cache.
func printStatus(w io.Writer, s local.Status) {
	fmt.Fprintf(w, "larder %s, process %d: %s, region %s, data in %s\n", s.Info.Version, s.Info.PID, s.Info.Endpoint, s.Info.Region, s.Info.Data)
	if len(s.Caches) == 0 {
		fmt.Fprintln(w, "\nno caches")
	}
	for _, c := range s.Caches {
		printCache(w, c)
	}
}

func printCache(w io.Writer, c local.Cache) {
	kind := "replication group"
	if c.Kind != "replicationgroup" {
		kind = "cache cluster"
	}
	fmt.Fprintf(w, "\n%s: %s, %s, %s, %s\n", c.ID, kind, c.Status, c.Engine, c.Type)
	if c.Problem != "" {
		fmt.Fprintf(w, "  problem: %s\n", c.Problem)
	}
	if c.Primary.IsValid() {
		fmt.Fprintf(w, "  primary endpoint %s, reader endpoint %s\n", c.Primary, c.Reader)
	}
	if len(c.Nodes) == 0 {
		fmt.Fprintln(w, "  no nodes yet")
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "  NODE\tROLE\tSTATUS\tADDRESS\tZONE\tMEMORY\tLAG\tCLIENTS\tPROCESS")
	for _, n := range c.Nodes {
		fmt.Fprintln(t, "  "+strings.Join([]string{n.ID, n.Role, n.Status, address(n.Address), n.Zone, memory(n), lag(n),
			fmt.Sprint(n.Clients), process(n)}, "\t"))
	}
	_ = t.Flush() // as with Fprintf, a terminal that has gone is nobody's concern
	for _, n := range c.Nodes {
		if n.Problem != "" {
			fmt.Fprintf(w, "  %s: %s\n", n.ID, n.Problem)
		}
	}
}

func address(a netip.AddrPort) string {
	if !a.IsValid() {
		return "-"
	}
	return a.String()
}

// memory is "used of maximum"; capped: that is less than the node type has, so that all nodes fit this machine.
func memory(n local.Node) string {
	text := size(n.UsedBytes) + " of " + size(n.MaxBytes)
	if n.Capped {
		text += " (capped)"
	}
	return text
}

// lag is how far a replica is behind.
func lag(n local.Node) string {
	switch {
	case n.Role != "replica":
		return "-"
	case !n.LinkUp:
		return "no link"
	case n.LagBytes < 0:
		return "unknown"
	}
	return size(n.LagBytes)
}

func process(n local.Node) string {
	if n.PID == 0 {
		return n.Process
	}
	return fmt.Sprintf("%s (%d)", n.Process, n.PID)
}

// size is a number of bytes in binary units.
func size(bytes int64) string {
	if bytes < 1<<10 {
		return fmt.Sprintf("%d B", bytes)
	}
	v := float64(bytes)
	for _, unit := range []string{"KiB", "MiB", "GiB"} {
		if v /= 1 << 10; v < 1000 {
			return fmt.Sprintf("%.3g %s", v, unit)
		}
	}
	return fmt.Sprintf("%.3g TiB", v/(1<<10))
}
