package node

import (
	"errors"
	"net/netip"
	"os"
	"strings"
	"syscall"
)

// Checks of values that are names, in the words of Redis.

// checkBase: a file that is within dir.
func checkBase(param, s, kind string) error {
	if s == "" {
		return redisText(param + " can't be empty")
	}
	if strings.ContainsAny(s, `/\`) {
		return redisText(param + " can't be a path, just a " + kind)
	}
	return nil
}

func checkFileName(s string) error { return checkBase("dbfilename", s, "filename") }
func checkAOFName(s string) error  { return checkBase("appendfilename", s, "filename") }
func checkAOFDir(s string) error   { return checkBase("appenddirname", s, "dirname") }

func checkClusterFile(s string) error {
	if s == "" {
		return redisText("cluster-config-file can't be empty")
	}
	return nil
}

func checkIPv4(s string) error {
	if a, err := netip.ParseAddr(s); s != "" && (err != nil || !a.Is4()) {
		return redisText("Invalid IPv4 address")
	}
	return nil
}

func checkIPv6(s string) error {
	if a, err := netip.ParseAddr(s); s != "" && (err != nil || !a.Is6() || a.Zone() != "") {
		return redisText("Invalid IPv6 address")
	}
	return nil
}

// maxHostname is the room that a cluster's packets have for a name, with its end.
const maxHostname = 256

func checkHostname(s string) error {
	if len(s) >= maxHostname {
		return redisText("Hostnames must be less than 256 characters")
	}
	if strings.TrimLeft(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.") != "" {
		return redisText("Hostnames may only contain alphanumeric characters, hyphens or dots")
	}
	return nil
}

func checkNodeName(s string) error {
	if strings.ContainsAny(s, "!#$%&()*+.:;<>?@[]^{|}~") {
		return redisText("Announced human node name contained invalid character")
	}
	return nil
}

// checkDir: files that can't be written should be known of before the first snapshot.
func checkDir(dir string) error {
	if dir == "" {
		return redisText("dir can't be empty")
	}
	fi, err := os.Stat(dir)
	if err == nil && !fi.IsDir() {
		err = syscall.ENOTDIR
	}
	if err != nil {
		return redisText(strerror(err))
	}
	return nil
}

// strerror is what C says of the system's error that is behind err.
func strerror(err error) string {
	no := syscall.Errno(0)
	if !errors.As(err, &no) {
		return err.Error()
	}
	why := no.Error()
	return strings.ToUpper(why[:1]) + why[1:]
}
