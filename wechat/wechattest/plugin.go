package wechattest

// PluginLogin is wx.pluginLogin: it returns a new code, valid for five minutes and one getpluginopenpid.
func (a *App) PluginLogin(user string) string {
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	return a.server.issue(&code{value: randomText(base62Digits, 32), kind: pluginCode, app: a, user: user})
}

// pluginOpenPID is POST /wxa/getpluginopenpid.
func (s *Server) pluginOpenPID(in *incoming) reply {
	if answer, ok := s.postedWithToken(in); !ok {
		return answer
	}
	if in.Code == "" {
		return in.failure(41008)
	}
	c, errcode := s.spend(in.Code, pluginCode, in.app)
	if errcode != 0 {
		return in.failure(errcode)
	}
	return in.success(struct {
		status
		OpenPID string `json:"openpid"`
	}{okAnswer(), s.id("openpid", string(in.app.id), c.user)})
}
