package grants_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/compose"
	"github.com/ory/fosite/handler/openid"
	"github.com/ory/fosite/storage"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/wechat"
)

// fixedUser is the smallest resolver: the same user for every code.
type fixedUser struct{ id string }

// ResolveSubject implements grants.SubjectResolver.
func (u fixedUser) ResolveSubject(context.Context, grants.Exchange, wechat.Session) (grants.Subject, error) {
	return grants.Subject{ID: u.id}, nil
}

// oneCode is a grants.CodeExchanger for tests: it accepts one code and calls nothing.
type oneCode struct{ code string }

// ExchangeCode implements grants.CodeExchanger.
func (c oneCode) ExchangeCode(_ context.Context, _ fosite.Client, code string) (wechat.Session, error) {
	if code != c.code {
		return wechat.Session{}, &wechat.Error{API: "code2Session", Code: 40029, Class: wechat.ClassCode}
	}
	return wechat.Session{OpenID: "oAlice"}, nil
}

// A server can validate codes in its own way, for example in a test.
func ExampleCodeExchanger() {
	var exchanger grants.CodeExchanger = oneCode{code: "0a1b2c"}
	session, err := exchanger.ExchangeCode(context.Background(), nil, "0a1b2c")
	fmt.Println(session.OpenID, err)
	_, err = exchanger.ExchangeCode(context.Background(), nil, "another")
	fmt.Println(err)
	// Output:
	// oAlice <nil>
	// wechat: code2Session: errcode 40029
}

// WeChatExchanger calls WeChat with the credential of the client's mini-program. Its Client is a *wechat.Client in production;
// any grants.Code2Session works.
func ExampleWeChatExchanger() {
	var calls grants.Code2Session = callFunc(func(app wechat.App, code string) (wechat.Session, error) {
		fmt.Println("WeChat is called for", app.ID, "with", code)
		return wechat.Session{OpenID: "oAlice"}, nil
	})
	apps := map[string]wechat.App{"shop": {ID: "wx0123456789abcdef", Secret: "from a file"}}
	exchanger := grants.WeChatExchanger{
		Client: calls,
		App: func(_ context.Context, client fosite.Client) (wechat.App, error) {
			app, registered := apps[client.GetID()]
			if !registered {
				return wechat.App{}, fosite.ErrUnauthorizedClient
			}
			return app, nil
		},
	}
	session, err := exchanger.ExchangeCode(context.Background(), &fosite.DefaultClient{ID: "shop"}, "0a1b2c")
	fmt.Println(session.OpenID, err)
	// Output:
	// WeChat is called for wx0123456789abcdef with 0a1b2c
	// oAlice <nil>
}

// callFunc is a function as a grants.Code2Session.
type callFunc func(wechat.App, string) (wechat.Session, error)

// Code2Session implements grants.Code2Session.
func (f callFunc) Code2Session(_ context.Context, app wechat.App, code string) (wechat.Session, error) {
	return f(app, code)
}

// A wiring fault is an error at the start of the server. Here the strategy cannot sign ID tokens.
func ExampleMiniProgramConfig_Check() {
	settings := &fosite.Config{GlobalSecret: []byte("some secret of thirty-two bytes!")}
	grant := grants.MiniProgramConfig{Exchanger: oneCode{code: "0a1b2c"}, Resolver: fixedUser{id: "1"}}
	err := grant.Check(storage.NewMemoryStore(), compose.NewOAuth2HMACStrategy(settings), openid.NewDefaultSession())
	fmt.Println(err)
	// Output:
	// grants: strategy *oauth2.HMACSHAStrategy is not an openid.OpenIDConnectTokenStrategy (compose.CommonStrategy is)
}

// The factory creates a MiniProgramHandler. A server that composes its own handlers can wrap it.
func ExampleMiniProgramHandler() {
	settings := &fosite.Config{GlobalSecret: []byte("some secret of thirty-two bytes!")}
	factory := grants.NewMiniProgramFactory(grants.MiniProgramConfig{Exchanger: oneCode{code: "0a1b2c"}, Resolver: fixedUser{id: "1"}})
	created := factory(settings, storage.NewMemoryStore(), compose.CommonStrategy{
		CoreStrategy: compose.NewOAuth2HMACStrategy(settings),
		OpenIDConnectTokenStrategy: compose.NewOpenIDConnectStrategy(func(context.Context) (any, error) {
			return nil, errors.New("this example signs nothing")
		}, settings),
	})
	handler, _ := created.(*grants.MiniProgramHandler)
	for _, grantType := range []string{grants.GrantType, "authorization_code"} {
		request := fosite.NewAccessRequest(openid.NewDefaultSession())
		request.GrantTypes = fosite.Arguments{grantType}
		fmt.Println(grantType, handler.CanHandleTokenEndpointRequest(context.Background(), request))
	}
	// Output:
	// urn:ietf:params:oauth:grant-type:token-exchange true
	// authorization_code false
}

// remembered is a resolver that stores which code gave which grant, as a database would.
type remembered struct {
	fixedUser
	grants map[string]grants.Subject
}

// ResolveSubject implements grants.SubjectResolver: the ID of the grant follows from client and code.
func (r remembered) ResolveSubject(_ context.Context, request grants.Exchange, _ wechat.Session) (grants.Subject, error) {
	id := request.Client.GetID() + "." + request.Code // In production: an HMAC of both.
	r.grants[id] = grants.Subject{ID: r.id, GrantID: id}
	return r.grants[id], nil
}

