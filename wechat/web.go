package wechat

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
)

// DefaultPagesURL is the host of WeChat's pages, where browsers sign in.
const DefaultPagesURL = "https://open.weixin.qq.com"

// Pages builds the addresses of WeChat's sign-in pages. The zero value is of WeChat.
type Pages struct {
	// BaseURL is the origin of the pages; empty means DefaultPagesURL.
	BaseURL string
}

// Website returns the address of the page that shows a QR code for a website app (connect/qrconnect). WeChat sends the browser back
// to redirectURI with a code and the state, or not at all if the user declines. state has at most 128 letters and digits.
func (p Pages) Website(app AppID, redirectURI, state string) string {
	return p.address("/connect/qrconnect", app, redirectURI, "snsapi_login", state)
}

// OfficialAccount returns the address of the page that asks the user in WeChat's own browser (connect/oauth2/authorize). The scope is
// snsapi_userinfo, because WeChat returns no UnionID for snsapi_base.
func (p Pages) OfficialAccount(app AppID, redirectURI, state string) string {
	return p.address("/connect/oauth2/authorize", app, redirectURI, "snsapi_userinfo", state)
}

// address has the parameters in the order of WeChat's documentation, which WeChat compares, and the fragment, which it requires.
func (p Pages) address(path string, app AppID, redirectURI, scope, state string) string {
	base := p.BaseURL
	if base == "" {
		base = DefaultPagesURL
	}
	return base + path + "?appid=" + url.QueryEscape(string(app)) + "&redirect_uri=" + url.QueryEscape(redirectURI) +
		"&response_type=code&scope=" + scope + "&state=" + url.QueryEscape(state) + "#wechat_redirect"
}

// WebSession is the result of a code from WeChat's pages or from its SDK for mobile apps: the user who signed in.
type WebSession struct {
	OpenID  OpenID
	UnionID UnionID
	// token is the access token for WebProfile. It lives as long as the sign-in.
	token string
}

// WebProfile is what users show of themselves at WeChat. Nothing in it is verified.
type WebProfile struct {
	Nickname string
	// Picture is an http or https URL; empty without one.
	Picture string
	// UnionID is that of the session, which may lack it.
	UnionID UnionID
}

// LogValue redacts profiles in structured logs.
func (WebProfile) LogValue() slog.Value { return slog.StringValue(redacted) }

// WebLogin spends the code of a website app, an official account or a mobile app (GET /sns/oauth2/access_token). The code is valid
// for five or ten minutes and one use. The virtual user of WeChat's page preview is an Error that matches ErrSnapshotUser.
func (c *Client) WebLogin(ctx context.Context, app App, code string) (WebSession, error) {
	if failure := checkApp(apiWebAccessToken, app); failure != nil {
		return WebSession{}, failure
	}
	if !bounded(code, maxCode) {
		return WebSession{}, &Error{API: apiWebAccessToken, Class: ClassCode, Cause: errCode}
	}
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	var result webSessionResponse
	if failure := c.exchange(ctx, webTokenCall(app, code, &result)); failure != nil {
		return WebSession{}, failure
	}
	if result.Snapshot != 0 {
		return WebSession{}, &Error{API: apiWebAccessToken, Class: ClassBlocked, Cause: ErrSnapshotUser}
	}
	return WebSession{OpenID: result.OpenID, UnionID: result.UnionID, token: result.Token}, nil
}

func webTokenCall(app App, code string, result *webSessionResponse) call {
	return call{
		api: apiWebAccessToken, app: app, method: http.MethodGet, path: "/sns/oauth2/access_token",
		query: "appid=" + url.QueryEscape(string(app.ID)) + "&secret=" + url.QueryEscape(string(app.Secret)) +
			"&code=" + url.QueryEscape(code) + "&grant_type=authorization_code",
		decode: result.decode,
	}
}

// checkedCode is a code that WeChat never issues.
const checkedCode = "minifed-check"

// CheckWebCredential returns nil if WeChat accepts AppID and AppSecret of a website or mobile app from this address. WeChat has no call
// for that. It rejects an unknown code only after it has accepted both, so that a rejected code is the success.
func (c *Client) CheckWebCredential(ctx context.Context, app App) error {
	if failure := checkApp(apiWebAccessToken, app); failure != nil {
		return failure
	}
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	failure := c.exchange(ctx, webTokenCall(app, checkedCode, new(webSessionResponse)))
	if failure == nil || failure.Class == ClassCode && failure.Cause == nil {
		return nil
	}
	return failure
}

// WebProfile returns the profile of the user of a session (GET /sns/userinfo).
func (c *Client) WebProfile(ctx context.Context, app App, session WebSession) (WebProfile, error) {
	if !bounded(session.token, maxToken) || !bounded(string(session.OpenID), maxOpenID) {
		return WebProfile{}, &Error{API: apiWebUserInfo, Class: ClassUnknown, Cause: errResponse}
	}
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	var result webProfileResponse
	failure := c.exchange(ctx, call{
		api: apiWebUserInfo, app: app, method: http.MethodGet, path: "/sns/userinfo",
		query:  "access_token=" + url.QueryEscape(session.token) + "&openid=" + url.QueryEscape(string(session.OpenID)) + "&lang=zh_CN",
		decode: result.decode,
	})
	if failure != nil {
		return WebProfile{}, failure
	}
	if result.Snapshot != 0 {
		return WebProfile{}, &Error{API: apiWebUserInfo, Class: ClassBlocked, Cause: ErrSnapshotUser}
	}
	if result.OpenID != session.OpenID {
		return WebProfile{}, &Error{API: apiWebUserInfo, Class: ClassUnknown, Cause: errResponse}
	}
	return WebProfile{Nickname: result.Nickname, Picture: result.Picture, UnionID: result.UnionID}, nil
}

type webSessionResponse struct {
	status
	OpenID   OpenID  `json:"openid"`
	UnionID  UnionID `json:"unionid"`
	Token    string  `json:"access_token"`
	Snapshot errcode `json:"is_snapshotuser"`
}

func (a *webSessionResponse) decode(body []byte) (status, error) {
	*a = webSessionResponse{}
	if err := json.Unmarshal(withoutControls(body), a); err != nil {
		return a.status, err
	}
	if !bounded(string(a.OpenID), maxOpenID) || len(a.UnionID) > maxOpenID || !bounded(a.Token, maxToken) {
		return a.status, errResponse
	}
	return a.status, nil
}

type webProfileResponse struct {
	status
	OpenID   OpenID  `json:"openid"`
	UnionID  UnionID `json:"unionid"`
	Nickname string  `json:"nickname"`
	Picture  string  `json:"headimgurl"`
	Snapshot errcode `json:"is_snapshotuser"`
}

func (a *webProfileResponse) decode(body []byte) (status, error) {
	*a = webProfileResponse{}
	if err := json.Unmarshal(withoutControls(body), a); err != nil {
		return a.status, err
	}
	if !bounded(string(a.OpenID), maxOpenID) || len(a.UnionID) > maxOpenID {
		return a.status, errResponse
	}
	return a.status, nil
}

// withoutControls replaces control characters by spaces. WeChat copies those of nicknames into its JSON, where they are invalid.
func withoutControls(body []byte) []byte {
	clean := make([]byte, len(body))
	for i, b := range body {
		if clean[i] = b; isControl(rune(b)) {
			clean[i] = ' '
		}
	}
	return clean
}
