package grants_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/wechat"
)

// TestError_MapsToTokenResponse has a line for each failure after the request itself was accepted.
func TestError_MapsToTokenResponse(t *testing.T) {
	code2Session := func(code int, class wechat.Class) func(*server) {
		return func(s *server) {
			s.wechat.failure = &wechat.Error{API: "code2Session", Code: code, Class: class, RID: "rid-1"}
		}
	}
	exchanger := func(err error) func(*server) { return func(s *server) { s.wechat.failure = err } }
	resolver := func(err error) func(*server) { return func(s *server) { s.users.failure = err } }
	tests := []struct {
		name       string
		adjust     func(*server)
		status     int
		code       string
		reason     string
		retryAfter string
	}{
		{"code malformed or unknown (40029)", code2Session(40029, wechat.ClassCode), 400, "invalid_request", "new_code", ""},
		{"code used (40163)", code2Session(40163, wechat.ClassCode), 400, "invalid_request", "new_code", ""},
		{"code expired (42003)", code2Session(42003, wechat.ClassCode), 400, "invalid_request", "new_code", ""},
		{"an errcode that is not known", code2Session(99999, wechat.ClassUnknown), 400, "invalid_request", "new_code", ""},
		{"response lost on the way", code2Session(0, wechat.ClassAmbiguous), 400, "invalid_request", "new_code", ""},
		{"deadline of an exchanger of one's own", exchanger(fmt.Errorf("mine: %w", context.DeadlineExceeded)), 400, "invalid_request", "new_code", ""},
		{"repeat with other parameters", resolver(grants.RepeatDiffers()), 400, "invalid_request", "repeat_differs", ""},
		{"unknown person", resolver(grants.RegistrationRequired("bt-1", 5*time.Minute)), 400, "registration_required", "", ""},
		{"user disabled", resolver(grants.UserDisabled()), 403, "access_denied", "user_disabled", ""},
		{"blocked by WeChat (40226)", code2Session(40226, wechat.ClassBlocked), 403, "access_denied", "blocked", ""},
		{"nothing was sent", code2Session(0, wechat.ClassUnsent), 503, "temporarily_unavailable", "retry", "5"},
		{"-1 twice", code2Session(-1, wechat.ClassBusy), 503, "temporarily_unavailable", "retry", "5"},
		{"app access token void", code2Session(40001, wechat.ClassToken), 503, "temporarily_unavailable", "retry", "5"},
		{"over quota (45011)", code2Session(45011, wechat.ClassRate), 429, "temporarily_unavailable", "rate_limited", "60"},
		{"AppID wrong (40013)", code2Session(40013, wechat.ClassConfig), 500, "server_error", "misconfigured", ""},
		{"AppSecret wrong (40125)", code2Session(40125, wechat.ClassConfig), 500, "server_error", "misconfigured", ""},
		{"IP list wrong (40164)", code2Session(40164, wechat.ClassConfig), 500, "server_error", "misconfigured", ""},
		{"exchanger fails with another error", exchanger(errors.New("no such table")), 500, "server_error", "", ""},
		{"exchanger returns a protocol error", exchanger(fmt.Errorf("mine: %w", grants.Misconfigured(nil))), 500, "server_error", "misconfigured", ""},
		{"resolver fails with another error", resolver(errors.New("no such table")), 500, "server_error", "", ""},
		{"resolver returns fosite's error", resolver(fosite.ErrTemporarilyUnavailable), 503, "temporarily_unavailable", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := newServer(t, tt.adjust).post(t, t.Context(), exchange("good"))
			if got.status != tt.status || got.member("error") != tt.code || got.member("reason") != tt.reason {
				t.Errorf("response is %d %s, want %d %s %s", got.status, got.text, tt.status, tt.code, tt.reason)
			}
			if after := got.header.Get("Retry-After"); after != tt.retryAfter {
				t.Errorf("Retry-After is %q, want %q", after, tt.retryAfter)
			}
			if got.header.Get("Cache-Control") != "no-store" || got.header.Get("Content-Type") != "application/json;charset=UTF-8" {
				t.Errorf("headers are %v", got.header)
			}
			checkDescription(t, got)
			for _, secret := range []string{"good", "rid-1", "table", "40"} {
				if strings.Contains(got.text, secret) {
					t.Errorf("the description is %q: %s", secret, got.text)
				}
			}
		})
	}
}

