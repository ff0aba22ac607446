package fake_test

import (
	"testing"

	"github.com/larder-cache/larder/control/meta/fake"
	"github.com/larder-cache/larder/control/meta/metatest"
)

func TestConformance(t *testing.T) {
	metatest.Run(t, func(*testing.T) metatest.Store { return fake.New() })
}
