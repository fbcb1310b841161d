package server

import (
	"context"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/storage"
)

// What is left out of fosite's configuration would be decided by fosite, perhaps differently in its next version.
func TestEveryFieldOfFositesConfigurationIsSet(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "provider.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	set := map[string]bool{}
	ast.Inspect(file, func(node ast.Node) bool {
		literal, ok := node.(*ast.CompositeLit)
		if !ok {
			return true
		}
		if typ, ok := literal.Type.(*ast.SelectorExpr); !ok || typ.Sel.Name != "Config" {
			return true
		}
		for _, element := range literal.Elts {
			if pair, ok := element.(*ast.KeyValueExpr); ok {
				set[pair.Key.(*ast.Ident).Name] = true
			}
		}
		return true
	})
	typ := reflect.TypeFor[fosite.Config]()
	for i := range typ.NumField() {
		if name := typ.Field(i).Name; !set[name] {
			t.Errorf("%s is not set", name)
		}
	}
}

func TestErrorsOfLibrariesBecomeRegisteredOnes(t *testing.T) {
	for _, row := range []struct {
		name   string
		err    error
		code   string
		status int
	}{
		{"jti seen before", fosite.ErrJTIKnown, "invalid_client", 401},
		{"unauthorized request", fosite.ErrRequestUnauthorized, "invalid_client", 401},
		{"short state", fosite.ErrInvalidState, "invalid_request", 400},
		{"little entropy", fosite.ErrInsufficientEntropy, "invalid_request", 400},
		{"scope not granted", fosite.ErrScopeNotGranted, "invalid_grant", 400},
		{"inactive token", fosite.ErrInactiveToken, "invalid_grant", 400},
		{"forbidden", fosite.ErrRequestForbidden, "access_denied", 403},
		{"misconfigured", fosite.ErrMisconfiguration, "server_error", 500},
		{"a code that another request redeemed", fosite.ErrServerError.WithWrap(fosite.ErrInvalidatedAuthorizeCode), "invalid_grant", 400},
		{"a token that another request rotated", fosite.ErrInvalidRequest.WithWrap(fosite.ErrInactiveToken), "invalid_grant", 400},
		{"no such client", fosite.ErrInvalidClient.WithWrap(fosite.ErrNotFound), "invalid_client", 401},
		{"the store is down", fosite.ErrServerError.WithWrap(storage.ErrUnavailable), "temporarily_unavailable", 503},
		{"the store is down, says the grant", &grants.Error{Protocol: fosite.ErrServerError.WithWrap(storage.ErrUnavailable)}, "temporarily_unavailable", 503},
		{"a newer record", storage.ErrNewerVersion, "temporarily_unavailable", 503},
		{"stale keys", keys.ErrStale, "temporarily_unavailable", 503},
		{"a write to be decided again", fosite.ErrServerError.WithWrap(fosite.ErrSerializationFailure), "temporarily_unavailable", 503},
		{"no time left", context.DeadlineExceeded, "temporarily_unavailable", 503},
		{"anything else", errors.New("secret detail"), "server_error", 500},
	} {
		t.Run(row.name, func(t *testing.T) {
			problem := problemOf(row.err)
			if problem.Protocol.ErrorField != row.code || problem.Protocol.CodeField != row.status {
				t.Errorf("got %s %d", problem.Protocol.ErrorField, problem.Protocol.CodeField)
			}
			if text := problem.Members()["error_description"]; text == "" || strings.Contains(text.(string), "secret detail") {
				t.Errorf("the client is told %q", text)
			}
		})
	}
}

func TestAnErrorThatRequestsShareIsNotChanged(t *testing.T) {
	shared := &grants.Error{Protocol: &fosite.RFC6749Error{ErrorField: "misconfiguration", CodeField: 500}}
	var calls sync.WaitGroup
	for range 8 {
		calls.Go(func() { problemOf(shared) })
	}
	calls.Wait()
	if shared.Protocol.ErrorField != "misconfiguration" {
		t.Error("it was changed")
	}
}

// source is what a cache loads from.
type source struct {
	mu    sync.Mutex
	value string
	err   error
	loads int
	gate  chan struct{}
}

func (s *source) load(context.Context, string) (string, error) {
	if s.gate != nil {
		<-s.gate
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loads++
	return s.value, s.err
}

func TestACacheForgetsAfterFiveSecondsAndKeepsNoMisses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from := &source{err: storage.ErrNotFound}
		c := newCache(time.Now, from.load)
		ask := func() (string, error) { return c.get(t.Context(), "key") }
		if _, err := ask(); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("got %v", err)
		}
		from.err, from.value = nil, "one"
		if got, err := ask(); got != "one" || err != nil {
			t.Errorf("a miss was kept: %q, %v", got, err)
		}
		from.value = "two"
		time.Sleep(4900 * time.Millisecond)
		if got, _ := ask(); got != "one" {
			t.Errorf("got %q", got)
		}
		time.Sleep(200 * time.Millisecond)
		if got, _ := ask(); got != "two" {
			t.Errorf("got %q", got)
		}
		// The store is down: what is young enough is served, then only those who are content with old values are.
		from.err = storage.ErrUnavailable
		if got, err := ask(); got != "two" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
		time.Sleep(time.Hour)
		if _, err := ask(); !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
		if got, err := c.last(t.Context(), "key"); got != "two" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
		// What was deleted is gone at once for everybody.
		from.err = storage.ErrNotFound
		if _, err := c.last(t.Context(), "key"); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("got %v", err)
		}
		from.err = storage.ErrUnavailable
		if _, err := c.last(t.Context(), "key"); !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
	})
}

