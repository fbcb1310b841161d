package grants_test

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/ory/fosite"
	"github.com/ory/fosite/compose"
	"github.com/ory/fosite/handler/oauth2"
	"github.com/ory/fosite/handler/openid"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/wechat"
)

// The package is for any fosite server: it must not import the rest of minifed.
func TestImports_OnlyWechatOfThisModule(t *testing.T) {
	const module = "github.com/minifed/minifed/"
	list, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var ours []string
	for dependency := range strings.FieldsSeq(string(list)) {
		if strings.HasPrefix(dependency, module) {
			ours = append(ours, strings.TrimPrefix(dependency, module))
		}
	}
	if got := strings.Join(ours, " "); got != "wechat grants" {
		t.Errorf("packages of the module are %q, want wechat and grants", got)
	}
	direct, err := exec.CommandContext(t.Context(), "go", "list", "-f", `{{join .Imports " "}}`, ".").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for imported := range strings.FieldsSeq(string(direct)) {
		first, _, _ := strings.Cut(imported, "/")
		if strings.Contains(first, ".") && imported != module+"wechat" && !strings.HasPrefix(imported, "github.com/ory/fosite") {
			t.Errorf("imports %s", imported)
		}
	}
}

// A server with a wiring fault names what is missing, and its other grants work.
func TestGrant_WiringFaultIsServerError(t *testing.T) {
	tests := []struct {
		name   string
		adjust func(*server)
		want   string
	}{
		{"no exchanger", func(s *server) { s.grant.Exchanger = nil }, "Exchanger"},
		{"no resolver", func(s *server) { s.grant.Resolver = nil }, "Resolver"},
		{"session without SetSubject", func(s *server) { s.newSession = func() fosite.Session { return bare{} } }, "SetSubject"},
		{"session without ID token", func(s *server) { s.newSession = func() fosite.Session { return new(oauth2.JWTSession) } }, "openid.Session"},
		{"default audience that is not the client's", func(s *server) {
			s.grant.DefaultAudience = func(context.Context, fosite.Client) []string { return []string{"https://bank.example"} }
		}, "default audience"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newServer(t, tt.adjust, func(s *server) { s.config.SendDebugMessagesToClients = true })
			err := s.handle(t.Context(), exchange("good"))
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("the operator reads %q, want %s in it", err, tt.want)
			}
			got := s.post(t, t.Context(), exchange("good"))
			if got.status != 500 || got.member("error") != "server_error" || strings.Contains(got.text, tt.want) {
				t.Errorf("the client reads %d %s", got.status, got.text)
			}
			if s.wechat.calls.Load() != 0 {
				t.Error("the code is burnt")
			}
		})
	}
}

func TestFactory_NamesTheMissingInterface(t *testing.T) {
	type accessOnly struct{ oauth2.AccessTokenStorage }
	type accessStrategyOnly struct{ oauth2.AccessTokenStrategy }
	s := newServer(t)
	tests := []struct {
		name              string
		storage, strategy any
		want              string
	}{
		{"no storage", nil, s.strategy, "oauth2.AccessTokenStorage"},
		{"storage without refresh tokens", accessOnly{}, s.strategy, "oauth2.RefreshTokenStorage"},
		{"no strategy", s.memory, nil, "oauth2.AccessTokenStrategy"},
		{"strategy without refresh tokens", s.memory, accessStrategyOnly{}, "oauth2.RefreshTokenStrategy"},
		{"strategy without ID tokens", s.memory, compose.NewOAuth2HMACStrategy(s.config), "openid.OpenIDConnectTokenStrategy"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			handler := grants.NewMiniProgramFactory(s.grant)(s.config, tt.storage, tt.strategy).(fosite.TokenEndpointHandler)
			request := fosite.NewAccessRequest(openid.NewDefaultSession())
			request.GrantTypes = fosite.Arguments{grants.GrantType}
			for name, err := range map[string]error{
				"handle":   handler.HandleTokenEndpointRequest(t.Context(), request),
				"populate": handler.PopulateTokenEndpointResponse(t.Context(), request, fosite.NewAccessResponse()),
			} {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("%s: %v, want %s in it", name, err, tt.want)
				}
			}
		})
	}
}

