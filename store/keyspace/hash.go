package keyspace

import (
	"encoding/binary"
	"math/bits"
)

// hasher is a keyed hash in the manner of wyhash: 16 bytes at a time folded by a 64×64→128 bit product with the secret. Whoever
// does not know the secret cannot find keys that collide. The same seed gives the same hashes on every machine.
type hasher struct{ a, b, c uint64 }

// newHasher spreads the seed, so that seeds such as {0, 1} serve as well as random ones.
func newHasher(seed [2]uint64) hasher {
	a := fold(seed[0]^0x9e3779b97f4a7c15, 0xd1342543de82ef95)
	b := fold(seed[1]^0xc2b2ae3d27d4eb4f, 0xaf251af3b0f025b5)
	return hasher{a: a, b: fold(b^seed[0], 0xe7037ed1a0b428db), c: fold(a^b, 0x8ebc6af09c88c6e3) | 1}
}

func fold(x, y uint64) uint64 {
	hi, lo := bits.Mul64(x, y)
	return hi ^ lo
}

func (k *hasher) sum(p []byte) uint64 {
	n, h := len(p), k.a
	for ; len(p) > 16; p = p[16:] {
		h = fold(binary.LittleEndian.Uint64(p)^k.b, binary.LittleEndian.Uint64(p[8:])^h)
	}
	var x, y uint64
	switch m := len(p); {
	case m >= 8:
		x, y = binary.LittleEndian.Uint64(p), binary.LittleEndian.Uint64(p[m-8:])
	case m >= 4:
		x, y = uint64(binary.LittleEndian.Uint32(p)), uint64(binary.LittleEndian.Uint32(p[m-4:]))
	case m > 0:
		x = uint64(p[0])<<16 | uint64(p[m>>1])<<8 | uint64(p[m-1])
	}
	return fold(k.c^uint64(n), fold(x^k.b, y^h))
}