func TestCallersOfACacheShareOneLoadWhoeverHangsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from := &source{value: "one", gate: make(chan struct{})}
		c := newCache(time.Now, from.load)
		ctx, hangUp := context.WithCancel(t.Context())
		var calls sync.WaitGroup
		for i := range 16 {
			calls.Go(func() {
				asking := t.Context()
				if i == 0 {
					asking = ctx
				}
				if got, err := c.get(asking, "key"); got != "one" || err != nil {
					t.Errorf("got %q, %v", got, err)
				}
			})
		}
		synctest.Wait()
		hangUp()
		close(from.gate)
		calls.Wait()
		if from.loads != 1 {
			t.Errorf("%d loads", from.loads)
		}
	})
}

func TestACacheIsBounded(t *testing.T) {
	c := newCache(time.Now, func(_ context.Context, key string) (string, error) { return key, nil })
	for i := range 2 * cacheSize {
		if got, err := c.get(t.Context(), string(rune(i+1000))); got == "" || err != nil {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	if len(c.entries) > cacheSize {
		t.Errorf("%d entries", len(c.entries))
	}
}

func TestALatchLetsOneRequestFinishFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLatches()
		leave, err := l.enter(t.Context(), latchKey{code: "code"})
		if err != nil {
			t.Fatal(err)
		}
		entered := make(chan error, 2)
		go func() {
			leave, err := l.enter(t.Context(), latchKey{code: "code"})
			leave()
			entered <- err
		}()
		impatient, giveUp := context.WithCancel(t.Context())
		go func() {
			_, err := l.enter(impatient, latchKey{code: "code"})
			entered <- err
		}()
		if other, err := l.enter(t.Context(), latchKey{code: "another"}); err != nil {
			t.Error(err)
		} else {
			other()
		}
		giveUp()
		if err := <-entered; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		leave()
		if err := <-entered; err != nil {
			t.Error(err)
		}
		if len(l.open) != 0 {
			t.Errorf("%d latches are left", len(l.open))
		}
	})
}

func TestClaimsSupportedAreThoseThatAreAnswered(t *testing.T) {
	supported := map[string]bool{}
	for _, name := range claimsSupported() {
		if supported[name] {
			t.Errorf("%s is listed twice", name)
		}
		supported[name] = true
	}
	for _, name := range []string{"sub", "name", "updated_at", "preferred_username", "email", "email_verified", "phone_number", "phone_number_verified", "address", "at_hash", "sid"} {
		if !supported[name] {
			t.Errorf("%s is not listed", name)
		}
	}
}

func FuzzMembersAreReadTheSameByEveryParser(f *testing.F) {
	for _, seed := range []string{
		`{"code":"x","user":{"nickname":"a"}}`, `{"code":"x","code":"y"}`, `{"audience":["a","b"],"scope":null}`, `[]`, `null`, `{"a":[[[[]]]]}`, "{\"code\":\"\xff\"}",
	} {
		f.Add([]byte(seed))
	}
	shape := doorMembers()
	f.Fuzz(func(t *testing.T, body []byte) {
		form, err := shape.parse(body)
		if err != nil {
			return
		}
		var all map[string]any
		if json.Unmarshal(body, &all) != nil {
			t.Fatalf("accepted what is no JSON object: %q", body)
		}
		for name, values := range form {
			if text, ok := all[name].(string); ok && values[0] != text {
				t.Errorf("%s is %q and %q", name, values[0], text)
			}
		}
	})
}

func FuzzPlainPathsHaveOneSpelling(f *testing.F) {
	for _, seed := range []string{"/oauth2/token", "//x", "/a/../b", "/%2e", "/a%2Fb", "/d/acme/oauth2/jwks", "/\\", "/;x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		parsed, err := url.ParseRequestURI(raw)
		if err != nil {
			return
		}
		r := &http.Request{URL: parsed}
		if !plainPath(r) {
			return
		}
		path := parsed.Path
		if again, err := url.ParseRequestURI(path); err != nil || again.Path != path || strings.Contains(path, "//") || strings.Contains(path+"/", "/../") || strings.Contains(path+"/", "/./") {
			t.Errorf("%q is not plain", raw)
		}
	})
}

func FuzzReadFormNeverAcceptsARepeatedParameter(f *testing.F) {
	for _, seed := range []string{"a=1&b=2", "a=1&a=2", "a=%zz", "a=1;b=2", "a=%ff", "resource=1&resource=2"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequest(http.MethodPost, "/oauth2/token", strings.NewReader(body))
		r.Header.Set("Content-Type", formType)
		r = r.WithContext((&call{}).in(r.Context()))
		form, err := readForm(r, "resource")
		if err != nil {
			return
		}
		for name, values := range form {
			if len(values) != 1 && name != "resource" {
				t.Errorf("%q has %d values", name, len(values))
			}
		}
	})
}
