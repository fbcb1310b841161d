package wechattest

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"time"

	"github.com/minifed/minifed/wechat"
)

// session is the session key of one user in one app. There is one at a time.
type session struct {
	key     string
	minted  time.Time
	expires time.Time
}

// sessionLife is how long a key lives. WeChat does not tell; it is longer the more a user is active.
const sessionLife = 72 * time.Hour

// rotateSession replaces the user's session key unless it is too young for that. It is called with server.mu held.
func (a *App) rotateSession(user string) {
	now := a.server.now()
	rotation := a.server.KeyRotation
	if rotation == 0 {
		rotation = time.Minute
	}
	if old := a.sessions[user]; old != nil && now.Sub(old.minted) < rotation && now.Before(old.expires) {
		return
	}
	a.sessions[user] = &session{key: newSessionKey(), minted: now, expires: now.Add(sessionLife)}
}

func newSessionKey() string {
	var key [16]byte
	_, _ = rand.Read(key[:]) // never fails (crypto/rand)
	return base64.StdEncoding.EncodeToString(key[:])
}

func (s *Server) checkSession(in *incoming) reply {
	if _, errcode := s.signedSession(in); errcode != 0 {
		return in.failure(errcode)
	}
	return in.success(okAnswer())
}

// resetSession replaces the key; the new one ends when the old one would have.
func (s *Server) resetSession(in *incoming) reply {
	old, errcode := s.signedSession(in)
	if errcode != 0 {
		return in.failure(errcode)
	}
	old.key, old.minted = newSessionKey(), s.now()
	return in.success(struct {
		status
		OpenID wechat.OpenID `json:"openid"`
		Key    string        `json:"session_key"`
	}{okAnswer(), in.app.openID(in.User), old.key})
}

// signedSession checks a request that is signed with a session key: HMAC-SHA256 of nothing, under the key's base64 text.
func (s *Server) signedSession(in *incoming) (*session, int) {
	if in.Method != http.MethodGet {
		return nil, 43001
	}
	if errcode := s.tokenErrcode(in); errcode != 0 {
		return nil, errcode
	}
	if in.User == "" {
		return nil, 40003
	}
	if in.Query.Get("sig_method") != "hmac_sha256" {
		return nil, 87008
	}
	current := in.app.sessions[in.User]
	if current == nil || !s.now().Before(current.expires) {
		return nil, 87007
	}
	if in.Query.Get("signature") != signNothing(current.key) {
		return nil, 87009
	}
	return current, 0
}

func signNothing(key string) string {
	return hex.EncodeToString(hmac.New(sha256.New, []byte(key)).Sum(nil))
}
