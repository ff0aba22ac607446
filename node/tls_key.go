package node

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha1" //nolint:gosec // PKCS#5's default
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"hash"

	"github.com/larder-cache/larder/base/limits"
)

// decryptKey takes the password off a PEM file's key: PKCS#8 with PBES2, PBKDF2 and AES in CBC mode (RFC 8018), which is what
// OpenSSL 1.1 and later write. A key without a password comes back as it is.
func decryptKey(file []byte, pass string) ([]byte, error) {
	for rest := file; ; {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			return file, nil
		}
		yes, old := encrypted(b)
		switch {
		case !yes:
		case old:
			return nil, errors.New("the password is of PEM's old form, which is not safe and not built; write the key anew with openssl pkcs8 -topk8")
		case pass == "":
			return nil, errors.New("the key has a password, and tls-key-file-pass is empty")
		default:
			der, err := decryptPKCS8(b.Bytes, []byte(pass))
			if err != nil {
				return nil, err
			}
			return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
		}
	}
}

// The ASN.1 of RFC 5958 and RFC 8018.
type (
	encryptedKeyInfo struct {
		Algorithm pkix.AlgorithmIdentifier
		Data      []byte
	}
	pbes2Params struct {
		KDF, Scheme pkix.AlgorithmIdentifier
	}
	pbkdf2Params struct {
		Salt       []byte
		Iterations int
		KeyLength  int                      `asn1:"optional"`
		PRF        pkix.AlgorithmIdentifier `asn1:"optional"`
	}
)

var (
	oidPBES2  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
	// keyBytes of AES by the object identifiers of AES-CBC, and the hashes of HMAC by theirs.
	oidAES  = map[string]int{"2.16.840.1.101.3.4.1.2": 16, "2.16.840.1.101.3.4.1.22": 24, "2.16.840.1.101.3.4.1.42": 32}
	oidHMAC = map[string]func() hash.Hash{"": sha1.New, "1.2.840.113549.2.7": sha1.New, "1.2.840.113549.2.9": sha256.New,
		"1.2.840.113549.2.10": sha512.New384, "1.2.840.113549.2.11": sha512.New}
)

func decryptPKCS8(der, pass []byte) ([]byte, error) {
	var info encryptedKeyInfo
	var outer pbes2Params
	var kdf pbkdf2Params
	var iv []byte
	if _, err := asn1.Unmarshal(der, &info); err != nil {
		return nil, err
	}
	if !info.Algorithm.Algorithm.Equal(oidPBES2) {
		return nil, fmt.Errorf("the key's encryption %v is not built; PBES2 is", info.Algorithm.Algorithm)
	}
	if _, err := asn1.Unmarshal(info.Algorithm.Parameters.FullBytes, &outer); err != nil {
		return nil, err
	}
	size, ok := oidAES[outer.Scheme.Algorithm.String()]
	if !ok || !outer.KDF.Algorithm.Equal(oidPBKDF2) {
		return nil, fmt.Errorf("the key's encryption %v with %v is not built; AES-CBC with PBKDF2 is", outer.Scheme.Algorithm, outer.KDF.Algorithm)
	}
	if _, err := asn1.Unmarshal(outer.KDF.Parameters.FullBytes, &kdf); err != nil {
		return nil, err
	}
	if _, err := asn1.Unmarshal(outer.Scheme.Parameters.FullBytes, &iv); err != nil {
		return nil, err
	}
	prf, ok := oidHMAC[kdf.PRF.Algorithm.String()]
	if !ok {
		return nil, fmt.Errorf("the key's hash %v is not built", kdf.PRF.Algorithm)
	}
	if kdf.Iterations < 1 || kdf.Iterations > limits.MaxKeyIterations || len(iv) != aes.BlockSize || len(info.Data) == 0 || len(info.Data)%aes.BlockSize != 0 {
		return nil, errors.New("the key's encryption has bad parameters")
	}
	key, err := pbkdf2.Key(prf, string(pass), kdf.Salt, kdf.Iterations, size)
	if err != nil {
		return nil, err
	}
	return decryptCBC(key, iv, info.Data)
}

func decryptCBC(key, iv, data []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	out := bytes.Clone(data)
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(out, data)
	pad := int(out[len(out)-1])
	if pad < 1 || pad > aes.BlockSize || !bytes.Equal(out[len(out)-pad:], bytes.Repeat([]byte{byte(pad)}, pad)) {
		return nil, errors.New("wrong password")
	}
	return out[:len(out)-pad], nil
}
