// Package slot says in which of a Redis Cluster's 16384 hash slots a key lies: CRC16 (XMODEM) of the key or of its hash tag.
//
// It knows nothing of who owns a slot. Source: the Redis cluster specification, "Key distribution model" and "Hash tags".
package slot

import "bytes"

// Count is the number of hash slots.
const Count = 16384

// polynomial is x^16 + x^12 + x^5 + 1, the most significant bit first.
const polynomial = 0x1021

// stride is how many bytes one step of CRC takes.
const stride = 8

// tables[k][b] is the checksum of byte b followed by k zero bytes. Nothing writes to it.
var tables = makeTables()

func makeTables() *[stride][256]uint16 {
	var t [stride][256]uint16
	for b := range 256 {
		crc := uint16(b) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ polynomial
			} else {
				crc <<= 1
			}
		}
		t[0][b] = crc
	}
	for k := 1; k < stride; k++ {
		for b := range 256 {
			prev := t[k-1][b]
			t[k][b] = prev<<8 ^ t[0][prev>>8]
		}
	}
	return &t
}

// CRC is the CRC16 of b: XMODEM, initial value 0, not reflected.
func CRC(b []byte) uint16 {
	var crc uint16
	for t := tables; len(b) >= stride; b = b[stride:] {
		crc = t[7][b[0]^byte(crc>>8)] ^ t[6][b[1]^byte(crc)] ^ t[5][b[2]] ^ t[4][b[3]] ^
			t[3][b[4]] ^ t[2][b[5]] ^ t[1][b[6]] ^ t[0][b[7]]
	}
	for _, c := range b {
		crc = crc<<8 ^ tables[0][byte(crc>>8)^c]
	}
	return crc
}

// Of is the hash slot of a key, 0 to Count-1.
func Of(key []byte) int { return int(CRC(Tag(key)) % Count) }

// Tag is the part of a key that decides its slot: what stands between the first '{' and the first '}' behind it, if
// that is not empty, else the whole key. The result is a part of key.
func Tag(key []byte) []byte {
	open := bytes.IndexByte(key, '{')
	if open < 0 {
		return key
	}
	rest := key[open+1:]
	if end := bytes.IndexByte(rest, '}'); end > 0 {
		return rest[:end]
	}
	return key
}