func TestCheck_NamesWhatTheWiringLacks(t *testing.T) {
	type accessOnly struct{ oauth2.AccessTokenStorage }
	s := newServer(t)
	without := func(change func(*grants.MiniProgramConfig)) grants.MiniProgramConfig {
		changed := s.grant
		change(&changed)
		return changed
	}
	tests := []struct {
		name              string
		config            grants.MiniProgramConfig
		storage, strategy any
		session           fosite.Session
		want              string
	}{
		{"nothing", s.grant, s.memory, s.strategy, openid.NewDefaultSession(), ""},
		{"exchanger", without(func(c *grants.MiniProgramConfig) { c.Exchanger = nil }), s.memory, s.strategy, openid.NewDefaultSession(), "Exchanger"},
		{"resolver", without(func(c *grants.MiniProgramConfig) { c.Resolver = nil }), s.memory, s.strategy, openid.NewDefaultSession(), "Resolver"},
		{"refresh tokens", s.grant, accessOnly{}, s.strategy, openid.NewDefaultSession(), "oauth2.RefreshTokenStorage"},
		{"ID tokens", s.grant, s.memory, compose.NewOAuth2HMACStrategy(s.config), openid.NewDefaultSession(), "openid.OpenIDConnectTokenStrategy"},
		{"subject", s.grant, s.memory, s.strategy, bare{}, "SetSubject"},
		{"ID token claims", s.grant, s.memory, s.strategy, new(oauth2.JWTSession), "openid.Session"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.config.Check(tt.storage, tt.strategy, tt.session)
			if tt.want == "" {
				if err != nil {
					t.Errorf("complete wiring: %v", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error that names %s", err, tt.want)
			}
		})
	}
}

func TestHandler_IgnoresOtherGrants(t *testing.T) {
	s := newServer(t)
	handler := grants.NewMiniProgramFactory(s.grant)(s.config, s.memory, s.strategy).(fosite.TokenEndpointHandler)
	request := fosite.NewAccessRequest(openid.NewDefaultSession())
	request.GrantTypes = fosite.Arguments{"client_credentials"}
	if handler.CanHandleTokenEndpointRequest(t.Context(), request) {
		t.Error("handles client_credentials")
	}
	if err := handler.HandleTokenEndpointRequest(t.Context(), request); !errors.Is(err, fosite.ErrUnknownRequest) {
		t.Errorf("handle: %v", err)
	}
	if err := handler.PopulateTokenEndpointResponse(t.Context(), request, fosite.NewAccessResponse()); !errors.Is(err, fosite.ErrUnknownRequest) {
		t.Errorf("populate: %v", err)
	}
}

func TestPopulate_RejectsUnhandledRequest(t *testing.T) {
	s := newServer(t)
	handler := grants.NewMiniProgramFactory(s.grant)(s.config, s.memory, s.strategy).(fosite.TokenEndpointHandler)
	request := fosite.NewAccessRequest(openid.NewDefaultSession())
	request.GrantTypes = fosite.Arguments{grants.GrantType}
	response := fosite.NewAccessResponse()
	if err := handler.PopulateTokenEndpointResponse(t.Context(), request, response); err == nil || response.AccessToken != "" {
		t.Errorf("populate: %v, access token %q", err, response.AccessToken)
	}
}

func TestResolver_EmptySubjectIsServerError(t *testing.T) {
	s := newServer(t)
	s.wechat.users = map[string]wechat.OpenID{"good": ""}
	if got := s.post(t, t.Context(), exchange("good")); got.status != 500 || got.member("error") != "server_error" {
		t.Errorf("response is %d %s", got.status, got.text)
	}
}

func TestSubject_InvalidResponseIsServerError(t *testing.T) {
	s := newServer(t, func(s *server) { s.users.subject.Response = map[string]any{"bad": func() {}} })
	if got := s.post(t, t.Context(), exchange("good")); got.status != 500 || got.member("error") != "server_error" {
		t.Errorf("response is %d %s", got.status, got.text)
	}
}

// bare is a session without ID token claims.
type bare struct{ fosite.Session }
