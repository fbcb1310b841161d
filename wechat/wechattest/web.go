package wechattest

import (
	"net/http"
	"regexp"
	"strconv"
	"time"

	"github.com/minifed/minifed/wechat"
)

// Kind is the kind of an app. An app is a mini-program until SetKind says otherwise.
type Kind string

// The kinds of apps.
const (
	MiniProgram     Kind = ""
	Website         Kind = "website"
	OfficialAccount Kind = "official-account"
	MobileApp       Kind = "mobile-app"
)

// The scopes of sign-ins by WeChat's pages.
const (
	scopeLogin    = "snsapi_login"
	scopeUserInfo = "snsapi_userinfo"
	scopeBase     = "snsapi_base"
)

const (
	// webCodeLife is that of website and mobile apps; codes of official accounts live as long as login codes.
	webCodeLife  = 10 * time.Minute
	webTokenLife = 2 * time.Hour
)

// Person is what a user shows of themselves at WeChat.
type Person struct {
	// Nickname may contain control characters: WeChat writes them into its JSON as they are.
	Nickname string
	Picture  string
}

// Oddities are peculiarities of WeChat's pages that differ between its versions.
type Oddities struct {
	// RedirectDeclined sends a user who declines back, with the state alone. By default the user stays at WeChat.
	RedirectDeclined bool
	// DenyCode sends "authdeny" as the code of a user who declines.
	DenyCode bool
	// RepeatCallback lets the browser call the callback twice.
	RepeatCallback bool
}

// webToken is the access token of a sign-in by WeChat's pages.
type webToken struct {
	value, refresh string
	app            *App
	user, scope    string
	snapshot       bool
	until          time.Time
}

// SetKind sets the kind of the app and the host to which WeChat's pages send browsers back. An empty host accepts every host.
func (a *App) SetKind(kind Kind, callbackHost string) {
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	a.kind, a.callbackHost = kind, callbackHost
}

// SetOddities sets the peculiarities of the app's sign-in pages.
func (a *App) SetOddities(oddities Oddities) {
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	a.oddities = oddities
}

// Snapshot lets WeChat open the pages of an official account as a preview for a user, with a virtual identity.
func (a *App) Snapshot(user string, snapshot bool) {
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	a.snapshots[user] = snapshot
}

// SetPerson sets the profile of a user. Without it, the nickname is the name of the user.
func (s *Server) SetPerson(user string, person Person) {
	s.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.people[user] = person
}

// SendAuth is SendAuth of WeChat's SDK in a mobile app: it returns a new code, valid for ten minutes and one use.
func (a *App) SendAuth(user string) string {
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	return a.webCode(user, scopeUserInfo)
}

// webCode issues a code. It is called with server.mu held.
func (a *App) webCode(user, scope string) string {
	a.users[a.openID(user)] = user
	issued := &code{value: randomText(base62Digits, 32), kind: webCode, app: a, user: user, scope: scope, life: webCodeLife, snapshot: a.snapshots[user]}
	if a.kind == OfficialAccount {
		issued.life = codeLife
	}
	return a.server.issue(issued)
}

// webAccessToken is GET /sns/oauth2/access_token. It checks in the order of code2Session.
func (s *Server) webAccessToken(in *incoming) reply {
	appID, secret := in.Query.Get("appid"), in.Query.Get("secret")
	if errcode := missing(appID, secret); errcode != 0 {
		return in.failure(errcode)
	}
	if in.Code == "" {
		return in.failure(41008)
	}
	if in.Query.Get("grant_type") != "authorization_code" {
		return in.failure(40002)
	}
	if errcode := in.mismatch(secret); errcode != 0 {
		return in.failure(errcode)
	}
	if errcode := in.app.count(in.API); errcode != 0 {
		return in.failure(errcode)
	}
	c, errcode := s.spend(in.Code, webCode, in.app)
	if errcode != 0 {
		return in.failure(errcode)
	}
	if in.app.blocked[c.user] {
		return in.failure(40226)
	}
	t := &webToken{
		value: "wxsim_" + randomText(base62Digits, 82), refresh: "wxsim_" + randomText(base62Digits, 82),
		app: in.app, user: c.user, scope: c.scope, snapshot: c.snapshot, until: s.now().Add(webTokenLife),
	}
	s.webTokens[t.value], s.webRefreshes[t.refresh] = t, t
	openID, unionID := t.identity()
	return in.success(struct {
		Token    string         `json:"access_token"`
		Life     int            `json:"expires_in"`
		Refresh  string         `json:"refresh_token"`
		OpenID   wechat.OpenID  `json:"openid"`
		Scope    string         `json:"scope"`
		Snapshot int            `json:"is_snapshotuser,omitempty"`
		UnionID  wechat.UnionID `json:"unionid,omitempty"`
	}{t.value, int(webTokenLife.Seconds()), t.refresh, openID, t.scope, number(t.snapshot), unionID})
}

