package replication

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/larder-cache/larder/wire/resp"
)

// authRefused is how Valkey's log begins to tell it.
const authRefused = "Unable to AUTH to PRIMARY"

// Ask is what a replica tells its primary of itself.
type Ask struct {
	User, Password string // of the replication user; no Password: no AUTH
	ListeningPort  int
	AnnounceIP     string
	Version        string // our version, so that the primary writes a snapshot that we can read
	ReplID         string // the history that the replica has, "?" for none
	Failover       bool   // the other node is to take over from this one
	Offset         int64  // its first missing byte, counted from 1; -1 with "?"
}

// Answer is how a handshake ends.
type Answer struct {
	// Full: the primary sends a snapshot of history ReplID at Offset, and the stream after it. Otherwise the stream goes on at
	// the offset asked for, in history ReplID (which may be a new name for the same bytes).
	Full   bool
	ReplID string
	Offset int64
	asked  string // the history asked for
}

// handshake is the replica's side of the dialogue before the stream, without I/O: next says what to send, line takes the answer.
type handshake struct {
	ask  Ask
	step handshakeStep
}

type handshakeStep uint8

const (
	stepPing handshakeStep = iota
	stepAuth
	stepPort
	stepIP
	stepCapa
	stepVersion
	stepPsync
	stepDone
)

func (h *handshake) next() []byte {
	switch h.step {
	case stepPing:
		return resp.AppendCommandStrings(nil, "PING")
	case stepAuth:
		if h.ask.User == "" {
			return resp.AppendCommandStrings(nil, "AUTH", h.ask.Password)
		}
		return resp.AppendCommandStrings(nil, "AUTH", h.ask.User, h.ask.Password)
	case stepPort:
		return resp.AppendCommandStrings(nil, "REPLCONF", "listening-port", strconv.Itoa(h.ask.ListeningPort))
	case stepIP:
		return resp.AppendCommandStrings(nil, "REPLCONF", "ip-address", h.ask.AnnounceIP)
	case stepCapa:
		return resp.AppendCommandStrings(nil, "REPLCONF", "capa", "eof", "capa", "psync2")
	case stepVersion:
		return resp.AppendCommandStrings(nil, "REPLCONF", "version", h.ask.Version)
	case stepPsync:
		words := []string{"PSYNC", h.ask.ReplID, strconv.FormatInt(h.ask.Offset, 10)}
		if h.ask.Failover {
			words = append(words, "FAILOVER")
		}
		return resp.AppendCommandStrings(nil, words...)
	}
	return nil
}

// line takes a primary's answer to what next gave. done is true when ans is the end of the handshake.
func (h *handshake) line(s string) (ans Answer, done bool, err error) {
	if h.step == stepPsync {
		ans, err = parsePsync(s, h.ask)
		return ans, err == nil, err
	}
	failed := strings.HasPrefix(s, "-")
	switch h.step {
	case stepPing:
		// A primary that wants a password answers so; any other error means that it is not ready.
		if failed && !strings.HasPrefix(s, "-NOAUTH") && !strings.HasPrefix(s, "-NOPERM") && !strings.HasPrefix(s, "-ERR operation not permitted") {
			return ans, false, fmt.Errorf("the primary answered PING with %q", s)
		}
	case stepAuth:
		if failed {
			return ans, false, fmt.Errorf("%s: %s", authRefused, s)
		}
	}
	// What a REPLCONF tells is a courtesy: an older primary may not know it.
	h.advance()
	return ans, false, nil
}

func (h *handshake) advance() {
	for h.step++; h.step < stepPsync; h.step++ {
		switch {
		case h.step == stepAuth && h.ask.Password == "":
		case h.step == stepIP && h.ask.AnnounceIP == "":
		default:
			return
		}
	}
}

// errTryLater says that the primary can't serve a resync yet.
type errTryLater string

func (e errTryLater) Error() string { return "the primary is not ready: " + string(e) }

// errRefused is an error that the primary answered PSYNC with.
type errRefused string

// Error implements error.
func (e errRefused) Error() string {
	text := fmt.Sprintf("the primary answered PSYNC with %q", string(e))
	if strings.HasPrefix(string(e), "-NOAUTH") {
		text += " (give the replica its password as masterauth, and a user other than default as masteruser)"
	}
	return text
}

func parsePsync(s string, ask Ask) (Answer, error) {
	f := strings.Fields(s)
	switch {
	case len(f) == 3 && f[0] == "+FULLRESYNC" && len(f[1]) == 40:
		off, err := strconv.ParseInt(f[2], 10, 64)
		if err != nil || off < 0 {
			return Answer{}, fmt.Errorf("the primary answered PSYNC with %q", s)
		}
		return Answer{Full: true, ReplID: f[1], Offset: off}, nil
	case len(f) >= 1 && f[0] == "+CONTINUE" && ask.ReplID != "?":
		ans := Answer{ReplID: ask.ReplID, Offset: ask.Offset - 1, asked: ask.ReplID}
		if len(f) > 1 {
			if len(f[1]) != 40 {
				return Answer{}, fmt.Errorf("the primary answered PSYNC with %q", s)
			}
			ans.ReplID = f[1]
		}
		return ans, nil
	case strings.HasPrefix(s, "-NOMASTERLINK"), strings.HasPrefix(s, "-LOADING"):
		return Answer{}, errTryLater(s)
	case strings.HasPrefix(s, "-"):
		return Answer{}, errRefused(s)
	}
	return Answer{}, fmt.Errorf("the primary answered PSYNC with %q", s)
}
