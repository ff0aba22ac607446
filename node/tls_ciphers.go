package node

import (
	"crypto/tls"
	"slices"
	"strings"
)

// cipherSuite is a TLS 1.2 suite that Go has, under OpenSSL's name for it, which configuration files use.
type cipherSuite struct {
	name string
	id   uint16
	weak bool // no forward secrecy, or CBC with SHA-256: Go has it, and leaves it out by default
}

var ciphers = []cipherSuite{
	{name: "ECDHE-ECDSA-AES128-GCM-SHA256", id: tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
	{name: "ECDHE-RSA-AES128-GCM-SHA256", id: tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256},
	{name: "ECDHE-ECDSA-AES256-GCM-SHA384", id: tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384},
	{name: "ECDHE-RSA-AES256-GCM-SHA384", id: tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384},
	{name: "ECDHE-ECDSA-CHACHA20-POLY1305", id: tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256},
	{name: "ECDHE-RSA-CHACHA20-POLY1305", id: tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256},
	{name: "ECDHE-ECDSA-AES128-SHA", id: tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA},
	{name: "ECDHE-RSA-AES128-SHA", id: tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA},
	{name: "ECDHE-ECDSA-AES256-SHA", id: tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA},
	{name: "ECDHE-RSA-AES256-SHA", id: tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA},
	{name: "ECDHE-ECDSA-AES128-SHA256", id: tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256, weak: true},
	{name: "ECDHE-RSA-AES128-SHA256", id: tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256, weak: true},
	{name: "AES128-GCM-SHA256", id: tls.TLS_RSA_WITH_AES_128_GCM_SHA256, weak: true},
	{name: "AES256-GCM-SHA384", id: tls.TLS_RSA_WITH_AES_256_GCM_SHA384, weak: true},
	{name: "AES128-SHA256", id: tls.TLS_RSA_WITH_AES_128_CBC_SHA256, weak: true},
	{name: "AES128-SHA", id: tls.TLS_RSA_WITH_AES_128_CBC_SHA, weak: true},
	{name: "AES256-SHA", id: tls.TLS_RSA_WITH_AES_256_CBC_SHA, weak: true},
}

// parseCiphers reads tls-ciphers as OpenSSL reads a cipher list: names and groups of suites, joined by ":", each added or, behind
// "-" or "!", taken away. Names that Go has no suite for add nothing, as unknown ones do in OpenSSL; false: nothing is left. An
// empty list is Go's default, nil. The order says nothing: Go orders suites itself.
func parseCiphers(list string) (ids []uint16, ok bool) {
	if list == "" {
		return nil, true
	}
	banned := map[uint16]bool{}
	for _, word := range strings.FieldsFunc(list, func(r rune) bool { return r == ':' || r == ',' || r == ' ' }) {
		op := word[0]
		if op == '@' || op == '+' { // both are about the order, or about OpenSSL's levels
			continue
		}
		if op == '-' || op == '!' {
			word = word[1:]
		}
		for i := range ciphers {
			c := &ciphers[i]
			switch {
			case !c.in(word):
			case op == '!':
				banned[c.id] = true
				fallthrough
			case op == '-':
				ids = slices.DeleteFunc(ids, func(id uint16) bool { return id == c.id })
			case !banned[c.id] && !slices.Contains(ids, c.id):
				ids = append(ids, c.id)
			}
		}
	}
	return ids, len(ids) > 0
}

// in reports whether a suite is, or belongs to, what a word of a cipher list names. Groups joined by "+" are all meant.
func (c *cipherSuite) in(word string) bool {
	if word == c.name {
		return true
	}
	for _, group := range strings.Split(word, "+") {
		if !c.inGroup(group) {
			return false
		}
	}
	return true
}

func (c *cipherSuite) inGroup(group string) bool {
	ecdhe, gcm, chacha := strings.HasPrefix(c.name, "ECDHE"), strings.Contains(c.name, "GCM"), strings.Contains(c.name, "CHACHA20")
	switch group {
	case "ALL", "HIGH", "TLSv1.2":
		return true
	case "DEFAULT":
		return !c.weak
	case "ECDHE", "EECDH", "kECDHE", "kEECDH":
		return ecdhe
	case "RSA", "kRSA":
		return !ecdhe
	case "aRSA":
		return !strings.Contains(c.name, "ECDSA")
	case "ECDSA", "aECDSA":
		return strings.Contains(c.name, "ECDSA")
	case "AESGCM":
		return gcm
	case "AES", "AES128", "AES256":
		return strings.Contains(c.name, group)
	case "CHACHA20":
		return chacha
	case "SHA", "SHA1":
		return strings.HasSuffix(c.name, "-SHA")
	case "SHA256":
		return strings.HasSuffix(c.name, "-SHA256") && !gcm
	case "SHA384":
		return strings.HasSuffix(c.name, "-SHA384") && !gcm
	}
	return false
}

// suites13 are TLS 1.3's suites, which Go always offers all of.
var suites13 = []string{"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}

func checkSuites13(s string) error {
	given := strings.FieldsFunc(s, func(r rune) bool { return r == ':' || r == ',' || r == ' ' })
	for _, want := range suites13 {
		if len(given) > 0 && !slices.Contains(given, want) {
			return redisText("the suites of TLS 1.3 can't be chosen from in this version; leave tls-ciphersuites empty for all of them")
		}
	}
	for _, g := range given {
		if !slices.Contains(suites13, g) {
			return redisText("'" + g + "' is no suite of TLS 1.3 in this version")
		}
	}
	return nil
}

// checkProtocols: the two versions there are. Older ones, which Redis can be told to speak, are broken.
func checkProtocols(s string) error {
	_, _, err := parseProtocols(s)
	return err
}

func parseProtocols(s string) (low, high uint16, err error) {
	for _, p := range strings.Fields(s) {
		var v uint16
		switch strings.ToLower(p) {
		case "tlsv1.2":
			v = tls.VersionTLS12
		case "tlsv1.3":
			v = tls.VersionTLS13
		case "tlsv1", "tlsv1.1":
			return 0, 0, redisText(p + " is not safe and not built; use 'TLSv1.2', 'TLSv1.3' or both")
		default:
			return 0, 0, redisText("Invalid tls-protocols specified. Use a combination of 'TLSv1.2' and 'TLSv1.3'.")
		}
		if low == 0 || v < low {
			low = v
		}
		high = max(high, v)
	}
	if low == 0 {
		low, high = tls.VersionTLS12, tls.VersionTLS13
	}
	return low, high, nil
}
