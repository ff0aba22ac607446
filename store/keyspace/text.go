package keyspace

import "github.com/larder-cache/larder/store/value"

// SetText is SetString without looking for an integer: OBJECT ENCODING is embstr, or raw for a long one, as after INCRBYFLOAT.
func (d *DB) SetText(hash uint64, key, val []byte, expireAt int64) Entry {
	if len(val) > value.EmbStrMax {
		return d.SetString(hash, key, val, expireAt)
	}
	c := content{typ: value.String, enc: value.EmbStr, payload: val}
	return d.put(hash, key, expireAt, &c)
}
