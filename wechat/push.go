package wechat

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Event is an event about a user that WeChat pushes to the mini-program's server.
type Event struct {
	// Name is one of the Event constants, or another event that the console is configured to push.
	Name string
	// AppID is the app that the event is about.
	AppID AppID
	// OpenID is the user; empty where the event is about none. (FromUserName, which others take for it, is the platform.)
	OpenID OpenID
	// UnionID is there for apps that are bound to an Open Platform account, if at all.
	UnionID UnionID
	// Created is when WeChat created the event, in whole seconds.
	Created time.Time
	// Revoked says what a user withdrew: one of the Revoke constants or another number; 0 when it is missing or no number.
	// An unknown one is to be treated as everything.
	Revoked int
}

// The events about a user's data. WeChat's rules demand: refresh or clear nickname and avatar; delete the withdrawn data; erase
// the person.
const (
	EventUserInfoModified  = "user_info_modified"
	EventUserRevoked       = "user_authorization_revoke"
	EventUserDeregistered  = "user_authorization_cancellation"
	RevokePlate            = 1
	RevokeAddress          = 2
	RevokeInvoice          = 3
	RevokeBluetooth        = 4
	RevokeMicrophone       = 5
	RevokeNicknameAvatar   = 6
	RevokeCamera           = 7
	RevokePhone            = 8
	RevokeSteps            = 12
	RevokeLocation         = 13
	RevokePickedMedia      = 14
	RevokePickedFile       = 15
	RevokeEmail            = 16
	RevokeChosenPlace      = 18
	RevokeNicknameKeyboard = 19
	RevokeAvatarComponent  = 20
	RevokeAll              = 301
)

// ID identifies the event, the same for each of its deliveries: a digest without personal data. WeChat repeats an event without
// a response within five seconds.
func (e Event) ID() string {
	digest := sha256.New()
	for _, part := range []string{string(e.AppID), e.Name, string(e.OpenID), strconv.FormatInt(e.Created.Unix(), 10), strconv.Itoa(e.Revoked)} {
		_ = binary.Write(digest, binary.BigEndian, uint32(len(part))) // a hash takes everything
		digest.Write([]byte(part))
	}
	return hex.EncodeToString(digest.Sum(nil))
}

// The errors of a push. The texts contain nothing of the push, and one error stands for all problems of the encryption.
var (
	ErrPushSignature = errors.New("wechat: push signature does not match")
	ErrPushStale     = errors.New("wechat: push timestamp is too far from now")
	ErrPushMalformed = errors.New("wechat: push cannot be read")
	// ErrPushPlain is the error of a push that is not encrypted. It is a kind of ErrPushMalformed.
	ErrPushPlain = fmt.Errorf("%w: plain mode is not allowed", ErrPushMalformed)
)

// PushKey holds the values that the operator entered in WeChat's console under message push, and the AppID they are for.
type PushKey struct {
	AppID AppID
	// Token is the key of the signature.
	Token string
	// EncodingAESKey is the key of the encryption: 43 characters of base64.
	EncodingAESKey string
	// MaxAge is how far a push's timestamp may be from now, either way; 0 means five minutes.
	MaxAge time.Duration
	// AllowPlain accepts plain mode, for development only: its signature does not cover the body.
	AllowPlain bool
}

// PushReceiver verifies and decrypts WeChat's push messages in safe mode. It rejects plain mode by default: anyone who has the
// token can forge it, and its signature does not cover the body. In compatible mode it reads the encrypted half.
type PushReceiver struct {
	appID  AppID
	token  string
	aes    []byte
	maxAge time.Duration
	plain  bool
	now    func() time.Time
}

// pushLimit limits the body of a push.
const pushLimit = 64 << 10

