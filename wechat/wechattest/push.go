package wechattest

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/minifed/minifed/wechat"
)

// Push is an event that WeChat pushes to the developer's server, in safe mode unless Plain is set.
type Push struct {
	// URL is where it goes.
	URL string
	// Token and EncodingAESKey (43 characters) are what the developer typed into WeChat's console.
	Token, EncodingAESKey string
	// Event is its name, such as "user_authorization_revoke".
	Event string
	// User is the user of the event; empty means an event without OpenID.
	User string
	// RevokeInfo says what was withdrawn; 0 leaves it out.
	RevokeInfo int
	// XML sends XML rather than JSON.
	XML bool
	// Plain sends the event in plain mode, whose signature does not cover the body. Compatible sends both halves.
	Plain, Compatible bool

	// Delay waits before the event is sent.
	Delay time.Duration
	// Repeat sends the event so many times more, each like the first.
	Repeat int
	// Age is how old the timestamp pretends to be, and Late how much older the event is than that.
	Age, Late time.Duration
	// WrongTail encrypts for another AppID, WrongSignature signs with another token.
	WrongTail, WrongSignature bool
}

// Push sends an event as WeChat does: up to three times, until it gets the response "success" or an empty one within five
// seconds. The error describes the last response.
func (a *App) Push(ctx context.Context, push Push) error {
	if err := wait(ctx, push.Delay); err != nil {
		return err
	}
	for range push.Repeat + 1 {
		if err := a.pushOnce(ctx, push); err != nil {
			return err
		}
	}
	return nil
}

// wait waits, or returns the error of ctx.
func wait(ctx context.Context, delay time.Duration) error {
	if delay <= 0 {
		return nil
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// CheckPushURL checks a push URL as WeChat's console does when a developer enters it: a GET whose response must be the echostr.
func (a *App) CheckPushURL(ctx context.Context, push Push) error {
	target, err := url.Parse(push.URL)
	if err != nil {
		return errPushURL
	}
	query := a.pushQuery(push, "")
	echo := randomText("0123456789", 19)
	target.RawQuery = url.Values{
		"signature": query["signature"], "timestamp": query["timestamp"], "nonce": query["nonce"], "echostr": {echo},
	}.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return errPushURL
	}
	client := &http.Client{Timeout: 5 * time.Second}
	defer client.CloseIdleConnections()
	return deliver(client, request, echo)
}

var errPushURL = errors.New("wechattest: push URL")

func (a *App) pushOnce(ctx context.Context, push Push) error {
	const attempts = 3
	client := &http.Client{Timeout: 5 * time.Second}
	defer client.CloseIdleConnections()
	var last error
	for range attempts {
		request, err := a.PushRequest(ctx, push)
		if err != nil {
			return err
		}
		if last = deliver(client, request, "", "success"); last == nil {
			return nil
		}
	}
	return last
}

// deliver sends a push, which is delivered if the response is one of some texts.
func deliver(client *http.Client, request *http.Request, accepted ...string) error {
	response, err := client.Do(request)
	if err != nil {
		return errors.New("wechattest: push got no response")
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, 1024))
	if err != nil || response.StatusCode != http.StatusOK || !slices.Contains(accepted, string(answer)) {
		return fmt.Errorf("wechattest: push got status %d", response.StatusCode)
	}
	return nil
}

// PushRequest returns a request that delivers an event once.
func (a *App) PushRequest(ctx context.Context, push Push) (*http.Request, error) {
	message, err := a.pushMessage(push)
	if err != nil {
		return nil, err
	}
	tail := string(a.id)
	if push.WrongTail {
		tail = AppIDPrefix + "someoneelse"
	}
	encrypted, err := encryptPush(push.EncodingAESKey, message, tail)
	if err != nil {
		return nil, err
	}
	body, contentType := pushBody(push, message, encrypted)
	target, err := url.Parse(push.URL)
	if err != nil {
		return nil, errPushURL
	}
	target.RawQuery = a.pushQuery(push, encrypted).Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), bytes.NewReader(body))
	if err != nil {
		return nil, errPushURL
	}
	request.Header.Set("Content-Type", contentType)
	return request, nil
}

