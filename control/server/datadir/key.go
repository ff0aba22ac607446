package datadir

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"io/fs"
	"regexp"
	"strings"

	"github.com/larder-cache/larder/base/errs"
	"github.com/larder-cache/larder/base/vfs"
)

// Key is an access key.
type Key struct {
	// ID is AWS_ACCESS_KEY_ID, Secret AWS_SECRET_ACCESS_KEY.
	ID, Secret string
}

// String hides the secret.
func (k Key) String() string { return k.ID }

// GoString hides the secret from %#v.
func (k Key) GoString() string { return "datadir.Key(" + k.ID + ")" }

// NewKey makes an access key in AWS's form: AKIA and 16 of A–Z and 2–7; 40 characters of base64.
func NewKey() Key {
	var id [10]byte
	var secret [30]byte
	_, _ = rand.Read(id[:]) // never fails
	_, _ = rand.Read(secret[:])
	return Key{ID: "AKIA" + base32.StdEncoding.EncodeToString(id[:]), Secret: base64.StdEncoding.EncodeToString(secret[:])}
}

// LoadKey reads the access key from a file in the form of AWS's credentials file (the first profile counts), or makes one
// and writes it there, mode 0600.
func LoadKey(fsys vfs.FS, name string) (Key, error) {
	k, err := ReadKey(fsys, name)
	if !errors.Is(err, fs.ErrNotExist) {
		return k, err
	}
	k = NewKey()
	if err := vfs.WriteFileAtomic(fsys, name, k.encode(), 0o600); err != nil {
		return Key{}, worldHint("write the access key to "+name, err, "name another file with --access-key-file")
	}
	return k, nil
}

// ReadKey reads the access key from such a file. The error matches fs.ErrNotExist when there is none.
func ReadKey(fsys vfs.FS, name string) (Key, error) {
	text, err := vfs.ReadFile(fsys, name, maxNoteBytes)
	if err != nil {
		return Key{}, worldHint("read the access key", err, "name another file with --access-key-file")
	}
	k, err := parseKey(text)
	if err != nil {
		return Key{}, errs.WithHint(errs.E("read the access key from "+name, errs.Invalid, err),
			"correct the file, or remove it to have a new key made")
	}
	return k, nil
}

func (k Key) encode() []byte {
	return []byte("[default]\naws_access_key_id = " + k.ID + "\naws_secret_access_key = " + k.Secret + "\n")
}

// The forms of a key. Source: AccessKey in the IAM API reference; AWS bounds no secret from above.
var (
	idForm     = regexp.MustCompile(`^\w{16,128}$`)
	secretForm = regexp.MustCompile(`^[!-~]{1,128}$`)
)

// parseKey reads the first profile of a credentials file.
func parseKey(text []byte) (Key, error) {
	var k Key
	lines := bufio.NewScanner(bytes.NewReader(text))
	for profiles := 0; lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		if strings.HasPrefix(line, "[") {
			profiles++
		}
		name, value, _ := strings.Cut(line, "=")
		value = strings.TrimSpace(value)
		switch {
		case profiles > 1:
		case strings.TrimSpace(name) == "aws_access_key_id":
			k.ID = value
		case strings.TrimSpace(name) == "aws_secret_access_key":
			k.Secret = value
		}
	}
	if err := lines.Err(); err != nil {
		return Key{}, err
	}
	if !idForm.MatchString(k.ID) {
		return Key{}, errors.New("aws_access_key_id is missing, or is not 16 to 128 letters and digits")
	}
	if !secretForm.MatchString(k.Secret) {
		return Key{}, errors.New("aws_secret_access_key is missing, or is not 1 to 128 visible characters")
	}
	return k, nil
}
