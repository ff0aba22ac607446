package etcd

import (
	"testing"

	"github.com/larder-cache/larder/control/meta/metatest"
)

func TestConformanceEmbedded(t *testing.T) {
	log := newRecorder()
	server := startTest(t, Config{Dir: t.TempDir(), Logger: log.logger()})
	metatest.Run(t, func(*testing.T) metatest.Store { return server.Connect() })
	if err := server.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	log.wantNoErrors(t)
}
