package wechat

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
)

var errSession = errors.New("the OpenID or session key is empty, too long or has control characters")

// CheckSession checks whether key is still the session key of the user (GET /wxa/checksession). If not, the Error matches
// ErrSessionKeyStale.
func (c *Client) CheckSession(ctx context.Context, app App, user OpenID, key SessionKey) error {
	if failure := c.signed(ctx, apiCheckSession, "/wxa/checksession", app, user, key, decodeStatus); failure != nil {
		return failure
	}
	return nil
}

// ResetSession replaces the session key of the user and returns the new one (GET /wxa/resetusersessionkey). The old key becomes
// invalid at once; the new one has the old one's expiry.
func (c *Client) ResetSession(ctx context.Context, app App, user OpenID, key SessionKey) (SessionKey, error) {
	result := resetResponse{user: user}
	if failure := c.signed(ctx, apiResetSession, "/wxa/resetusersessionkey", app, user, key, result.decode); failure != nil {
		return "", failure
	}
	return result.Key, nil
}

// signed performs a call with a signature by the session key.
func (c *Client) signed(ctx context.Context, api, path string, app App, user OpenID, key SessionKey, decode func([]byte) (status, error)) *Error {
	if !bounded(string(user), maxOpenID) || !bounded(string(key), maxOpenID) {
		return &Error{API: api, Class: ClassCode, Cause: errSession}
	}
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	return c.exchangeWithToken(ctx, call{
		api: api, app: app, method: http.MethodGet, path: path, decode: decode,
		query: "&openid=" + url.QueryEscape(string(user)) + "&signature=" + sessionSignature(key, "") + "&sig_method=hmac_sha256",
	})
}

// sessionSignature is the lower-case hexadecimal HMAC-SHA256 of message under the session key's base64 text, not under the
// bytes it encodes (those are for AES). The calls above sign the empty message.
func sessionSignature(key SessionKey, message string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(message))
	return hex.EncodeToString(mac.Sum(nil))
}

type resetResponse struct {
	status
	OpenID OpenID     `json:"openid"`
	Key    SessionKey `json:"session_key"`

	user OpenID
}

func (a *resetResponse) decode(body []byte) (status, error) {
	*a = resetResponse{user: a.user}
	if err := json.Unmarshal(body, a); err != nil {
		return a.status, err
	}
	if a.OpenID != a.user || a.Key == "" {
		return a.status, errResponse
	}
	return a.status, nil
}
