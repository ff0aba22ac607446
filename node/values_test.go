package node

import "testing"

// TestHLLSparseBytes: hll-sparse-max-bytes acts, from the start and when it is set.
func TestHLLSparseBytes(t *testing.T) {
	n := start(t, "--hll-sparse-max-bytes", "19")
	c := n.dial()
	c.want("PFADD at-start a b", "1")
	c.want("PFDEBUG ENCODING at-start", "dense")
	c.want("CONFIG SET hll-sparse-max-bytes 3000", "OK")
	c.want("PFADD set a b", "1")
	c.want("PFDEBUG ENCODING set", "sparse")
}