// NewPushReceiver checks a key; now is the clock, nil means time.Now.
func NewPushReceiver(key PushKey, now func() time.Time) (*PushReceiver, error) {
	secret, err := base64.StdEncoding.DecodeString(key.EncodingAESKey + "=")
	if err != nil || len(secret) != 32 {
		return nil, errors.New("wechat: the EncodingAESKey has 43 characters of base64")
	}
	if key.Token == "" || key.AppID == "" {
		return nil, errors.New("wechat: a push key needs token and AppID")
	}
	if now == nil {
		now = time.Now
	}
	setDefault(&key.MaxAge, 5*time.Minute)
	return &PushReceiver{appID: key.AppID, token: key.Token, aes: secret, maxAge: key.MaxAge, plain: key.AllowPlain, now: now}, nil
}

// Echo handles the GET by which WeChat checks the URL when it is entered in the console: it returns the echostr, the body of
// the response.
func (p *PushReceiver) Echo(query url.Values) (string, error) {
	if err := p.verify(query, "signature"); err != nil {
		return "", err
	}
	echo := query.Get("echostr")
	if !bounded(echo, 256) {
		return "", ErrPushMalformed
	}
	return echo, nil
}

// Receive verifies the signature of a POST, its age and the app that it was encrypted for, and returns the event. Query and
// body are those of the request; XML and JSON are detected. The response must be "success", also for events that are ignored.
func (p *PushReceiver) Receive(query url.Values, body []byte) (Event, error) {
	outer, err := readMessage(body)
	if err != nil {
		return Event{}, err
	}
	encrypted := outer["Encrypt"]
	if encrypted == "" {
		return p.receivePlain(query, outer)
	}
	if err := p.verify(query, "msg_signature", encrypted); err != nil {
		return Event{}, err
	}
	plain, err := p.decrypt(encrypted)
	if err != nil {
		return Event{}, err
	}
	message, err := readMessage(plain)
	if err != nil {
		return Event{}, err
	}
	return p.event(message)
}

// receivePlain verifies the signature of a POST in plain mode, and returns the event.
func (p *PushReceiver) receivePlain(query url.Values, message map[string]string) (Event, error) {
	if !p.plain {
		return Event{}, ErrPushPlain
	}
	if err := p.verify(query, "signature"); err != nil {
		return Event{}, err
	}
	return p.event(message)
}

// verify checks one of the signatures: the SHA-1 of token, timestamp, nonce and the other covered values, sorted. In safe mode
// it is msg_signature over the encrypted text; "signature", which covers no body, is then ignored.
func (p *PushReceiver) verify(query url.Values, parameter string, covered ...string) error {
	timestamp, nonce := query.Get("timestamp"), query.Get("nonce")
	if !bounded(nonce, 128) || !allDigits(timestamp) || len(timestamp) > 12 {
		return ErrPushSignature
	}
	want := PushSignature(append(covered, p.token, timestamp, nonce)...)
	if subtle.ConstantTimeCompare([]byte(want), []byte(query.Get(parameter))) != 1 {
		return ErrPushSignature
	}
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || p.now().Sub(time.Unix(seconds, 0)).Abs() > p.maxAge {
		return ErrPushStale
	}
	return nil
}

// PushSignature returns the signature of a push: the SHA-1 of the token, the timestamp, the nonce and the encrypted text if there
// is one, sorted.
func PushSignature(parts ...string) string {
	slices.Sort(parts)
	sum := sha1.Sum([]byte(strings.Join(parts, "")))
	return hex.EncodeToString(sum[:])
}

// decrypt decrypts AES-256-CBC with the key's first half as IV and PKCS #7 padding to blocks of 32 (not of 16). The plaintext
// has 16 random bytes, the message's length in four bytes, the message, and the AppID.
func (p *PushReceiver) decrypt(encrypted string) ([]byte, error) {
	plain, err := openCBC(encrypted, p.aes, p.aes[:aes.BlockSize], 32)
	if err != nil {
		return nil, ErrPushMalformed
	}
	const random, length = 16, 4
	if len(plain) < random+length {
		return nil, ErrPushMalformed
	}
	size := binary.BigEndian.Uint32(plain[random:])
	rest := plain[random+length:]
	if uint64(size) > uint64(len(rest)) || AppID(rest[size:]) != p.appID {
		return nil, ErrPushMalformed
	}
	return rest[:size], nil
}

