package acl_test

import (
	"flag"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/larder-cache/larder/engine/enginetest"
	"github.com/larder-cache/larder/wire/resp"
)

var (
	seed   = flag.Uint64("seed", 20261121, "seed of the random rules")
	rounds = flag.Int("rounds", 150, "how many changes of a user are compared")
)

// modifiers are what the random rules are made of; a comma stands where a selector goes on in the next argument.
var modifiers = strings.Fields("on off nopass resetpass >a >b <a <b ~x:* ~y %R~x:1 %W~x:* %RW~y allkeys ~* resetkeys &c &d* allchannels resetchannels " +
	"+@all -@all allcommands nocommands +@read -@read +@write -@write +@string -@string +@keyspace -@keyspace +@fast -@fast +@slow -@slow +@dangerous " +
	"-@dangerous +@admin -@admin +@connection -@connection +@transaction -@transaction +@all -@all +@ALL +@String " +
	"+get -get +set -set +acl -acl +acl|whoami -acl|whoami +acl|list +command -command +command|count -command|info +select|0 +select|1 -select +select " +
	"+client|id -client|id +client -client +nosuch -nosuch +@nosuch +acl|nosuch +select| foo reset clearselectors +eXists -mget " +
	"%X~a #abc (foo) (~a (+get,~x:*) (%R~x:*,+@all) (-@all,+set,~y)")

// probes are the calls of which DRYRUN tells what the user may do; the real server knows all of them.
var probes = strings.Split("get x:1,get y,get z,set x:1 v,set x:1 v get,set y v,mget x:1 y,mset x:1 a y b,del x:1,incr y,append x:1 v,strlen x:1,getex y,expire x:1 1,"+
	"ttl y,exists x:1 z,keys *,scan 0,flushall,dbsize,randomkey,ping,echo x,acl whoami,acl list,acl cat,command,command count,command info,select 0,select 1,select 2,"+
	"multi,exec,watch x:1,watch z,auth x,client id,client list,type x:2,unlink y,getdel x:1", ",")

// TestRandomRulesAsRedis changes a user at random here and in redis-server 7.0.15, and compares what it may then do. How the
// rules are written is not compared: 7.2 keeps the commands' in the order given, where 7.0 computes shorter ones.
func TestRandomRulesAsRedis(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c, real := s.Client(), enginetest.StartRedis(t).Dial()
	g := rand.New(rand.NewPCG(*seed, 2))
	var history []string
	for range *rounds {
		set := []string{"ACL", "SETUSER", "u"}
		for range 1 + g.IntN(4) {
			m := modifiers[g.IntN(len(modifiers))]
			set = append(set, strings.Split(m, ",")...)
			if m == "(~a" {
				break // 7.0 forgets what stands between this and another "("; later ones take it all as one selector
			}
		}
		history = append(history, strings.Join(set[3:], " "))
		if ours, theirs := c.Raw(set...), real.Raw(set...); string(ours) != string(theirs) {
			t.Fatalf("seed %d: %q\n  ours %q\ntheirs %q", *seed, set, ours, theirs)
		}
		compareUser(t, c, real, history)
		for _, p := range probes {
			args := append([]string{"ACL", "DRYRUN", "u"}, strings.Fields(p)...)
			ours := strings.ReplaceAll(enginetest.Show(c.Value(args...)), "User u has", "This user has")
			if theirs := enginetest.Show(real.Value(args...)); ours != theirs {
				t.Fatalf("seed %d: %s after\n%s\n  ours %s\ntheirs %s", *seed, p, strings.Join(history, "\n"), ours, theirs)
			}
		}
	}
}

// compareUser compares the parts of GETUSER that both write alike.
func compareUser(t *testing.T, c *enginetest.Client, real *enginetest.Peer, history []string) {
	t.Helper()
	ours, theirs := c.Value("ACL", "GETUSER", "u"), real.Value("ACL", "GETUSER", "u")
	if ours.Kind == resp.KindNull && theirs.Kind == resp.KindNull {
		return
	}
	for i := 0; i < len(ours.Elems); i += 2 {
		switch name := string(ours.Elems[i].Str); name {
		case "passwords", "keys", "channels":
			if o, r := enginetest.Show(ours.Elems[i+1]), enginetest.Show(theirs.Elems[i+1]); o != r {
				t.Fatalf("seed %d: %s after\n%s\n  ours %s\ntheirs %s", *seed, name, strings.Join(history, "\n"), o, r)
			}
		}
	}
}
