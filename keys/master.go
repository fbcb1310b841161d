package keys

import (
	"bufio"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	envelopeScheme = "mk1"
	masterKeySize  = 32
	maxMasterKeys  = 16
	// maxSealed bounds an envelope; no record could hold a longer one.
	maxSealed = 16 << 10
)

var (
	// ErrSealed says that a sealed value does not open: it was changed, or it belongs to something else.
	ErrSealed = errors.New("keys: sealed value does not open")
	// ErrMasterKey says that the text of a master key cannot be used.
	ErrMasterKey = errors.New("keys: master key")
)

// MasterKeyReason is the reason why the text of a master key cannot be used. Callers may switch on it; its text may change.
type MasterKeyReason int

const (
	// MasterKeyMissing is a text without a key.
	MasterKeyMissing MasterKeyReason = iota + 1
	// MasterKeyByteOrderMark is a text that begins with a byte order mark.
	MasterKeyByteOrderMark
	// MasterKeyLineTooLong is a text with a line that is no key.
	MasterKeyLineTooLong
	// MasterKeyEncoding is a key that is not 32 bytes in base64 or hex.
	MasterKeyEncoding
	// MasterKeyNotRandom is a key of 32 equal bytes.
	MasterKeyNotRandom
	// MasterKeyRepeated is a key that an earlier line has.
	MasterKeyRepeated
	// MasterKeyTooMany is a key after the sixteenth.
	MasterKeyTooMany
)

// MasterKeyError reports that the text of a master key cannot be used. It wraps ErrMasterKey.
type MasterKeyError struct {
	Reason MasterKeyReason
	// Line is the line of the key, from 1; 0 where the reason is about the whole text.
	Line int
}

// Error implements error.
func (e *MasterKeyError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%v: %s", ErrMasterKey, e.reason())
	}
	return fmt.Sprintf("%v: line %d: %s", ErrMasterKey, e.Line, e.reason())
}

// Unwrap returns ErrMasterKey.
func (e *MasterKeyError) Unwrap() error { return ErrMasterKey }

func (e *MasterKeyError) reason() string {
	switch e.Reason {
	case MasterKeyByteOrderMark:
		return "it begins with a byte order mark (BOM): save it as text without one"
	case MasterKeyLineTooLong:
		return "line too long"
	case MasterKeyEncoding:
		return fmt.Sprintf("not %d bytes in base64 or hex", masterKeySize)
	case MasterKeyNotRandom:
		return "not random"
	case MasterKeyRepeated:
		return "an earlier line has the same key"
	case MasterKeyTooMany:
		return fmt.Sprintf("more than %d keys", maxMasterKeys)
	default:
		return "none given"
	}
}

// MissingKeyError says that a value is sealed by a master key that this process was not given.
type MissingKeyError struct {
	// KeyID is the ID of the key that is needed, as Master.IDs returns it.
	KeyID string
}

// Error implements error.
func (e *MissingKeyError) Error() string {
	return fmt.Sprintf("keys: master key %s is needed and was not given", e.KeyID)
}

// Binding is the kind and owner of a sealed value. A value opens only under the binding it was sealed under, so an attacker who
// can write to the store cannot replace one secret by another.
type Binding struct {
	// Purpose is what the value is, such as "app_secret".
	Purpose string
	// Directory is the directory it belongs to; empty for none.
	Directory string
	// ID is the record, or the part of it, that holds the value.
	ID string
}

// PushTokenBinding is the binding of the token of a client's message push.
func PushTokenBinding(directory, client string) Binding {
	return Binding{Purpose: "push_token", Directory: directory, ID: client}
}

// EncodingAESKeyBinding is the binding of the EncodingAESKey of a client's message push.
func EncodingAESKeyBinding(directory, client string) Binding {
	return Binding{Purpose: "encoding_aes_key", Directory: directory, ID: client}
}

// AppSecretBinding is the binding of a federated client's AppSecret.
func AppSecretBinding(directory, client string) Binding {
	return Binding{Purpose: "app_secret", Directory: directory, ID: client}
}

// ConnectionSecretBinding is the binding of the AppSecret of a connection.
func ConnectionSecretBinding(directory, appID string) Binding {
	return Binding{Purpose: "connection_secret", Directory: directory, ID: appID}
}

// ConnectionPushTokenBinding is the binding of the token of a connection's message push.
func ConnectionPushTokenBinding(directory, appID string) Binding {
	return Binding{Purpose: "connection_push_token", Directory: directory, ID: appID}
}

