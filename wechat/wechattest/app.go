package wechattest

import (
	"time"

	"github.com/minifed/minifed/wechat"
)

// App is one simulated mini-program, website app, official account or mobile app. Users are named by the caller and exist as soon as they are named; they are the same
// person in every app.
type App struct {
	server *Server
	id     wechat.AppID

	// all guarded by server.mu
	secret   wechat.AppSecret
	account  string
	users    map[wechat.OpenID]string
	sessions map[string]*session
	blocked  map[string]bool
	// kind, callbackHost, oddities and snapshots are of sign-ins by WeChat's pages.
	kind         Kind
	callbackHost string
	oddities     Oddities
	snapshots    map[string]bool

	pages  []string
	faults map[API][]*Fault
	stable *token
	legacy *token
	forced []time.Time // when force_refresh took effect

	limits    map[API]Limit
	used      map[API]*usage
	cleared   []time.Time          // when clear_quota took effect
	encrypted map[string]time.Time // SHA-256 of what was encrypted for a mini-program
}

// Credential returns AppID and AppSecret.
func (a *App) Credential() wechat.App {
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	return wechat.App{ID: a.id, Secret: a.secret}
}

// SetSecret replaces the AppSecret, as its owner does in WeChat's console. Tokens stay good.
func (a *App) SetSecret(secret wechat.AppSecret) {
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	a.secret = secret
}

// Login is wx.login: it returns a new code, valid for five minutes and one code2Session. It may replace the user's session key.
func (a *App) Login(user string) string {
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	a.users[a.openID(user)] = user
	a.rotateSession(user)
	return a.server.issue(&code{value: randomText(base62Digits, 32), kind: loginCode, app: a, user: user})
}

// TapPhone is the user's tap on a phone number button: it returns a new phone code, valid for five minutes and one
// getuserphonenumber.
func (a *App) TapPhone(user string) string {
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	return a.server.issue(&code{value: randomText(hexDigits, 64), kind: phoneCode, app: a, user: user})
}

// BindOpenPlatform binds the app to an Open Platform account, so that code2Session returns UnionIDs from then on. Apps of one
// account get the same UnionID of a user. Another account means other UnionIDs; the empty one unbinds.
func (a *App) BindOpenPlatform(account string) {
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	a.account = account
}

// OpenID returns the user as this app sees them.
func (a *App) OpenID(user string) wechat.OpenID { return a.openID(user) }

func (a *App) openID(user string) wechat.OpenID {
	return wechat.OpenID(a.server.id("openid", string(a.id), user))
}

// UnionID returns the user as the apps of this one's Open Platform account see them; empty while it is not bound.
func (a *App) UnionID(user string) wechat.UnionID {
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	return a.unionID(user)
}

func (a *App) unionID(user string) wechat.UnionID {
	if a.account == "" {
		return ""
	}
	return wechat.UnionID(a.server.id("unionid", a.account, user))
}

// Block blocks the user's logins as risky (40226), or unblocks them.
func (a *App) Block(user string, blocked bool) {
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	a.blocked[user] = blocked
}

// SetPages names the pages of the released version: MiniProgramCode then rejects others (41030). Without it, all exist.
func (a *App) SetPages(pages ...string) {
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	a.pages = pages
}
