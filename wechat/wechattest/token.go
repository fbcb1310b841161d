package wechattest

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/minifed/minifed/wechat"
)

// token is an access token. Expired tokens are stored: WeChat returns 42001 if it was the latest when it ended, and 40001 if a
// newer one had replaced it.
type token struct {
	value    string
	app      *App
	until    time.Time
	replaced bool
}

const (
	tokenLife    = 7200 * time.Second
	tokenOverlap = 300 * time.Second
)

// mint issues a new token and lets the old one live for the overlap. WeChat counts in whole seconds. It is called with s.mu
// held.
func (s *Server) mint(app *App, old *token, overlap time.Duration) *token {
	now := s.now().Truncate(time.Second)
	if old != nil {
		old.retire(now, overlap)
	}
	t := &token{value: "wxsim_" + randomText(base62Digits, 151), app: app, until: now.Add(tokenLife)}
	s.tokens[t.value] = t
	return t
}

// retire marks a token as replaced unless it had ended before.
func (t *token) retire(now time.Time, overlap time.Duration) {
	if !now.Before(t.until) {
		return
	}
	t.replaced = true
	if end := now.Add(overlap); t.until.After(end) {
		t.until = end
	}
}

// ExpireTokens invalidates every access token of the app early, as resetting the AppSecret or a second caller of /cgi-bin/token
// would. WeChat then returns 40001.
func (a *App) ExpireTokens() {
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	for value, t := range a.server.tokens {
		if t.app == a {
			delete(a.server.tokens, value)
		}
	}
	a.stable, a.legacy = nil, nil
}

// legacyToken is GET /cgi-bin/token: every call issues a new token, and the previous one is valid for five minutes more.
func (s *Server) legacyToken(in *incoming) reply {
	if in.Query.Get("grant_type") != "client_credential" {
		return in.failure(40002)
	}
	appID, secret := in.Query.Get("appid"), in.Query.Get("secret")
	if errcode := cmp.Or(missing(appID, secret), in.mismatch(secret)); errcode != 0 {
		return in.failure(errcode)
	}
	if errcode := in.app.count(in.API); errcode != 0 {
		return in.failure(errcode)
	}
	in.app.legacy = s.mint(in.app, in.app.legacy, tokenOverlap)
	return in.success(in.app.legacy.answer(s.now()))
}

// stableToken is POST /cgi-bin/stable_token: the same token for all callers until its last five minutes.
func (s *Server) stableToken(in *incoming) reply {
	if in.Method != http.MethodPost {
		return in.failure(43002)
	}
	fields := in.fields()
	if !fields.valid {
		return in.failure(47001)
	}
	if fields.GrantType != "client_credential" {
		return in.failure(40002)
	}
	if errcode := cmp.Or(missing(fields.AppID, fields.Secret), in.mismatch(fields.Secret)); errcode != 0 {
		return in.failure(errcode)
	}
	app := in.app
	if errcode := app.count(in.API); errcode != 0 {
		return in.failure(errcode)
	}
	switch {
	case fields.ForceRefresh && app.forceable(s.now()):
		if app.forcedToday(s.now()) >= 20 {
			return in.failure(45009)
		}
		app.forced = append(app.forced, s.now())
		app.stable = s.mint(app, app.stable, 0)
	case app.stable == nil || app.stable.until.Sub(s.now()) <= tokenOverlap:
		app.stable = s.mint(app, app.stable, tokenOverlap)
	}
	return in.success(app.stable.answer(s.now()))
}

// forceable reports whether force_refresh takes effect: not within 30 s of the last time.
func (a *App) forceable(now time.Time) bool {
	return len(a.forced) == 0 || now.Sub(a.forced[len(a.forced)-1]) >= 30*time.Second
}

func (a *App) forcedToday(now time.Time) int {
	a.forced = slices.DeleteFunc(a.forced, func(t time.Time) bool { return now.Sub(t) >= 24*time.Hour })
	return len(a.forced)
}

type tokenAnswer struct {
	Token     string `json:"access_token"`
	ExpiresIn int    `json:"expires_in"`
}

func (t *token) answer(now time.Time) tokenAnswer {
	return tokenAnswer{Token: t.value, ExpiresIn: int(t.until.Sub(now.Truncate(time.Second)) / time.Second)}
}

// tokenErrcode checks the access_token of a call, and the app's limit of that call. clear_quota has none.
func (s *Server) tokenErrcode(in *incoming) int {
	value := in.Query.Get("access_token")
	t := s.tokens[value]
	switch {
	case value == "":
		return 41001
	case t == nil:
		return 40001
	case s.now().Before(t.until) && in.API == ClearQuota:
		return 0
	case s.now().Before(t.until):
		return in.app.count(in.API)
	case t.replaced:
		return 40001
	default:
		return 42001
	}
}

// fields are the members of the JSON bodies that are posted.
type fields struct {
	valid bool

	GrantType    string `json:"grant_type"`
	AppID        string `json:"appid"`
	Secret       string `json:"secret"`
	ForceRefresh bool   `json:"force_refresh"`
	Code         string `json:"code"`

	OpenID        wechat.OpenID `json:"openid"`
	Signature     string        `json:"signature"`
	SigMethod     string        `json:"sig_method"`
	RID           string        `json:"rid"`
	CGIPath       string        `json:"cgi_path"`
	EncryptedHash string        `json:"encrypted_msg_hash"`
}

func (in *incoming) fields() fields {
	var f fields
	f.valid = json.Unmarshal(in.Body, &f) == nil
	return f
}