// ConnectionEncodingAESKeyBinding is the binding of the EncodingAESKey of a connection's message push.
func ConnectionEncodingAESKeyBinding(directory, appID string) Binding {
	return Binding{Purpose: "connection_encoding_aes_key", Directory: directory, ID: appID}
}

// SMSKeyBinding is the binding of the key of a directory's SMS provider.
func SMSKeyBinding(directory string) Binding {
	return Binding{Purpose: "sms_key", Directory: directory, ID: directory}
}

// CaptchaKeyBinding is the binding of the key that signs the results of a directory's captcha.
func CaptchaKeyBinding(directory string) Binding {
	return Binding{Purpose: "captcha_key", Directory: directory, ID: directory}
}

// TOTPBinding is the binding of the secret of a user's authenticator app.
func TOTPBinding(directory, user string) Binding {
	return Binding{Purpose: "totp", Directory: directory, ID: user}
}

// ResultBinding is the binding of the result of a request of the admin API, which a repeat of the request gets.
func ResultBinding(id string) Binding { return Binding{Purpose: "idempotent_result", ID: id} }

func signingKeyBinding(directory, algorithm, kid string) Binding {
	return Binding{Purpose: "signing_key", Directory: directory, ID: algorithm + "/" + kid}
}

func tokenSecretBinding(directory, generation string) Binding {
	return Binding{Purpose: "token_secret", Directory: directory, ID: generation}
}

// subjectSecretBinding is of the secret that a directory's pairwise subjects derive from.
func subjectSecretBinding(directory string) Binding {
	return Binding{Purpose: "subject_secret", Directory: directory}
}

// associated is the length-prefixed form of the binding: no two bindings share one.
func (b Binding) associated() []byte {
	var data []byte
	for _, part := range []string{envelopeScheme, b.Purpose, b.Directory, b.ID} {
		data = binary.BigEndian.AppendUint32(data, uint32(len(part)))
		data = append(data, part...)
	}
	return data
}

// Master seals secrets at rest with AES-256-GCM. It holds one or more master keys: the first seals, all of them open. It is
// safe for concurrent use if its source of randomness is.
type Master struct {
	keys   []masterKey
	random io.Reader
}

type masterKey struct {
	id   string
	aead cipher.AEAD
	// audit is the key of the MACs of audit entries.
	audit []byte
}

// GenerateMasterKey returns a new master key in the form that ParseMaster reads: 32 bytes in base64, without a line feed.
func GenerateMasterKey(random io.Reader) (string, error) {
	key := make([]byte, masterKeySize)
	if _, err := io.ReadFull(random, key); err != nil {
		return "", fmt.Errorf("keys: generate master key: %w", err)
	}
	return base64.StdEncoding.EncodeToString(key), nil
}

// ParseMaster reads master keys from the text of a file or of an environment variable: one key a line (or comma), 32 bytes
// in base64 or hex; empty lines and what follows # are skipped. The first key seals, every key opens. An error is a
// *MasterKeyError, which names the line and never quotes it.
func ParseMaster(text string, random io.Reader) (*Master, error) {
	if strings.HasPrefix(text, "\ufeff") {
		return nil, &MasterKeyError{Reason: MasterKeyByteOrderMark}
	}
	m := &Master{random: random}
	lines := bufio.NewScanner(strings.NewReader(text))
	for number := 1; lines.Scan(); number++ {
		line, _, _ := strings.Cut(lines.Text(), "#")
		for word := range strings.FieldsFuncSeq(line, isSeparator) {
			if reason, err := m.add(word); err != nil {
				return nil, err
			} else if reason != 0 {
				return nil, &MasterKeyError{reason, number}
			}
		}
	}
	if lines.Err() != nil {
		return nil, &MasterKeyError{Reason: MasterKeyLineTooLong}
	}
	if len(m.keys) == 0 {
		return nil, &MasterKeyError{Reason: MasterKeyMissing}
	}
	return m, nil
}

