package identity

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"github.com/minifed/minifed/storage"
)

const (
	minPassword = 8
	maxPassword = 256
	saltSize    = 16
	hashSize    = 32
	maxMemory   = 1 << 20
	maxTime     = 32
	maxThreads  = 32
	maxPHC      = 256
)

// Argon2 are the parameters of argon2id (RFC 9106).
type Argon2 struct {
	// Memory in KiB, 8 times Threads to 1 GiB.
	Memory uint32
	// Time is the number of passes, 1 to 32.
	Time uint32
	// Threads is the parallelism, 1 to 32.
	Threads uint8
}

// DefaultArgon2 is 19 MiB, 2 passes, 1 thread: the first choice of the OWASP Password Storage Cheat Sheet.
func DefaultArgon2() Argon2 { return Argon2{Memory: 19 << 10, Time: 2, Threads: 1} }

func (a Argon2) validate() error {
	if a.Threads < 1 || a.Threads > maxThreads || a.Time < 1 || a.Time > maxTime ||
		a.Memory < 8*uint32(a.Threads) || a.Memory > maxMemory {
		return errors.New("identity: argon2 parameters out of bounds")
	}
	return nil
}

// BreachedList looks up passwords that are known to attackers.
type BreachedList interface {
	// Breached reports whether the password is in the list. On an error the password is not accepted for now, and the caller
	// responds with 503.
	Breached(ctx context.Context, password string) (bool, error)
}

// PasswordHash is an argon2id hash with its parameters and salt.
type PasswordHash struct {
	Argon2
	Salt, Hash []byte
}

// String returns the PHC string: $argon2id$v=19$m=…,t=…,p=…$salt$hash.
func (h PasswordHash) String() string {
	encode := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s",
		argon2.Version, h.Memory, h.Time, h.Threads, encode(h.Salt), encode(h.Hash))
}

// ParsePasswordHash reads a PHC string of argon2id, version 19, within the bounds of Argon2.
func ParsePasswordHash(phc string) (PasswordHash, error) {
	wrong := errors.New("identity: not an argon2id PHC string")
	parts := strings.Split(phc, "$")
	if len(phc) > maxPHC || len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != "v=19" {
		return PasswordHash{}, wrong
	}
	var hash PasswordHash
	var err error
	if hash.Argon2, err = parseParameters(parts[3]); err != nil {
		return PasswordHash{}, err
	}
	decoding := base64.RawStdEncoding.Strict()
	if hash.Salt, err = decoding.DecodeString(parts[4]); err != nil || len(hash.Salt) < 8 {
		return PasswordHash{}, wrong
	}
	if hash.Hash, err = decoding.DecodeString(parts[5]); err != nil || len(hash.Hash) < 16 {
		return PasswordHash{}, wrong
	}
	if hash.String() != phc { // the decoder skips line breaks
		return PasswordHash{}, wrong
	}
	return hash, nil
}

func parseParameters(text string) (Argon2, error) {
	fields := strings.Split(text, ",")
	if len(fields) != 3 {
		return Argon2{}, errors.New("identity: not argon2 parameters")
	}
	var numbers [3]uint64
	for i, parameter := range []struct {
		name string
		bits int
	}{{"m=", 32}, {"t=", 32}, {"p=", 8}} {
		digits, found := strings.CutPrefix(fields[i], parameter.name)
		number, err := strconv.ParseUint(digits, 10, parameter.bits)
		if !found || err != nil || strconv.FormatUint(number, 10) != digits {
			return Argon2{}, errors.New("identity: not argon2 parameters")
		}
		numbers[i] = number
	}
	parsed := Argon2{Memory: uint32(numbers[0]), Time: uint32(numbers[1]), Threads: uint8(numbers[2])}
	return parsed, parsed.validate()
}

// hasher hashes passwords.
type hasher struct {
	*Hashing
	params Argon2
	rand   io.Reader
	// dummy is verified if the user has no hash: no password matches it, and the time is the same.
	dummy PasswordHash
}

func newHasher(params Argon2, hashing *Hashing, rand io.Reader) (*hasher, error) {
	if params == (Argon2{}) {
		params = DefaultArgon2()
	}
	if err := params.validate(); err != nil {
		return nil, err
	}
	if hashing == nil {
		hashing = NewHashing(0, 0)
	}
	h := &hasher{Hashing: hashing, params: params, rand: rand}
	h.dummy = PasswordHash{Argon2: params, Salt: make([]byte, saltSize), Hash: make([]byte, hashSize)}
	for _, random := range [][]byte{h.dummy.Salt, h.dummy.Hash} {
		if _, err := io.ReadFull(rand, random); err != nil {
			return nil, fmt.Errorf("identity: randomness: %w", err)
		}
	}
	return h, nil
}