// identity returns the IDs of the token's user. A snapshot user has virtual ones. WeChat returns no UnionID for snsapi_base.
func (t *webToken) identity() (wechat.OpenID, wechat.UnionID) {
	user := t.user
	if t.snapshot {
		user = "virtual " + user
	}
	if t.scope == scopeBase {
		return t.app.openID(user), ""
	}
	return t.app.openID(user), t.app.unionID(user)
}

func number(truth bool) int {
	if truth {
		return 1
	}
	return 0
}

// refreshWebToken is GET /sns/oauth2/refresh_token, which takes no secret and returns no UnionID.
func (s *Server) refreshWebToken(in *incoming) reply {
	t := s.webRefreshes[in.Query.Get("refresh_token")]
	switch {
	case in.Query.Get("appid") == "":
		return in.failure(41002)
	case in.Query.Get("grant_type") != "refresh_token":
		return in.failure(40002)
	case in.app == nil:
		return in.failure(40013)
	case t == nil || t.app != in.app:
		return in.failure(40030)
	}
	delete(s.webTokens, t.value)
	if !s.now().Before(t.until) {
		t.value = "wxsim_" + randomText(base62Digits, 82)
	}
	t.until = s.now().Add(webTokenLife)
	s.webTokens[t.value] = t
	openID, _ := t.identity()
	return in.success(struct {
		Token   string        `json:"access_token"`
		Life    int           `json:"expires_in"`
		Refresh string        `json:"refresh_token"`
		OpenID  wechat.OpenID `json:"openid"`
		Scope   string        `json:"scope"`
	}{t.value, int(webTokenLife.Seconds()), t.refresh, openID, t.scope})
}

// webTokenOf returns the token of a call, or the errcode of a call without a valid one.
func (s *Server) webTokenOf(in *incoming) (*webToken, int) {
	if in.Method != http.MethodGet {
		return nil, 43001
	}
	value := in.Query.Get("access_token")
	t := s.webTokens[value]
	switch {
	case value == "":
		return nil, 41001
	case t == nil:
		return nil, 40001
	case !s.now().Before(t.until):
		return nil, 42001
	}
	if openID, _ := t.identity(); in.Query.Get("openid") != string(openID) {
		return nil, 40003
	}
	return t, 0
}

// checkWebToken is GET /sns/auth.
func (s *Server) checkWebToken(in *incoming) reply {
	if _, errcode := s.webTokenOf(in); errcode != 0 {
		return in.failure(errcode)
	}
	return in.success(okAnswer())
}

// webUserInfo is GET /sns/userinfo. Sex and region are blank since October 2021.
func (s *Server) webUserInfo(in *incoming) reply {
	t, errcode := s.webTokenOf(in)
	switch {
	case errcode != 0:
		return in.failure(errcode)
	case t.scope == scopeBase, t.snapshot:
		return in.failure(48001)
	}
	openID, unionID := t.identity()
	person := s.person(t.user)
	answer := in.success(struct {
		OpenID    wechat.OpenID  `json:"openid"`
		Nickname  string         `json:"nickname"`
		Sex       int            `json:"sex"`
		Language  string         `json:"language"`
		City      string         `json:"city"`
		Province  string         `json:"province"`
		Country   string         `json:"country"`
		Picture   string         `json:"headimgurl"`
		Privilege []string       `json:"privilege"`
		UnionID   wechat.UnionID `json:"unionid,omitempty"`
	}{openID, person.Nickname, 0, "", "", "", "", person.Picture, []string{}, unionID})
	answer.body = withRawControls(answer.body)
	return answer
}

func (s *Server) person(user string) Person {
	if person, ok := s.people[user]; ok {
		return person
	}
	return Person{Nickname: user, Picture: "http://thirdwx.qlogo.cn/mmopen/vi_32/" + s.id("picture", user) + "/132"}
}

// withRawControls writes control characters into JSON as they are, as WeChat does.
func withRawControls(body []byte) []byte {
	return escapedControl().ReplaceAllFunc(body, func(escape []byte) []byte {
		value, err := strconv.ParseUint(string(escape[2:]), 16, 8)
		if err != nil {
			return escape
		}
		return []byte{byte(value)}
	})
}

func escapedControl() *regexp.Regexp { return regexp.MustCompile(`\\u00[01][0-9a-f]`) }