// checkDescription checks the characters of error_description (RFC 6749 §5.2).
func checkDescription(t testing.TB, got tokenResponse) {
	t.Helper()
	description := got.member("error_description")
	if description == "" {
		t.Errorf("no error_description: %s", got.text)
	}
	for _, r := range description {
		if r < 0x20 || r > 0x7e || r == '"' || r == '\\' {
			t.Errorf("error_description has the character %q: %s", r, description)
		}
	}
}

func TestRegistrationRequired_ReturnsTicket(t *testing.T) {
	s := newServer(t, func(s *server) { s.users.failure = grants.RegistrationRequired("bt-1", 5*time.Minute) })
	got := s.post(t, t.Context(), exchange("good"))
	if got.member("bind_ticket") != "bt-1" || got.body["expires_in"] != 300.0 {
		t.Errorf("response is %s", got.text)
	}
}

func TestError_PreservesCauseForOperator(t *testing.T) {
	cause := &wechat.Error{API: "code2Session", Code: 40125, Class: wechat.ClassConfig, RID: "rid-1"}
	err := fmt.Errorf("outer: %w", grants.FromWeChat(cause))
	if found, ok := errors.AsType[*wechat.Error](err); !ok || found.RID != "rid-1" {
		t.Errorf("no *wechat.Error in %v", err)
	}
	if found, ok := errors.AsType[*fosite.RFC6749Error](err); !ok || found.ErrorField != "server_error" {
		t.Errorf("no *fosite.RFC6749Error in %v", err)
	}
	if !errors.Is(err, fosite.ErrServerError) {
		t.Errorf("%v is not fosite.ErrServerError", err)
	}
	if text := err.Error(); !strings.Contains(text, "misconfigured") || !strings.Contains(text, "40125") {
		t.Errorf("the operator reads %q", text)
	}
}

// A server that does not use WriteAccessError writes what RFC 6749 requires.
func TestError_WorksWithFositesWriter(t *testing.T) {
	rw := httptest.NewRecorder()
	provider := fosite.NewOAuth2Provider(nil, &fosite.Config{})
	provider.WriteAccessError(t.Context(), rw, nil, grants.RateLimited(nil))
	if rw.Code != 429 || !strings.Contains(rw.Body.String(), `"temporarily_unavailable"`) {
		t.Errorf("fosite returns %d %s", rw.Code, rw.Body)
	}
}

func TestWriteAccessError_DelegatesOtherErrors(t *testing.T) {
	provider := fosite.NewOAuth2Provider(nil, &fosite.Config{})
	ours, theirs := httptest.NewRecorder(), httptest.NewRecorder()
	grants.WriteAccessError(t.Context(), provider, ours, nil, fosite.ErrInvalidGrant)
	provider.WriteAccessError(t.Context(), theirs, nil, fosite.ErrInvalidGrant)
	if ours.Body.String() != theirs.Body.String() || ours.Code != theirs.Code {
		t.Errorf("response is %s, fosite's is %s", ours.Body, theirs.Body)
	}
}

func TestWriteAccessError_HandlesInvalidMembers(t *testing.T) {
	rw := httptest.NewRecorder()
	e := grants.UserDisabled()
	e.Extra = map[string]any{"bad": func() {}}
	grants.WriteAccessError(t.Context(), fosite.NewOAuth2Provider(nil, &fosite.Config{}), rw, nil, e)
	if rw.Code != 500 || !json.Valid(rw.Body.Bytes()) {
		t.Errorf("response is %d %s", rw.Code, rw.Body)
	}
}

func TestError_MembersAreEscaped(t *testing.T) {
	e := &grants.Error{Protocol: fosite.ErrInvalidRequest.WithDescription("a\"b\\c\r\nd\x7f码").WithHint(""), Extra: map[string]any{"error": "x"}}
	members := e.Members()
	if members["error_description"] != "a'b'c  d ?" || members["error"] != "invalid_request" {
		t.Errorf("members are %q", members)
	}
	members["request_id"] = "r-1"
	if len(e.Extra) != 1 {
		t.Errorf("a member that the writer added stays in the error: %v", e.Extra)
	}
}
