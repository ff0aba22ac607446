package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"sync"
)

// maxKeys bounds the cache. Only scopes that passed every other check get here:
// one entry a key, service and day, so it is not reached in practice.
const maxKeys = 1024

// keyScope is all that a signing key depends on. The secret is part of it, so a
// replaced secret is never served from the cache.
type keyScope struct {
	secret, date, region, service string
}

// keyCache remembers derived signing keys: four HMACs a request less.
type keyCache struct {
	mu   sync.Mutex
	keys map[keyScope][32]byte // guarded by mu; at most maxKeys
}

func (c *keyCache) get(scope keyScope) [32]byte {
	c.mu.Lock()
	key, ok := c.keys[scope]
	c.mu.Unlock()
	if ok {
		return key
	}
	key = deriveKey(scope)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.keys == nil || len(c.keys) >= maxKeys {
		c.keys = make(map[keyScope][32]byte)
	}
	c.keys[scope] = key
	return key
}

func deriveKey(scope keyScope) [32]byte {
	key := hmacSHA256([]byte("AWS4"+scope.secret), scope.date)
	for _, part := range []string{scope.region, scope.service, terminator} {
		key = hmacSHA256(key[:], part)
	}
	return key
}

func hmacSHA256(key []byte, data string) [32]byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(data))
	return [32]byte(mac.Sum(nil))
}
