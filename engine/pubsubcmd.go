package engine

import (
	"maps"
	"slices"

	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/commands/glob"
	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/wire/resp"
)

// Messaging are the commands of publish and subscribe.
func Messaging() []*spec.Command {
	const listen = spec.PubSub | spec.NoScript | spec.Loading | spec.Stale
	const speak = spec.PubSub | spec.Loading | spec.Stale | spec.Fast | spec.MayReplicate
	channel, pattern, shard := spec.Str("channel"), spec.Pattern("pattern"), spec.Str("shardchannel")
	cmd := func(name, since, doc, complexity string, arity int, flags spec.Flag, run func(*spec.Call), args ...spec.Arg) *spec.Command {
		return &spec.Command{Name: name, Since: since, Doc: doc, Complex: complexity, Group: spec.PubSubGroup, Arity: arity, Flags: flags, Args: args, Run: run}
	}
	subscribe := cmd("subscribe", "2.0.0", "Listens for messages published to channels.", "O(N) where N is the number of channels to subscribe to.", -2, listen,
		func(c *spec.Call) { subscribeRun(c, channels) }, spec.Many(channel))
	psubscribe := cmd("psubscribe", "2.0.0", "Listens for messages published to channels that match one or more patterns.",
		"O(N) where N is the number of patterns to subscribe to.", -2, listen, func(c *spec.Call) { subscribeRun(c, patterns) }, spec.Many(pattern))
	ssubscribe := cmd("ssubscribe", "7.0.0", "Listens for messages published to shard channels.", "O(N) where N is the number of shard channels to subscribe to.", -2, listen,
		func(c *spec.Call) { subscribeRun(c, shardChannels) }, spec.Many(shard))
	publish := cmd("publish", "2.0.0", "Posts a message to a channel.",
		"O(N+M) where N is the number of clients subscribed to the receiving channel and M is the total number of subscribed patterns (by any client).", 3, speak,
		func(c *spec.Call) { publishRun(c, channels) }, channel, spec.Str("message"))
	spublish := cmd("spublish", "7.0.0", "Post a message to a shard channel", "O(N) where N is the number of clients subscribed to the receiving shard channel.", 3, speak,
		func(c *spec.Call) { publishRun(c, shardChannels) }, shard, spec.Str("message"))
	sunsubscribe := cmd("sunsubscribe", "7.0.0", "Stops listening to messages posted to shard channels.", "O(N) where N is the number of shard channels to unsubscribe.", -1, listen,
		func(c *spec.Call) { unsubscribeRun(c, shardChannels) }, spec.Opt(spec.Many(shard)))
	subscribe.Channels, psubscribe.Channels, ssubscribe.Channels = spec.Subscribes, spec.SubscribesPatterns, spec.Subscribes
	publish.Channels, spublish.Channels, publish.Scope, spublish.Scope = spec.Publishes, spec.Publishes, spec.ShardZero, spec.ShardZero
	ssubscribe.Keys, sunsubscribe.Keys, spublish.Keys = spec.From(1, spec.NotKey), spec.From(1, spec.NotKey), spec.One(1, spec.NotKey)
	return []*spec.Command{subscribe, psubscribe, ssubscribe, publish, spublish, sunsubscribe,
		cmd("unsubscribe", "2.0.0", "Stops listening to messages posted to channels.", "O(N) where N is the number of channels to unsubscribe.", -1, listen,
			func(c *spec.Call) { unsubscribeRun(c, channels) }, spec.Opt(spec.Many(channel))),
		cmd("punsubscribe", "2.0.0", "Stops listening to messages published to channels that match one or more patterns.",
			"O(N) where N is the number of patterns to unsubscribe.", -1, listen, func(c *spec.Call) { unsubscribeRun(c, patterns) }, spec.Opt(spec.Many(pattern))),
		pubsubCommand()}
}

// pubsubCommand is PUBSUB and its subcommands.
func pubsubCommand() *spec.Command {
	const flags = spec.PubSub | spec.Loading | spec.Stale
	sub := func(name, since, doc, complexity string, arity int, run func(*spec.Call), args ...spec.Arg) *spec.Command {
		return &spec.Command{Name: name, Since: since, Doc: doc, Complex: complexity, Arity: arity, Flags: flags, Args: args, Run: run}
	}
	pattern := spec.Opt(spec.Pattern("pattern"))
	help := sub("help", "6.2.0", "Returns helpful text about the different subcommands.", "O(1)", 2, pubsubHelp)
	help.Flags = spec.Loading | spec.Stale
	return &spec.Command{Name: "pubsub", Since: "2.8.0", Doc: "A container for Pub/Sub commands.", Complex: "Depends on subcommand.", Group: spec.PubSubGroup, Arity: -2,
		Sub: []*spec.Command{
			sub("channels", "2.8.0", "Returns the active channels.",
				"O(N) where N is the number of active channels, and assuming constant time pattern matching (relatively short channels and patterns)", -2,
				func(c *spec.Call) { pubsubChannels(c, channels) }, pattern),
			sub("numpat", "2.8.0", "Returns a count of unique pattern subscriptions.", "O(1)", 2,
				func(c *spec.Call) { c.Out.Int(engineOf(c).pubsub.patterns.topics.Load()) }),
			sub("numsub", "2.8.0", "Returns a count of subscribers to channels.", "O(N) for the NUMSUB subcommand, where N is the number of requested channels", -2,
				func(c *spec.Call) { pubsubNumsub(c, channels) }, spec.Opt(spec.Many(spec.Str("channel")))),
			sub("shardchannels", "7.0.0", "Returns the active shard channels.",
				"O(N) where N is the number of active shard channels, and assuming constant time pattern matching (relatively short shard channels).", -2,
				func(c *spec.Call) { pubsubChannels(c, shardChannels) }, pattern),
			sub("shardnumsub", "7.0.0", "Returns the count of subscribers of shard channels.",
				"O(N) for the SHARDNUMSUB subcommand, where N is the number of requested shard channels", -2,
				func(c *spec.Call) { pubsubNumsub(c, shardChannels) }, spec.Opt(spec.Many(spec.Str("shardchannel")))),
			help,
		}}
}