func isSeparator(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\r' }

// add adds the key that a word is, or returns the reason why the word is none.
func (m *Master) add(word string) (MasterKeyReason, error) {
	secret, reason := decodeMasterKey(word)
	if reason != 0 {
		return reason, nil
	}
	key, err := newMasterKey(secret)
	switch {
	case err != nil:
		return 0, err
	case m.find(key.id) != nil:
		return MasterKeyRepeated, nil
	case len(m.keys) == maxMasterKeys:
		return MasterKeyTooMany, nil
	}
	m.keys = append(m.keys, key)
	return 0, nil
}

func decodeMasterKey(word string) ([]byte, MasterKeyReason) {
	secret, err := hex.DecodeString(word)
	if err != nil || len(secret) != masterKeySize {
		word = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(word, "="))
		secret, err = base64.RawStdEncoding.Strict().DecodeString(word)
	}
	if err != nil || len(secret) != masterKeySize {
		return nil, MasterKeyEncoding
	}
	if bytes.Count(secret, secret[:1]) == masterKeySize {
		return nil, MasterKeyNotRandom
	}
	return secret, 0
}

// newMasterKey derives the sealing key and the public ID, so that neither is the secret itself.
func newMasterKey(secret []byte) (masterKey, error) {
	sealing, err := hkdf.Key(sha256.New, secret, nil, "minifed master key: seal", masterKeySize)
	if err != nil {
		return masterKey{}, err
	}
	id, err := hkdf.Key(sha256.New, secret, nil, "minifed master key: id", 6)
	if err != nil {
		return masterKey{}, err
	}
	audit, err := hkdf.Key(sha256.New, secret, nil, "minifed master key: audit", masterKeySize)
	if err != nil {
		return masterKey{}, err
	}
	block, err := aes.NewCipher(sealing)
	if err != nil {
		return masterKey{}, err
	}
	aead, err := cipher.NewGCM(block)
	return masterKey{id: hex.EncodeToString(id), aead: aead, audit: audit}, err
}

// IDs returns the public IDs of the master keys, the sealing one first. They may be shown and logged.
func (m *Master) IDs() []string {
	ids := make([]string, len(m.keys))
	for i, key := range m.keys {
		ids[i] = key.id
	}
	return ids
}

func (m *Master) find(id string) *masterKey {
	for i := range m.keys {
		if m.keys[i].id == id {
			return &m.keys[i]
		}
	}
	return nil
}

// Seal encrypts secret for binding and returns the envelope: "mk1:", the ID of the master key, ":", and the base64url of
// nonce and ciphertext.
func (m *Master) Seal(secret []byte, binding Binding) (string, error) {
	key := m.keys[0]
	nonce := make([]byte, key.aead.NonceSize(), key.aead.NonceSize()+len(secret)+key.aead.Overhead())
	if _, err := io.ReadFull(m.random, nonce); err != nil {
		return "", fmt.Errorf("keys: seal: %w", err)
	}
	sealed := key.aead.Seal(nonce, nonce, secret, binding.associated())
	return envelopeScheme + ":" + key.id + ":" + base64.RawURLEncoding.EncodeToString(sealed), nil
}

// Open decrypts an envelope that Seal returned for the same binding. It returns ErrSealed for a changed or misplaced one, and a
// *MissingKeyError for one that another master key sealed.
func (m *Master) Open(envelope string, binding Binding) ([]byte, error) {
	id, sealed, err := parseEnvelope(envelope)
	if err != nil {
		return nil, err
	}
	key := m.find(id)
	if key == nil {
		return nil, &MissingKeyError{KeyID: id}
	}
	size := key.aead.NonceSize()
	if len(sealed) < size+key.aead.Overhead() {
		return nil, ErrSealed
	}
	secret, err := key.aead.Open(nil, sealed[:size], sealed[size:], binding.associated())
	if err != nil {
		return nil, ErrSealed
	}
	return secret, nil
}

// Reseal returns the envelope sealed by the first master key, and whether that changed it.
func (m *Master) Reseal(envelope string, binding Binding) (resealed string, changed bool, err error) {
	id, _, err := parseEnvelope(envelope)
	if err != nil {
		return "", false, err
	}
	if id == m.keys[0].id {
		return envelope, false, nil
	}
	secret, err := m.Open(envelope, binding)
	if err != nil {
		return "", false, err
	}
	resealed, err = m.Seal(secret, binding)
	return resealed, err == nil, err
}

func parseEnvelope(envelope string) (id string, sealed []byte, err error) {
	if len(envelope) > maxSealed {
		return "", nil, ErrSealed
	}
	scheme, rest, _ := strings.Cut(envelope, ":")
	id, text, _ := strings.Cut(rest, ":")
	if scheme != envelopeScheme || len(id) != hex.EncodedLen(6) || strings.Trim(id, "0123456789abcdef") != "" {
		return "", nil, ErrSealed
	}
	sealed, err = base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return "", nil, ErrSealed
	}
	return id, sealed, nil
}
