package main

import (
	"context"
	"fmt"

	"github.com/larder-cache/larder/control/server/local"
)

// planCommand is `larder plan`.
type planCommand struct {
	Group string `arg:"" optional:"" help:"A replication group or cache cluster; all if it is left out."`
	JSON  bool   `help:"Print the plans as JSON." name:"json"`
}

// Run prints what would be done next.
func (c planCommand) Run(p *program) error {
	client, err := p.running()
	if err != nil {
		return err
	}
	plans, err := client.Plan(context.Background(), c.Group)
	if err != nil {
		return p.asked(err)
	}
	if c.JSON {
		return printJSON(p.stdout, plans)
	}
	for _, plan := range plans {
		p.printPlan(plan)
	}
	if len(plans) == 0 {
		fmt.Fprintln(p.stdout, "no caches")
	}
	return nil
}

func (p *program) printPlan(plan local.Plan) {
	fmt.Fprintf(p.stdout, "%s: %s\n", plan.ID, plan.Status)
	for _, why := range plan.Why {
		fmt.Fprintf(p.stdout, "  %s\n", why)
	}
	switch {
	case plan.Changes:
		fmt.Fprintln(p.stdout, "  this changes the assignment")
	case len(plan.Why) == 0:
		fmt.Fprintln(p.stdout, "  nothing to do")
	}
	if !plan.Wake.IsZero() {
		fmt.Fprintf(p.stdout, "  looks again at %s if nothing happens before\n", plan.Wake.Local().Format("15:04:05.000"))
	}
}
