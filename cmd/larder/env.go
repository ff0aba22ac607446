package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/larder-cache/larder/base/errs"
	"github.com/larder-cache/larder/base/vfs"
	"github.com/larder-cache/larder/control/server/datadir"
	"github.com/larder-cache/larder/control/server/local"
)

// envCommand is `larder env`.
type envCommand struct {
	Format string `help:"sh: exports for a POSIX shell. json: an object, null for what is to be unset. Default: ${default}." placeholder:"sh|json" enum:"sh,json" default:"sh"`
}

// variable is one environment variable; unset is to be removed.
type variable struct {
	name, value string
	unset       bool
}

// Run prints the variables of the larder that runs on the data folder.
func (c envCommand) Run(p *program) error {
	_, vars, err := p.awsVariables()
	if err != nil {
		return err
	}
	if c.Format == "json" {
		return printJSONVariables(p.stdout, vars)
	}
	for _, v := range vars {
		if v.unset {
			fmt.Fprintln(p.stdout, "unset "+v.name)
			continue
		}
		fmt.Fprintf(p.stdout, "export %s=%s\n", v.name, shellWord(v.value))
	}
	return nil
}

// awsVariables asks the running larder for everything that an AWS client needs.
func (p *program) awsVariables() (local.Info, []variable, error) {
	client, err := p.running()
	if err != nil {
		return local.Info{}, nil, err
	}
	info, err := client.Info(context.Background())
	if err != nil {
		return info, nil, p.asked(err)
	}
	key, err := datadir.ReadKey(vfs.OS{}, info.KeyFile)
	if err != nil {
		return info, nil, err
	}
	return info, []variable{
		{name: "AWS_ENDPOINT_URL", value: info.Endpoint},
		{name: "AWS_REGION", value: info.Region},
		{name: "AWS_DEFAULT_REGION", value: info.Region},
		{name: "AWS_ACCESS_KEY_ID", value: key.ID},
		{name: "AWS_SECRET_ACCESS_KEY", value: key.Secret},
		{name: "AWS_SESSION_TOKEN", unset: true},
		{name: "AWS_PROFILE", unset: true},
	}, nil
}

func printJSONVariables(w io.Writer, vars []variable) error {
	object := make(map[string]*string, len(vars))
	for _, v := range vars {
		object[v.name] = nil
		if !v.unset {
			object[v.name] = &v.value
		}
	}
	return printJSON(w, object)
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return errs.WithHint(errs.World("print", err), "see where the output goes")
	}
	return nil
}
