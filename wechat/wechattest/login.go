package wechattest

import "github.com/minifed/minifed/wechat"

// code2Session checks in the order that all known responses of WeChat agree with: presence, AppID, secret, code. So wrong
// credentials spend no code. Fields in a body are not read, so a POST of them lacks its appid.
func (s *Server) code2Session(in *incoming) reply {
	appID, secret := in.Query.Get("appid"), in.Query.Get("secret")
	if errcode := missing(appID, secret); errcode != 0 {
		return in.failure(errcode)
	}
	if in.Code == "" {
		return in.failure(41008)
	}
	if grant := in.Query.Get("grant_type"); grant != "" && grant != "authorization_code" {
		return in.failure(40002)
	}
	if errcode := in.mismatch(secret); errcode != 0 {
		return in.failure(errcode)
	}
	if errcode := in.app.count(in.API); errcode != 0 {
		return in.failure(errcode)
	}
	c, errcode := s.spend(in.Code, loginCode, in.app)
	if errcode != 0 {
		return in.failure(errcode)
	}
	if in.app.blocked[c.user] {
		return in.failure(40226)
	}
	return in.success(struct {
		Key     string         `json:"session_key"`
		OpenID  wechat.OpenID  `json:"openid"`
		UnionID wechat.UnionID `json:"unionid,omitempty"`
	}{in.app.sessions[c.user].key, in.app.openID(c.user), in.app.unionID(c.user)})
}

func missing(appID, secret string) int {
	switch {
	case appID == "":
		return 41002
	case secret == "":
		return 41004
	default:
		return 0
	}
}

func (in *incoming) mismatch(secret string) int {
	switch {
	case in.app == nil:
		return 40013
	case secret != string(in.app.secret):
		return 40125
	default:
		return 0
	}
}