var errCipher = errors.New("wechat: cannot be decrypted")

// openCBC decodes base64 and decrypts AES-CBC with PKCS #7 padding. All failures are one error.
func openCBC(encoded string, key, iv []byte, padding int) ([]byte, error) {
	text, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(text) == 0 || len(text)%aes.BlockSize != 0 || len(iv) != aes.BlockSize {
		return nil, errCipher
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, errCipher
	}
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(text, text)
	pad := int(text[len(text)-1])
	if pad == 0 || pad > padding || pad > len(text) {
		return nil, errCipher
	}
	body, tail := text[:len(text)-pad], text[len(text)-pad:]
	if !bytes.Equal(tail, bytes.Repeat([]byte{byte(pad)}, pad)) {
		return nil, errCipher
	}
	return body, nil
}

// event reads the fields of a message. If the message has an AppID, it must be the one it was encrypted for.
func (p *PushReceiver) event(message map[string]string) (Event, error) {
	created, err := strconv.ParseInt(message["CreateTime"], 10, 64)
	if err != nil || created < 0 || created > 1<<40 {
		return Event{}, ErrPushMalformed
	}
	if id := message["AppID"]; id != "" && AppID(id) != p.appID {
		return Event{}, ErrPushMalformed
	}
	if len(message["OpenID"]) > maxOpenID || len(message["UnionID"]) > maxOpenID || len(message["Event"]) > 128 {
		return Event{}, ErrPushMalformed
	}
	event := Event{
		AppID: p.appID, OpenID: OpenID(message["OpenID"]), UnionID: UnionID(message["UnionID"]), Created: time.Unix(created, 0).UTC(),
	}
	if message["MsgType"] == "event" {
		event.Name = message["Event"]
	}
	if revoked, err := strconv.Atoi(message["RevokeInfo"]); err == nil {
		event.Revoked = revoked
	}
	return event, nil
}

// readMessage reads the flat fields of a message in XML or JSON. WeChat's samples have spaces around names, which are removed;
// fields other than text and numbers are ignored.
func readMessage(body []byte) (map[string]string, error) {
	body = bytes.TrimSpace(body)
	switch {
	case len(body) == 0 || len(body) > pushLimit:
		return nil, ErrPushMalformed
	case body[0] == '{':
		return readJSONMessage(body)
	default:
		return readXMLMessage(body)
	}
}

func readJSONMessage(body []byte) (map[string]string, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return nil, ErrPushMalformed
	}
	message := make(map[string]string, len(members))
	for name, raw := range members {
		name = strings.TrimSpace(name)
		if _, twice := message[name]; twice {
			return nil, ErrPushMalformed
		}
		var text string
		var number json.Number
		if json.Unmarshal(raw, &text) == nil {
			message[name] = strings.TrimSpace(text)
		} else if json.Unmarshal(raw, &number) == nil {
			message[name] = number.String()
		}
	}
	return message, nil
}

// readXMLMessage reads the children of the root element. A repeated element is rejected, because parsers differ on which of
// them is valid.
func readXMLMessage(body []byte) (map[string]string, error) {
	decoder := xml.NewDecoder(bytes.NewReader(body))
	message := map[string]string{}
	depth, name, text := 0, "", ""
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, ErrPushMalformed
		}
		switch t := token.(type) {
		case xml.StartElement:
			if depth++; depth == 2 {
				name, text = t.Name.Local, ""
			}
		case xml.CharData:
			if depth == 2 {
				text += string(t)
			}
		case xml.EndElement:
			if depth == 2 {
				if _, twice := message[name]; twice {
					return nil, ErrPushMalformed
				}
				message[name] = strings.TrimSpace(text)
			}
			depth--
		case xml.Directive:
			return nil, ErrPushMalformed
		}
	}
	if len(message) == 0 {
		return nil, ErrPushMalformed
	}
	return message, nil
}
