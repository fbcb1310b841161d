package wechat

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
)

// The names of the calls in WeChat's documentation.
const (
	apiCode2Session    = "code2Session"
	apiStableToken     = "getStableAccessToken"
	apiPhoneNumber     = "getPhoneNumber"
	apiCheckSession    = "checkSessionKey"
	apiResetSession    = "resetUserSessionKey"
	apiMiniProgramCode = "getUnlimitedQRCode"
	apiURLLink         = "generateUrlLink"
	apiWebAccessToken  = "snsAccessToken"
	apiWebUserInfo     = "snsUserInfo"
)

// ErrSnapshotUser matches the Error of a response about a virtual user, whose IDs belong to no real user.
var ErrSnapshotUser = errors.New("wechat: snapshot user")

// Code2Session spends the code of wx.login and returns its user (GET /sns/jscode2session). It needs no access token. The code
// is valid for five minutes and one use. An Error of ClassUnsent leaves it valid, one of ClassAmbiguous may not.
func (c *Client) Code2Session(ctx context.Context, app App, code string) (Session, error) {
	if failure := checkApp(apiCode2Session, app); failure != nil {
		return Session{}, failure
	}
	if !bounded(code, maxCode) {
		return Session{}, &Error{API: apiCode2Session, Class: ClassCode, Cause: errCode}
	}
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()

	var result sessionResponse
	failure := c.exchange(ctx, call{
		api: apiCode2Session, app: app, method: http.MethodGet, path: "/sns/jscode2session",
		query: "appid=" + url.QueryEscape(string(app.ID)) + "&secret=" + url.QueryEscape(string(app.Secret)) +
			"&js_code=" + url.QueryEscape(code) + "&grant_type=authorization_code",
		decode: result.decode,
	})
	if failure != nil {
		return Session{}, failure
	}
	if result.Snapshot != 0 {
		return Session{}, &Error{API: apiCode2Session, Class: ClassBlocked, Cause: ErrSnapshotUser}
	}
	return Session{OpenID: result.OpenID, UnionID: result.UnionID, Key: result.Key}, nil
}

type sessionResponse struct {
	status
	OpenID   OpenID     `json:"openid"`
	UnionID  UnionID    `json:"unionid"`
	Key      SessionKey `json:"session_key"`
	Snapshot errcode    `json:"is_snapshotuser"`
}

func (a *sessionResponse) decode(body []byte) (status, error) {
	*a = sessionResponse{}
	if err := json.Unmarshal(body, a); err != nil {
		return a.status, err
	}
	if !bounded(string(a.OpenID), maxOpenID) || len(a.UnionID) > maxOpenID {
		return a.status, errResponse
	}
	return a.status, nil
}