func pubsubHelp(c *spec.Call) {
	c.Help("CHANNELS [<pattern>]", "    Return the currently active channels matching a <pattern> (default: '*').",
		"NUMPAT", "    Return number of subscriptions to patterns.",
		"NUMSUB [<channel> ...]", "    Return the number of subscribers for the specified channels, excluding", "    pattern subscriptions(default: no channels).",
		"SHARDCHANNELS [<pattern>]", "    Return the currently active shard level channels matching a <pattern> (default: '*').",
		"SHARDNUMSUB [<shardchannel> ...]", "    Return the number of subscribers for the specified shard level channel(s)")
}

// The words of confirmations, by kind.
var (
	subscribeWords   = [numTopicKinds]string{"subscribe", "psubscribe", "ssubscribe"}
	unsubscribeWords = [numTopicKinds]string{"unsubscribe", "punsubscribe", "sunsubscribe"}
)

func subscribeRun(c *spec.Call, kind topicKind) {
	cl, e := c.Session.(*Client), engineOf(c)
	if cl.inMulti && kind == shardChannels {
		c.Out.Error("ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client")
		return
	}
	if cl.subs.total+len(c.Args)-1 > limits.MaxSubscriptions {
		c.Out.Error("ERR too many subscriptions")
		return
	}
	cl.setListening(true)
	for _, arg := range c.Args[1:] {
		name, n := string(arg), cl.subs.count(kind)
		if cl.subs.of[kind][name] != nil {
			cl.confirm(subscribeWords[kind], &name, n)
			continue
		}
		cl.confirm(subscribeWords[kind], &name, n+1) // before anything is published to it
		e.subscribe(cl, kind, name)
	}
	// Rules that were changed since the command was allowed may have been changed before there was a subscription to be found.
	if !cl.mayHear(cl.user.Rules()) {
		cl.Kill(false)
	}
}

func unsubscribeRun(c *spec.Call, kind topicKind) {
	cl, e, word := c.Session.(*Client), engineOf(c), unsubscribeWords[kind]
	var names []string
	for _, name := range c.Args[1:] {
		names = append(names, string(name))
	}
	if len(c.Args) == 1 {
		if names = slices.Collect(maps.Keys(cl.subs.of[kind])); len(names) == 0 {
			cl.confirm(word, nil, cl.subs.count(kind))
		}
	}
	for i := range names {
		e.unsubscribe(cl, kind, names[i])
		if !cl.inMulti && cl.mute == muteNone {
			cl.takeNow() // what came by it stands before the confirmation, behind which nothing more comes
		}
		cl.confirm(word, &names[i], cl.subs.count(kind))
	}
	if cl.subs.total == 0 {
		cl.setListening(false)
	}
}

// confirm tells of a subscription that was made or ended. It is no reply but a push: CLIENT REPLY does not silence it. A nil name
// says that there was nothing to end. n is how many there are now.
func (c *Client) confirm(word string, name *string, n int) {
	w := resp.Writer{Proto: c.Out.Proto}
	if c.mute == muteNone {
		w.Buf = c.Out.Buf
	}
	w.Push(3)
	w.BulkString(word)
	if name == nil {
		w.Null()
	} else {
		w.BulkString(*name)
	}
	w.Int(int64(n))
	if c.mute == muteNone {
		c.Out.Buf = w.Buf
		return
	}
	c.Push(w.Buf)
}

// publishRun is PUBLISH and SPUBLISH. They go to replicas though they change nothing.
func publishRun(c *spec.Call, kind topicKind) {
	x := c.Engine.(*Executor)
	n := x.e.pubsub.publish(&x.message, kind, c.Args[1], c.Args[2])
	c.Engine.Propagate(c.Args...)
	c.Out.Int(int64(n))
}

func pubsubChannels(c *spec.Call, kind topicKind) {
	if len(c.Args) > 3 {
		c.Out.Error("ERR unknown subcommand or wrong number of arguments for '" + clip(c.Args[1], 128) + "'. Try PUBSUB HELP.")
		return
	}
	names := engineOf(c).pubsub.names(kind)
	mark, n := c.Out.Defer(), 0
	for _, name := range names {
		if len(c.Args) == 2 || glob.Match(c.Args[2], []byte(name), false) {
			c.Out.BulkString(name)
			n++
		}
	}
	c.Out.SetArray(mark, n)
}

func pubsubNumsub(c *spec.Call, kind topicKind) {
	e := engineOf(c)
	c.Out.Array(2 * (len(c.Args) - 2))
	for _, name := range c.Args[2:] {
		c.Out.Bulk(name)
		c.Out.Int(int64(e.pubsub.subscribers(kind, string(name))))
	}
}
