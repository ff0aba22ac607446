package commands_test

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/larder-cache/larder/commands"
	"github.com/larder-cache/larder/commands/spec"
)

// TestPositions: the short way to a command's only key finds what its declaration says.
func TestPositions(t *testing.T) {
	table, err := spec.NewTable(commands.All())
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	words := []string{"GET", "get", "EX", "NX", "STORE", "2", "0", "k", ""}
	for _, c := range table.All() {
		for range 200 {
			args := [][]byte{[]byte(c.Name)}
			for range r.IntN(6) {
				args = append(args, []byte(words[r.IntN(len(words))]))
			}
			if r.IntN(3) == 0 {
				args = append(args, strconv.AppendInt(nil, r.Int64N(4), 10))
			}
			want, wantErr := c.Keys.Positions(nil, args)
			got, gotErr := c.Positions(nil, args)
			if !slices.Equal(got, want) || gotErr != wantErr {
				t.Fatalf("%q: %v %v, want %v %v", args, got, gotErr, want, wantErr)
			}
		}
	}
}
