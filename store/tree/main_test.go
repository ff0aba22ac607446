package tree

import (
	"testing"

	"github.com/larder-cache/larder/base/raced"
)

func TestMain(m *testing.M) {
	raced.Properties()
	m.Run()
}
