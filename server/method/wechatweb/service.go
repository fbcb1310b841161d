package wechatweb

import (
	"errors"
	"io"
	"strings"
	"time"

	"github.com/minifed/minifed/server/account"
	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/federation"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/server/ratelimit"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat"
)

// Service signs users in by WeChat's pages.
type Service struct {
	*account.Account
	Connections *endpoint.Connections
	WebUsers    *federation.WebUsers
	WeChatPages wechat.Pages
	// Starts limits the sign-ins that one network begins, because each is stored.
	Starts *ratelimit.RateLimiter
	// Timeout bounds a call to WeChat.
	Timeout time.Duration
	Random  io.Reader
}

// flow is a sign-in by one kind of connection.
type flow struct {
	kind storage.ConnectionKind
	// method is its name in storage.Directory.SignInMethods, the audit and the statistics; amr that in tokens.
	method, amr string
	path        string
	text        page.Message
	// works reports whether the browser of r can use it.
	works   func(userAgent string) bool
	address func(pages wechat.Pages, app wechat.AppID, redirectURI, state string) string
}

func flows() []flow {
	return []flow{
		{
			kind: storage.ConnectionWebsite, method: authorize.MethodWebsite, amr: authorize.AMRWebsite,
			path: authorize.LoginPath + "/website", text: page.Text("login.website"),
			works:   func(userAgent string) bool { return !inWeChat(userAgent) },
			address: wechat.Pages.Website,
		},
		{
			kind: storage.ConnectionOfficialAccount, method: authorize.MethodOfficialAccount, amr: authorize.AMROfficialAccount,
			path: authorize.LoginPath + "/official-account", text: page.Text("login.official_account"),
			works: inWeChat, address: wechat.Pages.OfficialAccount,
		},
	}
}

// flowOf returns the flow of a kind; nil for one without pages.
func flowOf(kind storage.ConnectionKind) *flow {
	for _, each := range flows() {
		if each.kind == kind {
			return &each
		}
	}
	return nil
}

// inWeChat reports whether a browser is that of WeChat. WeCom's also says so, and has no official accounts.
func inWeChat(userAgent string) bool {
	return strings.Contains(userAgent, "MicroMessenger") && !strings.Contains(userAgent, "wxwork")
}

// Ways are the buttons of the login page. Each works in a directory with an enabled connection.
func (s *Service) Ways() []account.Way {
	var ways []account.Way
	for _, each := range flows() {
		ways = append(ways, account.Way{
			Method: each.method, Path: each.path, Text: each.text, Begin: true,
			Works: func(r *endpoint.Request, _ *authorize.Pending) (bool, error) {
				if !each.works(r.UserAgent()) {
					return false, nil
				}
				_, err := s.Connections.OfKind(r.Context(), r.Issuer, each.kind)
				if errors.Is(err, storage.ErrNotFound) {
					return false, nil
				}
				return err == nil, err
			},
		})
	}
	return ways
}
