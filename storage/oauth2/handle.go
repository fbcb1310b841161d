package oauth2

import (
	"context"
	"crypto/hmac"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/minifed/minifed/storage"
)

// A handle is prefix ‖ base64url(secret generation ‖ grant ID ‖ numbers ‖ MAC). It is not stored: the MAC, under a key of the
// directory and the kind of handle, proves that it was issued here, and the grant has its state.
type handle struct {
	// generation is that of the token secrets of the MAC.
	generation uint32
	grant      string
	numbers    []byte
}

// handleKind is a kind of handle. Its value is the prefix and also the purpose of the MAC.
type handleKind string

const (
	kindCode    handleKind = "mf_ac_"
	kindTicket  handleKind = "mf_bt_"
	kindHandOff handleKind = "mf_ho_"
	kindDevice  handleKind = "mf_dc_"
	kindRefresh handleKind = "mf_rt_"
	kindAccess  handleKind = "mf_at_"
)

const (
	generationSize = 4
	grantIDSize    = 32
	// macSize limits the success of a guess to a probability of 2^-160 (RFC 6749 §10.10).
	macSize = 20
)

// numbersSize is how many bytes of numbers a kind has.
func (k handleKind) numbersSize() int {
	switch k {
	case kindRefresh:
		return refreshNumbersSize
	case kindAccess:
		return accessNumbersSize
	case kindDevice:
		return deviceNumbersSize
	default:
		return 0
	}
}

// seal writes a handle.
func (s *Store) seal(ctx context.Context, kind handleKind, h handle) (string, error) {
	r, err := requestFrom(ctx)
	if err != nil {
		return "", err
	}
	id, ok := decodeGrantID(h.grant)
	if !ok || len(h.numbers) != kind.numbersSize() {
		return "", errors.New("oauth2: a handle needs the ID of a grant")
	}
	raw := make([]byte, 0, generationSize+grantIDSize+len(h.numbers)+macSize)
	raw = binary.BigEndian.AppendUint32(raw, h.generation)
	raw = append(raw, id...)
	raw = append(raw, h.numbers...)
	mac, err := s.Secrets.MAC(ctx, r.directory(), h.generation, string(kind), raw)
	if err != nil {
		return "", fmt.Errorf("oauth2: token secrets: %w", err)
	}
	raw = append(raw, mac[:macSize]...)
	return string(kind) + base64.RawURLEncoding.EncodeToString(raw), nil
}

// open reads a handle that this directory issued, and returns ErrNoGrant for anything else.
func (s *Store) open(ctx context.Context, kind handleKind, token string) (handle, error) {
	r, err := requestFrom(ctx)
	if err != nil {
		return handle{}, err
	}
	raw, ok := decodeHandle(kind, token)
	if !ok {
		return handle{}, ended("not a " + string(kind) + " handle")
	}
	payload, mac := raw[:len(raw)-macSize], raw[len(raw)-macSize:]
	h := handle{
		generation: binary.BigEndian.Uint32(payload),
		grant:      base64.RawURLEncoding.EncodeToString(payload[generationSize : generationSize+grantIDSize]),
		numbers:    payload[generationSize+grantIDSize:],
	}
	want, err := s.Secrets.MAC(ctx, r.directory(), h.generation, string(kind), payload)
	if errors.Is(err, storage.ErrNotFound) {
		return handle{}, ended("unknown generation of token secrets")
	}
	if err != nil {
		return handle{}, fmt.Errorf("oauth2: token secrets: %w", err)
	}
	if !hmac.Equal(mac, want[:macSize]) {
		return handle{}, ended("MAC of a " + string(kind) + " handle is wrong")
	}
	return h, nil
}

// decodeHandle accepts exactly the spelling that seal writes.
func decodeHandle(kind handleKind, token string) ([]byte, bool) {
	size := generationSize + grantIDSize + kind.numbersSize() + macSize
	if len(token) != len(kind)+base64.RawURLEncoding.EncodedLen(size) || token[:len(kind)] != string(kind) {
		return nil, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token[len(kind):])
	return raw, err == nil && len(raw) == size // The decoder ignores line breaks.
}

// decodeGrantID reads the ID of a grant: base64url of 32 bytes.
func decodeGrantID(id string) ([]byte, bool) {
	if len(id) != base64.RawURLEncoding.EncodedLen(grantIDSize) {
		return nil, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(id)
	return raw, err == nil && len(raw) == grantIDSize
}