// hash returns a new hash of a password, or ErrBusy.
func (h *hasher) hash(ctx context.Context, password string) (PasswordHash, error) {
	hash := PasswordHash{Argon2: h.params, Salt: make([]byte, saltSize), Hash: make([]byte, hashSize)}
	if _, err := io.ReadFull(h.rand, hash.Salt); err != nil {
		return PasswordHash{}, fmt.Errorf("identity: randomness: %w", err)
	}
	var err error
	hash.Hash, err = h.Key(ctx, []byte(norm.NFC.String(password)), hash)
	return hash, err
}

// verify compares a password with a hash in constant time. It may return ErrBusy.
func (h *hasher) verify(ctx context.Context, password string, hash PasswordHash) (bool, error) {
	derived, err := h.Key(ctx, []byte(norm.NFC.String(password)), hash)
	return err == nil && subtle.ConstantTimeCompare(derived, hash.Hash) == 1, err
}

// SetPassword sets a user's password. It returns *InvalidError if the password is too short, too long, the username, or breached.
// Grants and sessions continue: if others may know the old password, the caller must also call SignOutEverywhere.
func (s *Service) SetPassword(ctx context.Context, directory, userID, password, actor string) (*storage.Entry[storage.User], error) {
	user, err := s.editable(ctx, directory, userID, actor)
	if err != nil {
		return nil, err
	}
	given := user.Record
	if err := s.givePassword(ctx, &given, password); err != nil {
		return nil, err
	}
	return s.change(ctx, directory, userID, actor, ActionPassword, func(user *storage.User) (bool, error) {
		givePasswordOf(user, given)
		return true, mayEdit(*user, actor)
	})
}

// givePassword checks a password and stores its hash in a user's record.
func (s *Service) givePassword(ctx context.Context, user *storage.User, password string) error {
	if err := s.checkPassword(ctx, *user, password); err != nil {
		return err
	}
	hash, err := s.hasher.hash(ctx, password)
	if err != nil {
		return err
	}
	user.Password, user.PasswordChangedAt, user.PasswordFrom = hash.String(), s.now(), time.Time{}
	return nil
}

// givePasswordOf copies the password of another record and the fields that belong to it.
func givePasswordOf(user *storage.User, from storage.User) {
	user.Password, user.PasswordChangedAt, user.PasswordFrom = from.Password, from.PasswordChangedAt, from.PasswordFrom
}

// SetFirstPassword sets the first password of the user, as seen by the caller. It is valid from the given time; the zero time is
// now. Grants and sessions continue. It returns ErrChanged if the user already has a password, even one that is not valid yet, or
// has since signed out everywhere.
func (s *Service) SetFirstPassword(
	ctx context.Context, seen storage.User, password string, from time.Time, actor string,
) (*storage.Entry[storage.User], error) {
	given := seen
	if err := s.givePassword(ctx, &given, password); err != nil {
		return nil, err
	}
	given.PasswordFrom = from
	return s.change(ctx, seen.Directory, seen.ID, actor, ActionPassword, func(user *storage.User) (bool, error) {
		if !sameProof(*user, seen) || user.Password != "" {
			return false, ErrChanged
		}
		givePasswordOf(user, given)
		return true, mayEdit(*user, actor)
	})
}

// CheckPassword returns *InvalidError if the password is not acceptable for the user with the username. Callers use it before
// they set the username, so that an unacceptable password leaves no change.
func (s *Service) CheckPassword(ctx context.Context, user storage.User, username, password string) error {
	if username != "" {
		user.Username = username
	}
	return s.checkPassword(ctx, user, password)
}

// checkPassword applies the rules of NIST SP 800-63B §3.1.1.2: length and known passwords, no composition rules.
func (s *Service) checkPassword(ctx context.Context, user storage.User, password string) error {
	if len(password) > 4*maxPassword || !utf8.ValidString(password) || utf8.RuneCountInString(password) > maxPassword {
		return invalid("password", InvalidOver256UTF8)
	}
	if utf8.RuneCountInString(norm.NFC.String(password)) < minPassword {
		return invalid("password", InvalidShortPassword)
	}
	if user.Username != "" && fold(password) == fold(user.Username) {
		return invalid("password", InvalidPasswordIsUsername)
	}
	known, err := s.breached.Breached(ctx, password)
	if err != nil {
		return wrap("look up breached passwords", err)
	}
	if known {
		return invalid("password", InvalidBreachedPassword)
	}
	return nil
}
