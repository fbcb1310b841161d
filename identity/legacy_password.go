package identity

import (
	"context"
	"crypto/md5" //nolint:gosec // Old tables have MD5; it is stored only within argon2id.
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

// A legacy password is the hash of another system. It is stored until the first sign-in, which replaces it by argon2id:
//
//	$2b$12$…                                   bcrypt
//	$mf-legacy$SCHEME$SALT$HASH                another scheme; SALT and HASH in base64
//	$mf-legacy$SCHEME$SALT$argon2id$v=19$…     the same, with HASH hashed by argon2id
//
// A digest that is fast to compute is always hashed by argon2id, so that the store never contains it.
const legacyPrefix = "$mf-legacy$"

const (
	minBcryptCost       = 4
	maxBcryptCost       = 14
	maxPBKDF2Iterations = 2_000_000
	// strongPBKDF2Iterations is the number of iterations from which a PBKDF2 hash is stored as it is.
	strongPBKDF2Iterations = 20_000
	maxLegacySalt          = 128
	maxLegacyHash          = 64
)

// legacyHash is a hash of another system.
type legacyHash struct {
	// scheme is one of digestSchemes, or pbkdf2-DIGEST:ITERATIONS.
	scheme string
	salt   []byte
	hash   []byte
	// wrapped is the argon2id hash of hash; hash is then empty.
	wrapped *PasswordHash
}

// digestSchemes are the schemes without iterations: D is md5 or sha256, and hex is the digest in lower-case hexadecimal digits.
func digestSchemes() []string {
	var schemes []string
	for _, digest := range []string{"md5", "sha256"} {
		schemes = append(schemes, digest+"(password)", digest+"(password+salt)", digest+"(salt+password)",
			digest+"("+digest+"(password)+salt)")
	}
	return schemes
}

// PasswordSchemes returns the schemes of imported password hashes that do not name their scheme themselves.
func PasswordSchemes() []string {
	return append(digestSchemes(), "pbkdf2-sha1:ITERATIONS", "pbkdf2-sha256:ITERATIONS", "pbkdf2-sha512:ITERATIONS")
}

// ParseImportedPassword returns the stored form of a hash of another system. Without a scheme, text must be bcrypt, argon2id (a
// PHC string), PBKDF2 as Django and passlib write it, or what an export of this server contains. With a scheme of
// PasswordSchemes, text is hexadecimal or base64, and salt is used as it is; for PBKDF2 salt is base64. A failure is an
// *InvalidError.
func ParseImportedPassword(scheme, text, salt string) (string, error) {
	switch {
	case text == "" && scheme == "" && salt == "":
		return "", nil
	case text == "":
		return "", invalid("password_hash", InvalidMissing)
	case scheme != "":
		parsed, ok := parseScheme(scheme, text, salt)
		if !ok {
			return "", invalid("password_hash", InvalidPasswordHash)
		}
		return parsed.String(), nil
	case salt != "":
		return "", invalid("password_salt", InvalidPasswordSalt)
	}
	if django, ok := parseNamedPBKDF2(text); ok {
		return django.String(), nil
	}
	if !storedPassword(text) {
		return "", invalid("password_hash", InvalidPasswordHash)
	}
	return text, nil
}

// storedPassword reports whether text is a form that VerifyPassword understands.
func storedPassword(text string) bool {
	if _, err := ParsePasswordHash(text); err == nil {
		return true
	}
	_, legacy := parseLegacy(text)
	return legacy || isBcrypt(text)
}

func isBcrypt(text string) bool {
	cost, err := bcrypt.Cost([]byte(text))
	return err == nil && len(text) == 60 && strings.HasPrefix(text, "$2") && cost >= minBcryptCost && cost <= maxBcryptCost
}

func parseScheme(scheme, text, salt string) (legacyHash, bool) {
	parsed := legacyHash{scheme: scheme}
	var ok bool
	if strings.HasPrefix(scheme, "pbkdf2-") {
		if parsed.salt, ok = decodeBase64(salt); !ok {
			return legacyHash{}, false
		}
		parsed.hash, ok = decodeBase64(text)
		return parsed, ok && parsed.valid()
	}
	parsed.salt = []byte(salt)
	hash, err := hex.DecodeString(text)
	if err != nil {
		if hash, ok = decodeBase64(text); !ok {
			return legacyHash{}, false
		}
	}
	parsed.hash = hash
	return parsed, parsed.valid()
}

// parseNamedPBKDF2 reads what Django writes (pbkdf2_sha256$ITERATIONS$SALT$HASH, with the salt as text) and passlib
// ($pbkdf2-sha256$ITERATIONS$SALT$HASH, with "." for "+" and without padding).
func parseNamedPBKDF2(text string) (legacyHash, bool) {
	parts := strings.Split(text, "$")
	if len(parts) == 4 && strings.HasPrefix(parts[0], "pbkdf2_") {
		hash, ok := decodeBase64(parts[3])
		parsed := legacyHash{scheme: "pbkdf2-" + strings.TrimPrefix(parts[0], "pbkdf2_") + ":" + parts[1], salt: []byte(parts[2]), hash: hash}
		return parsed, ok && parsed.valid()
	}
	if len(parts) != 5 || parts[0] != "" || !strings.HasPrefix(parts[1], "pbkdf2") {
		return legacyHash{}, false
	}
	name := parts[1]
	if name == "pbkdf2" {
		name = "pbkdf2-sha1"
	}
	salt, okSalt := decodeBase64(strings.ReplaceAll(parts[3], ".", "+"))
	hash, okHash := decodeBase64(strings.ReplaceAll(parts[4], ".", "+"))
	parsed := legacyHash{scheme: name + ":" + parts[2], salt: salt, hash: hash}
	return parsed, okSalt && okHash && parsed.valid()
}

func decodeBase64(text string) ([]byte, bool) {
	raw, err := base64.RawStdEncoding.Strict().DecodeString(strings.TrimRight(text, "="))
	return raw, err == nil && !strings.ContainsAny(text, "\r\n")
}

// parseLegacy reads the stored form.
func parseLegacy(text string) (legacyHash, bool) {
	rest, found := strings.CutPrefix(text, legacyPrefix)
	if !found || len(text) > 2*maxPHC {
		return legacyHash{}, false
	}
	parts := strings.SplitN(rest, "$", 3)
	if len(parts) != 3 {
		return legacyHash{}, false
	}
	salt, ok := decodeBase64(parts[1])
	parsed := legacyHash{scheme: parts[0], salt: salt}
	if strings.HasPrefix(parts[2], "argon2id$") {
		wrapped, err := ParsePasswordHash("$" + parts[2])
		if err != nil {
			return legacyHash{}, false
		}
		parsed.wrapped = &wrapped
		return parsed, ok && parsed.valid()
	}
	hash, okHash := decodeBase64(parts[2])
	parsed.hash = hash
	return parsed, ok && okHash && parsed.valid()
}

// String returns the stored form.
func (l legacyHash) String() string {
	encode := base64.RawStdEncoding.EncodeToString
	head := legacyPrefix + l.scheme + "$" + encode(l.salt)
	if l.wrapped != nil {
		return head + l.wrapped.String()
	}
	return head + "$" + encode(l.hash)
}

// valid reports whether the scheme is known and salt and hash are bounded.
func (l legacyHash) valid() bool {
	if len(l.salt) > maxLegacySalt || l.wrapped == nil && (len(l.hash) < md5.Size || len(l.hash) > maxLegacyHash) {
		return false
	}
	if slices.Contains(digestSchemes(), l.scheme) {
		digest, _, _ := strings.Cut(l.scheme, "(")
		return l.wrapped != nil || len(l.hash) == newDigest(digest)().Size()
	}
	digest, iterations := l.pbkdf2()
	return digest != nil && iterations > 0
}

// pbkdf2 returns digest and iterations of a PBKDF2 scheme; nil and 0 for others.
func (l legacyHash) pbkdf2() (digest func() hash.Hash, iterations int) {
	name, count, _ := strings.Cut(strings.TrimPrefix(l.scheme, "pbkdf2-"), ":")
	iterations, err := strconv.Atoi(count)
	if !strings.HasPrefix(l.scheme, "pbkdf2-") || err != nil || iterations < 1 || iterations > maxPBKDF2Iterations || strconv.Itoa(iterations) != count {
		return nil, 0
	}
	return newDigest(name), iterations
}

func newDigest(name string) func() hash.Hash {
	switch name {
	case "md5":
		return md5.New
	case "sha1":
		return sha1.New
	case "sha256":
		return sha256.New
	case "sha512":
		return sha512.New
	default:
		return nil
	}
}

// weak reports whether the hash must not be stored without argon2id.
func (l legacyHash) weak() bool {
	_, iterations := l.pbkdf2()
	return l.wrapped == nil && iterations < strongPBKDF2Iterations
}

// derive computes the hash of a password in the scheme.
func (l legacyHash) derive(password string, size int) []byte {
	if digest, iterations := l.pbkdf2(); digest != nil {
		key, err := pbkdf2.Key(digest, password, l.salt, iterations, size)
		if err != nil {
			return nil
		}
		return key
	}
	name, form, _ := strings.Cut(l.scheme, "(")
	sum := func(parts ...string) []byte {
		digest := newDigest(name)()
		for _, part := range parts {
			digest.Write([]byte(part)) // A hash never fails.
		}
		return digest.Sum(nil)
	}
	switch form {
	case "password)":
		return sum(password)
	case "password+salt)":
		return sum(password, string(l.salt))
	case "salt+password)":
		return sum(string(l.salt), password)
	default:
		return sum(hex.EncodeToString(sum(password)), string(l.salt))
	}
}

// size is the length of the PBKDF2 hash in bytes. The first wrappedSize bytes of any length are the same.
func (l legacyHash) size() int {
	if l.wrapped == nil {
		return len(l.hash)
	}
	return wrappedSize
}

// wrappedSize is the number of bytes of a PBKDF2 hash around which argon2id is computed.
const wrappedSize = 16

// wrapPassword returns the stored form of a password hash, with argon2id around a weak one.
func (h *hasher) wrapPassword(ctx context.Context, stored string) (string, error) {
	parsed, legacy := parseLegacy(stored)
	if !legacy || !parsed.weak() {
		return stored, nil
	}
	if digest, _ := parsed.pbkdf2(); digest != nil {
		parsed.hash = parsed.hash[:wrappedSize]
	}
	wrapped := PasswordHash{Argon2: h.params, Salt: make([]byte, saltSize), Hash: make([]byte, hashSize)}
	if _, err := io.ReadFull(h.rand, wrapped.Salt); err != nil {
		return "", fmt.Errorf("identity: randomness: %w", err)
	}
	var err error
	if wrapped.Hash, err = h.Key(ctx, parsed.hash, wrapped); err != nil {
		return "", err
	}
	parsed.hash, parsed.wrapped = nil, &wrapped
	return parsed.String(), nil
}

// smallWork is what a hash without much memory counts as, in KiB.
const smallWork = 8

// verifyStored compares a password with a stored hash of any form. It may return ErrBusy.
func (h *hasher) verifyStored(ctx context.Context, password, stored string) (right bool, err error) {
	if isBcrypt(stored) {
		err = h.Run(ctx, smallWork, func() { right = bcrypt.CompareHashAndPassword([]byte(stored), []byte(password)) == nil })
		return right, err
	}
	legacy, ok := parseLegacy(stored)
	if !ok {
		parsed, err := ParsePasswordHash(stored)
		if err != nil {
			return false, err
		}
		return h.verify(ctx, password, parsed)
	}
	var derived []byte
	if err := h.Run(ctx, smallWork, func() { derived = legacy.derive(password, legacy.size()) }); err != nil {
		return false, err
	}
	if legacy.wrapped != nil {
		key, err := h.Key(ctx, derived, *legacy.wrapped)
		return err == nil && subtle.ConstantTimeCompare(key, legacy.wrapped.Hash) == 1, err
	}
	return subtle.ConstantTimeCompare(derived, legacy.hash) == 1, nil
}

// current reports whether a stored hash is argon2id with the parameters of new hashes.
func (h *hasher) current(stored string) bool {
	parsed, err := ParsePasswordHash(stored)
	return err == nil && parsed.Argon2 == h.params
}
