package node

import (
	"net"
	"os"
	"strings"
)

// Supervisor is what started the process and wants to be told how it is: "systemd", "upstart" or "no". The parameter supervised says which of them is looked for.
func Supervisor(cfg *Config) string {
	mode := cfg.Get("supervised")
	for _, s := range []struct{ name, env string }{{"upstart", "UPSTART_JOB"}, {"systemd", notifySocket}} {
		if os.Getenv(s.env) != "" && (mode == s.name || mode == "auto") {
			return s.name
		}
	}
	return "no"
}

// notifySocket names the variable with the address of systemd's socket.
const notifySocket = "NOTIFY_SOCKET"

// tellSystemd says how the process is, in lines such as READY=1, if systemd supervises it.
func (n *Node) tellSystemd(lines ...string) {
	if Supervisor(n.cfg) != "systemd" {
		return
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: os.Getenv(notifySocket), Net: "unixgram"}) // "@": an abstract one, to us as to systemd
	if err == nil {
		_, err = c.Write([]byte(strings.Join(lines, "\n") + "\n"))
		c.Close()
	}
	if err != nil {
		n.log.Warn("Can't send to systemd notification socket!", "error", err)
	}
}
