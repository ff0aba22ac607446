package node

import (
	"context"
	"errors"
	"log/slog"

	"github.com/larder-cache/larder/engine"
	"github.com/larder-cache/larder/persist/rdb"
)

// scriptLog writes a line of a script's redis.log.
func (n *Node) scriptLog(level int, line string) {
	levels := [...]slog.Level{slog.LevelDebug, slog.LevelDebug + 2, slog.LevelInfo, slog.LevelWarn}
	n.log.Log(n.ctx, levels[min(max(level, 0), len(levels)-1)], line)
}

// debugScript runs a debugging session beside the loops, which end before Close waits for it.
func (n *Node) debugScript(serve func(ctx context.Context)) {
	n.done.Add(1)
	go func() { defer n.done.Done(); serve(n.ctx) }()
}

// libraryCodec is FUNCTION DUMP's payload.
func (n *Node) libraryCodec() engine.LibraryCodec {
	return engine.LibraryCodec{Encode: rdb.DumpFunctions, Decode: func(payload []byte) ([][]byte, error) {
		sources, err := rdb.ReadFunctions(payload, n.debug.skipChecksum.Load())
		if errors.Is(err, rdb.ErrDumpPayload) {
			return nil, errors.New("DUMP payload version or checksum are wrong")
		}
		return sources, err
	}}
}
