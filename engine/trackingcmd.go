package engine

import (
	"slices"
	"strings"

	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/wire/resp"
)

// trackRequest is what CLIENT TRACKING is asked for.
type trackRequest struct {
	mode     trackMode
	redirect int64
	prefixes []string
}

// clientTracking is CLIENT TRACKING.
func clientTracking(c *spec.Call) {
	cl, e := c.Session.(*Client), engineOf(c)
	var r trackRequest
	msg := r.parse(e, c.Args[3:])
	switch {
	case msg != "":
	case spec.EqualFold(c.Args[2], "on"):
		msg = r.refused(cl)
	case spec.EqualFold(c.Args[2], "off"):
		e.setTracking(cl, 0, 0)
		c.Out.OK()
		return
	default:
		msg = spec.ErrSyntax
	}
	if msg != "" {
		c.Out.Error(msg)
		return
	}
	e.setTracking(cl, r.mode|trackOn, r.redirect)
	if r.mode&trackBroadcast != 0 {
		if len(r.prefixes) == 0 {
			r.prefixes = []string{""}
		}
		e.addPrefixes(cl, slices.DeleteFunc(r.prefixes, func(p string) bool { return slices.Contains(cl.track.prefixes, p) }))
	}
	c.Out.OK()
}

// parse reads the options, and returns the error of the first that is wrong.
func (r *trackRequest) parse(e *Engine, args [][]byte) string {
	for i := 0; i < len(args); i++ {
		more := i+1 < len(args)
		switch word := strings.ToLower(string(args[i])); {
		case word == "bcast":
			r.mode |= trackBroadcast
		case word == "optin":
			r.mode |= trackOptIn
		case word == "optout":
			r.mode |= trackOptOut
		case word == "noloop":
			r.mode |= trackNoLoop
		case word == "prefix" && more:
			i++
			r.prefixes = append(r.prefixes, string(args[i]))
		case word == "redirect" && more:
			i++
			if msg := r.redirectTo(e, args[i]); msg != "" {
				return msg
			}
		default:
			return spec.ErrSyntax
		}
	}
	return ""
}

func (r *trackRequest) redirectTo(e *Engine, arg []byte) string {
	if r.redirect != 0 {
		return "ERR A client can only redirect to a single other client"
	}
	id, ok := resp.ParseInt(arg)
	if !ok {
		return spec.ErrNotInt
	}
	if e.Client(id) == nil {
		return "ERR The client ID you want redirect to does not exist"
	}
	r.redirect = id
	return ""
}

// refused says why a client may not go into the mode asked for, "" if it may.
func (r *trackRequest) refused(c *Client) string {
	const switching = " before disabling tracking for this client, and then re-enabling it with a different mode."
	m, was := r.mode, c.trackMode()
	switch {
	case m&trackBroadcast == 0 && len(r.prefixes) > 0:
		return "ERR PREFIX option requires BCAST mode to be enabled"
	case was&trackOn != 0 && (m^was)&trackBroadcast != 0:
		return "ERR You can't switch BCAST mode on/off" + switching
	case m&trackBroadcast != 0 && m&(trackOptIn|trackOptOut) != 0:
		return "ERR OPTIN and OPTOUT are not compatible with BCAST"
	case m&trackOptIn != 0 && m&trackOptOut != 0:
		return "ERR You can't specify both OPTIN mode and OPTOUT mode"
	case m&trackOptIn != 0 && was&trackOptOut != 0, m&trackOptOut != 0 && was&trackOptIn != 0:
		return "ERR You can't switch OPTIN/OPTOUT mode" + switching
	case len(r.prefixes)+len(c.track.prefixes) > limits.MaxTrackingPrefixes:
		return "ERR too many prefixes"
	}
	return r.overlap(c)
}

// overlap: two prefixes of one client must not match the same key.
func (r *trackRequest) overlap(c *Client) string {
	const rule = ". Prefixes for a single client must not overlap."
	for i, p := range r.prefixes {
		for _, old := range c.track.prefixes {
			if overlap(p, old) {
				return "ERR Prefix '" + p + "' overlaps with an existing prefix '" + old + "'" + rule
			}
		}
		for _, other := range r.prefixes[i+1:] {
			if overlap(p, other) {
				return "ERR Prefix '" + p + "' overlaps with another provided prefix '" + other + "'" + rule
			}
		}
	}
	return ""
}

func overlap(a, b string) bool { return strings.HasPrefix(a, b) || strings.HasPrefix(b, a) }

// clientCaching is CLIENT CACHING.
func clientCaching(c *spec.Call) {
	cl := c.Session.(*Client)
	m, arg := cl.trackMode(), c.Args[2]
	switch {
	case m&trackOn == 0:
		c.Out.Error("ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled")
	case spec.EqualFold(arg, "yes") && m&trackOptIn == 0:
		c.Out.Error("ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.")
	case spec.EqualFold(arg, "no") && m&trackOptOut == 0:
		c.Out.Error("ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.")
	case spec.EqualFold(arg, "yes"), spec.EqualFold(arg, "no"):
		cl.track.caching = true
		c.Out.OK()
	default:
		c.Out.Error(spec.ErrSyntax)
	}
}

// redirection is where a client's invalidations go: another client's id, 0 for its own connection, -1 if it gets none.
func (c *Client) redirection() int64 {
	if c.trackMode()&trackOn == 0 {
		return -1
	}
	return c.track.redirect.Load()
}

func clientGetRedir(c *spec.Call) { c.Out.Int(c.Session.(*Client).redirection()) }

func clientTrackingInfo(c *spec.Call) {
	cl := c.Session.(*Client)
	m := cl.trackMode()
	c.Out.Map(3)
	c.Out.BulkString("flags")
	flags := []string{"off"}
	if m&trackOn != 0 {
		flags[0] = "on"
	}
	for _, f := range []struct {
		on   bool
		name string
	}{{m&trackBroadcast != 0, "bcast"}, {m&trackOptIn != 0, "optin"}, {m&trackOptIn != 0 && cl.track.caching, "caching-yes"},
		{m&trackOptOut != 0, "optout"}, {m&trackOptOut != 0 && cl.track.caching, "caching-no"},
		{m&trackNoLoop != 0, "noloop"}, {m&trackBroken != 0, "broken_redirect"}} {
		if f.on {
			flags = append(flags, f.name)
		}
	}
	c.Out.Set(len(flags))
	for _, f := range flags {
		c.Out.BulkString(f)
	}
	c.Out.BulkString("redirect")
	c.Out.Int(cl.redirection())
	c.Out.BulkString("prefixes")
	c.Out.Array(len(cl.track.prefixes))
	for _, p := range cl.track.prefixes {
		c.Out.BulkString(p)
	}
}
