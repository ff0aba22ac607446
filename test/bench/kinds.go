package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// kind is a server program: how it is started, and what it speaks.
type kind struct {
	name  string
	path  string
	proto protocol
	// args make it listen on 127.0.0.1 with so many threads for clients. With TLS, port takes TLS connections only.
	args func(o options) []string
	// isRedis says that it takes Redis' commands: INFO, CONFIG, BGSAVE, REPLICAOF.
	isRedis bool
	env     []string
}

// options are how one server is started.
type options struct {
	port, threads int
	dir           string
	tls           *certificate
	primary       int // the port of the primary; 0: none
	more          []string
}

// redisArgs is what redis-server, and what takes its arguments, is started with.
func redisArgs(o options) []string {
	args := []string{"--bind", "127.0.0.1", "--save", "", "--dir", o.dir, "--dbfilename", fmt.Sprintf("%d.rdb", o.port)}
	if o.tls != nil {
		args = append(args, "--port", "0", "--tls-port", strconv.Itoa(o.port), "--tls-cert-file", o.tls.cert, "--tls-key-file", o.tls.key,
			"--tls-ca-cert-file", o.tls.cert, "--tls-auth-clients", "no")
	} else {
		args = append(args, "--port", strconv.Itoa(o.port))
	}
	if o.primary != 0 {
		args = append(args, "--replicaof", "127.0.0.1 "+strconv.Itoa(o.primary))
	}
	return append(args, o.more...)
}

// larderArgs: a loop is what io-threads counts. With replicaof in the arguments of a process the value is one word.
func larderArgs(o options) []string {
	return append(redisArgs(o), "--io-threads", strconv.Itoa(o.threads))
}

func memcachedArgs(o options) []string {
	args := []string{"-l", "127.0.0.1", "-p", strconv.Itoa(o.port), "-U", "0", "-m", "8192", "-t", strconv.Itoa(o.threads), "-c", "1024"}
	if os.Getuid() == 0 {
		args = append(args, "-u", "root")
	}
	if o.tls != nil {
		args = append(args, "-Z", "-o", "ssl_chain_cert="+o.tls.cert+",ssl_key="+o.tls.key)
	}
	return args
}

func pogocacheArgs(o options) []string {
	args := []string{"-h", "127.0.0.1", "--threads", strconv.Itoa(o.threads)}
	if o.tls != nil {
		return append(args, "-p", "0", "--tlsport", strconv.Itoa(o.port), "--tlscert", o.tls.cert, "--tlskey", o.tls.key, "--tlscacert", o.tls.cert)
	}
	return append(args, "-p", strconv.Itoa(o.port))
}

// kinds are the servers of this run: redis and larder always, the others when we were told where they are.
func kinds() ([]*kind, error) {
	larder := filepath.Join(os.Getenv("LARDER_BIN"), "larder-server")
	if _, err := os.Stat(larder); err != nil {
		return nil, fmt.Errorf("there is no larder-server in LARDER_BIN: run this as make bench")
	}
	redis, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, fmt.Errorf("redis-server is missing: make deps installs it")
	}
	out := []*kind{
		{name: "redis", path: redis, proto: redisText{}, args: redisArgs, isRedis: true},
		{name: "larder", path: larder, proto: redisText{}, args: larderArgs, isRedis: true, env: []string{"GODEBUG=gctrace=1"}},
	}
	for _, peer := range []struct {
		kind
		flag string
	}{
		{kind{name: "valkey", proto: redisText{}, args: redisArgs, isRedis: true}, *valkeyPath},
		{kind{name: "memcached", proto: memcacheText{}, args: memcachedArgs}, *memcachedPath},
		{kind{name: "pogocache", proto: redisText{}, args: pogocacheArgs}, *pogocachePath},
	} {
		if peer.flag == "" {
			continue
		}
		k := peer.kind
		if k.path, err = exec.LookPath(peer.flag); err != nil {
			return nil, fmt.Errorf("%s: %w", k.name, err)
		}
		out = append(out, &k)
	}
	return out, nil
}