// pushBody returns the body of a push and its media type.
func pushBody(push Push, message []byte, encrypted string) (body []byte, contentType string) {
	contentType = "application/json"
	if push.XML {
		contentType = "text/xml"
	}
	safe := `{"ToUserName":"gh_simulator","Encrypt":"` + encrypted + `"}`
	both := strings.TrimSuffix(string(message), "}") + `,"Encrypt":"` + encrypted + `"}`
	if push.XML {
		element := "<Encrypt><![CDATA[" + encrypted + "]]></Encrypt></xml>"
		safe = "<xml><ToUserName><![CDATA[gh_simulator]]></ToUserName>" + element
		both = strings.TrimSuffix(string(message), "</xml>") + element
	}
	switch {
	case push.Plain:
		return message, contentType
	case push.Compatible:
		return []byte(both), contentType
	default:
		return []byte(safe), contentType
	}
}

func (a *App) pushQuery(push Push, encrypted string) url.Values {
	token := push.Token
	if push.WrongSignature {
		token += "x"
	}
	timestamp, nonce := strconv.FormatInt(a.pushTime(push).Unix(), 10), randomText("0123456789", 9)
	query := url.Values{
		"signature": {signPush(token, timestamp, nonce)}, "timestamp": {timestamp}, "nonce": {nonce}, "openid": {a.pushOpenID(push)},
	}
	if !push.Plain {
		query.Set("encrypt_type", "aes")
		query.Set("msg_signature", signPush(token, timestamp, nonce, encrypted))
	}
	return query
}

// platformIdentity is who sends pushes: the platform, not the user.
const platformIdentity = "oSimulatedPlatformIdentity00"

// pushOpenID is the openid in the query: the sender's where the event is about no user.
func (a *App) pushOpenID(push Push) string {
	if push.User == "" {
		return platformIdentity
	}
	return string(a.openID(push.User))
}

func (a *App) pushTime(push Push) time.Time {
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	return a.server.now().Add(-push.Age)
}

// pushField is one element of a message. Order matters to XML readers that are sloppy.
type pushField struct {
	name  string
	value any
}

func (a *App) pushMessage(push Push) ([]byte, error) {
	message := []pushField{
		{"ToUserName", "gh_simulator"},
		{"FromUserName", platformIdentity},
		{"CreateTime", a.pushTime(push).Add(-push.Late).Unix()},
		{"MsgType", "event"},
		{"Event", push.Event},
		{"AppID", string(a.id)},
	}
	if push.User != "" {
		message = append(message, pushField{"OpenID", string(a.OpenID(push.User))})
		if unionID := a.UnionID(push.User); unionID != wechat.UnionID("") {
			message = append(message, pushField{"UnionID", string(unionID)})
		}
	}
	if push.RevokeInfo != 0 {
		message = append(message, pushField{"RevokeInfo", strconv.Itoa(push.RevokeInfo)})
	}
	if push.XML {
		return pushXML(message), nil
	}
	members := map[string]any{}
	for _, field := range message {
		members[field.name] = field.value
	}
	return json.Marshal(members)
}

func pushXML(message []pushField) []byte {
	var b strings.Builder
	b.WriteString("<xml>")
	for _, field := range message {
		if text, ok := field.value.(string); ok {
			fmt.Fprintf(&b, "<%s><![CDATA[%s]]></%s>", field.name, strings.ReplaceAll(text, "]]>", ""), field.name)
		} else {
			fmt.Fprintf(&b, "<%s>%v</%s>", field.name, field.value, field.name)
		}
	}
	b.WriteString("</xml>")
	return []byte(b.String())
}

// signPush is the SHA-1 of the sorted parts, in hexadecimal.
func signPush(parts ...string) string {
	slices.Sort(parts)
	sum := sha1.Sum([]byte(strings.Join(parts, "")))
	return hex.EncodeToString(sum[:])
}

// encryptPush is AES-256-CBC under the decoded EncodingAESKey, whose first half is the IV, over 16 random bytes, the length of
// the message (big endian), the message and the AppID, padded to a multiple of 32.
func encryptPush(encodingAESKey string, message []byte, appID string) (string, error) {
	key, err := base64.StdEncoding.DecodeString(encodingAESKey + "=")
	if err != nil || len(key) != 32 {
		return "", errors.New("wechattest: the EncodingAESKey has 43 characters of base64")
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return "", err
	}
	plain := []byte(randomText(hexDigits, 16))
	plain = binary.BigEndian.AppendUint32(plain, uint32(len(message)))
	plain = append(append(plain, message...), appID...)
	pad := 32 - len(plain)%32
	plain = append(plain, bytes.Repeat([]byte{byte(pad)}, pad)...)
	cipher.NewCBCEncrypter(block, key[:16]).CryptBlocks(plain, plain)
	return base64.StdEncoding.EncodeToString(plain), nil
}
