package server

import (
	"context"
	"crypto/rand"
	"log/slog"

	"github.com/larder-cache/larder/agent"
	"github.com/larder-cache/larder/control/meta"
	"github.com/larder-cache/larder/control/model"
	"github.com/larder-cache/larder/control/reconcile"
	"github.com/larder-cache/larder/control/server/datadir"
	"github.com/larder-cache/larder/control/server/loopback"
)

// Nodes may use three quarters of the machine's memory together: the rest is for their buffers, and for everybody else.
const (
	nodeShareNumerator   = 3
	nodeShareDenominator = 4
)

// environ settles what the planner works with: the keys, this machine, and its addresses.
func (s *Server) environ(ctx context.Context) error {
	addressing, err := s.addressing(ctx)
	if err != nil {
		return err
	}
	memory, err := agent.Memory()
	if err != nil {
		s.log.Warn("the machine's memory is not known, so nodes are not kept within it", slog.Any("error", err))
		memory = 0
	}
	s.environment = reconcile.Environment{
		Keys: meta.Keys{Account: Account, Region: s.cfg.Region},
		Hosts: []model.Host{{Name: Host, Zones: s.cfg.Zones, Memory: memory / nodeShareDenominator * nodeShareNumerator,
			SharedReader: !s.cfg.foreign()}},
		Addressing: addressing,
		Entropy: func() (seed [32]byte) {
			_, _ = rand.Read(seed[:]) // never fails
			return seed
		},
	}
	return nil
}

func (s *Server) addressing(ctx context.Context) (model.Addressing, error) {
	if s.cfg.Addresses == AddressesPorts {
		host, err := advertised(ctx, s.cfg.Advertise)
		return model.Addressing{Mode: model.AddressPorts, Advertise: host, FirstPort: s.cfg.FirstPort, LastPort: s.cfg.LastPort}, err
	}
	block, err := loopback.Claim(loopback.Config{FS: s.cfg.FS, Clock: s.cfg.Clock, Folder: s.dir.Root(),
		File: s.dir.Path(datadir.AddressesFile), Register: s.cfg.Register, Zones: s.cfg.Zones, Logger: s.log})
	if err != nil {
		return model.Addressing{}, err
	}
	s.onEnd(block.Close)
	return model.Addressing{Mode: model.AddressPool, Pools: block.Pools()}, nil
}
