package wechattest

import (
	"cmp"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/minifed/minifed/wechat"
)

// session is the session key of one user in one app. There is one at a time.
type session struct {
	key     string
	minted  time.Time
	expires time.Time
}

// sessionLife is how long a key lives. WeChat does not document it; it is longer for more active users.
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

// checkSession is GET /wxa/checksession.
func (s *Server) checkSession(in *incoming) reply {
	if _, errcode := s.signedSession(in, http.MethodGet); errcode != 0 {
		return in.failure(errcode)
	}
	return in.success(okAnswer())
}

// encryptKey is POST /wxa/business/getuserencryptkey: the user's keys of this hour and the two before. SDKs
// also send it as a GET.
func (s *Server) encryptKey(in *incoming) reply {
	if _, errcode := s.signedSession(in, http.MethodPost, http.MethodGet); errcode != 0 {
		return in.failure(errcode)
	}
	type keyInfo struct {
		Key     string `json:"encrypt_key"`
		Version int64  `json:"version"`
		Expires int64  `json:"expire_in"`
		IV      string `json:"iv"`
		Created int64  `json:"create_time"`
	}
	const hour, kept = 3600, 3
	now := s.now().Unix()
	keys := make([]keyInfo, kept)
	for i := range keys {
		version := now/hour - int64(i)
		secret := s.derive("encryptkey", string(in.app.id), in.User, strconv.FormatInt(version, 10))
		keys[i] = keyInfo{
			Key: base64.StdEncoding.EncodeToString(secret[:16]), IV: base64.StdEncoding.EncodeToString(secret[16:]),
			Version: version, Created: version * hour, Expires: max(0, (version+1)*hour-now),
		}
	}
	return in.success(struct {
		status
		Keys []keyInfo `json:"key_info_list"`
	}{okAnswer(), keys})
}

// resetSession is GET /wxa/resetusersessionkey. It replaces the key; the new one ends when the old one would have.
func (s *Server) resetSession(in *incoming) reply {
	old, errcode := s.signedSession(in, http.MethodGet)
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
// The members are in the query, or in the JSON body of a POST.
func (s *Server) signedSession(in *incoming, methods ...string) (*session, int) {
	if !slices.Contains(methods, in.Method) {
		return nil, wrongMethod(methods[0])
	}
	if errcode := s.tokenErrcode(in); errcode != 0 {
		return nil, errcode
	}
	if in.User == "" {
		return nil, 40003
	}
	fields := in.fields()
	if cmp.Or(in.Query.Get("sig_method"), fields.SigMethod) != "hmac_sha256" {
		return nil, 87008
	}
	current := in.app.sessions[in.User]
	if current == nil || !s.now().Before(current.expires) {
		return nil, 87007
	}
	if cmp.Or(in.Query.Get("signature"), fields.Signature) != signNothing(current.key) {
		return nil, 87009
	}
	return current, 0
}

// wrongMethod is the errcode of a call by another method than the one it requires.
func wrongMethod(required string) int {
	if required == http.MethodGet {
		return 43001
	}
	return 43002
}

func signNothing(key string) string {
	return hex.EncodeToString(hmac.New(sha256.New, []byte(key)).Sum(nil))
}