// ResolveReplay implements grants.ReplayResolver: it finds the grant of an earlier exchange, without WeChat.
func (r remembered) ResolveReplay(_ context.Context, request grants.Exchange) (grants.Subject, bool, error) {
	subject, exchanged := r.grants[request.Client.GetID()+"."+request.Code]
	return subject, exchanged, nil
}

// A resolver that is also a ReplayResolver lets a client repeat a request after a lost response.
func ExampleReplayResolver() {
	resolver := remembered{fixedUser: fixedUser{id: "1"}, grants: map[string]grants.Subject{}}
	var _ grants.SubjectResolver = resolver
	var replays grants.ReplayResolver = resolver

	request := grants.Exchange{Client: &fosite.DefaultClient{ID: "shop"}, Code: "0a1b2c", Scopes: []string{"openid"}}
	_, exchanged, err := replays.ResolveReplay(context.Background(), request)
	fmt.Println(exchanged, err)
	if _, err := resolver.ResolveSubject(context.Background(), request, wechat.Session{OpenID: "oAlice"}); err != nil {
		fmt.Println(err)
	}
	subject, exchanged, err := replays.ResolveReplay(context.Background(), request)
	fmt.Println(subject.ID, exchanged, err)
	// Output:
	// false <nil>
	// 1 true <nil>
}

// A resolver returns an Error when the end-user may not sign in. The constructors cover the usual reasons.
func ExampleError() {
	for _, e := range []*grants.Error{
		grants.NewCode("This code is of another mini-program.", nil),
		grants.RepeatDiffers(),
		grants.RegistrationRequired("ticket", 5*time.Minute),
		grants.UserDisabled(),
		grants.DeletionPending(),
		grants.TermsRequired("Accept the terms."),
		grants.GuardianConsentRequired(),
		grants.Blocked(nil),
		grants.Retry(nil),
		grants.RateLimited(nil),
		grants.Misconfigured(nil),
	} {
		members := e.Members()
		fmt.Println(e.Protocol.CodeField, members["error"], members["reason"], e.RetryAfter)
	}
	// Output:
	// 400 invalid_request new_code 0s
	// 400 invalid_request repeat_differs 0s
	// 400 registration_required <nil> 0s
	// 403 access_denied user_disabled 0s
	// 403 access_denied deletion_pending 0s
	// 403 access_denied terms_required 0s
	// 403 access_denied guardian_consent_required 0s
	// 403 access_denied blocked 0s
	// 503 temporarily_unavailable retry 5s
	// 429 temporarily_unavailable rate_limited 1m0s
	// 500 server_error misconfigured 0s
}

// FromWeChat maps a failed call to the response of the token endpoint. The cause stays for the operator's log.
func ExampleFromWeChat() {
	failure := grants.FromWeChat(&wechat.Error{API: "code2Session", Code: 40125, Class: wechat.ClassConfig})
	fmt.Println(failure)
	fmt.Println(failure.Members()["reason"])
	// Output:
	// grants: server_error (misconfigured): wechat: code2Session: errcode 40125
	// misconfigured
}

// plainWriter is a server's own error page for errors without a reason.
type plainWriter struct{}

// WriteAccessError implements grants.AccessErrorWriter.
func (plainWriter) WriteAccessError(_ context.Context, w http.ResponseWriter, _ fosite.Requester, err error) {
	http.Error(w, err.Error(), http.StatusBadRequest)
}

// WriteAccessError writes an Error with its reason; the provider, which can be any AccessErrorWriter, writes all others.
func ExampleWriteAccessError() {
	var provider grants.AccessErrorWriter = plainWriter{}
	recorder := httptest.NewRecorder()
	grants.WriteAccessError(context.Background(), provider, recorder, nil, grants.UserDisabled())
	fmt.Println(recorder.Code, recorder.Body)
	// Output:
	// 403 {"error":"access_denied","error_description":"This user is disabled. Only the operator of this server can enable the user again.","reason":"user_disabled"}
}

// CheckLoginCode finds a likely mistake before WeChat is called.
func ExampleCheckLoginCode() {
	err := grants.CheckLoginCode(url.Values{"js_code": {"0a1b2c"}}, "subject_token")
	failure, _ := errors.AsType[*grants.Error](err)
	fmt.Println(failure.Members()["error_description"])
	// Output:
	// subject_token is missing. The request has js_code: send the code that wx.login returned as subject_token.
}

// AccessTokenHash is for servers that write ID tokens themselves (OpenID Connect Core §3.1.3.6).
func ExampleAccessTokenHash() {
	fmt.Println(grants.AccessTokenHash("RS256", "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"))
	// Output: 77QmUPtjPfzWtF2AnpK9RQ
}

// CheckNativeAppCode finds a missing code of a mobile app before WeChat is called.
func ExampleCheckNativeAppCode() {
	err := grants.CheckNativeAppCode(url.Values{}, "code")
	if failure, ok := errors.AsType[*grants.Error](err); ok {
		fmt.Println(failure.Protocol.DescriptionField)
	}
	// Output: code is missing. Send the code that SendAuth of WeChat's SDK returned.
}
