package server_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/audit/audittest"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/server"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/sqlite"
	"github.com/minifed/minifed/storage/storagetest"
	"github.com/minifed/minifed/wechat"
)

// noWeChat is for servers at which no mini-program signs in.
type noWeChat struct{ server.WeChat }

func (noWeChat) Code2Session(context.Context, wechat.App, string) (wechat.Session, error) {
	return wechat.Session{}, http.ErrNotSupported
}

func (noWeChat) PhoneNumber(context.Context, wechat.App, string) (wechat.PhoneNumber, error) {
	return wechat.PhoneNumber{}, http.ErrNotSupported
}

// ssoBench is a provider in this process with a signed-in browser.
type ssoBench struct {
	*server.Server
	ring   *keys.Ring
	cookie string
	// request is the authorization request.
	request url.Values
}

func newSSOBench(b *testing.B, engine storage.Engine) *ssoBench {
	b.Helper()
	master := must(newMaster())(b)
	config := keys.Config{Engine: engine, Master: master, Now: time.Now, Random: rand.Reader, Logger: slog.New(slog.DiscardHandler)}
	ring, secrets := must(keys.NewRing(config))(b), must(keys.NewSecrets(config))(b)
	directory := storage.Directory{ID: "default", Name: "Default", Policy: storage.Policy{Documents: storage.DocumentsHosts, DocumentHosts: []string{"agent.example.com"}}}
	must(storage.Insert(b.Context(), engine, directory))(b)
	check(b, ring.EnsureDirectory(b.Context(), directory))
	check(b, secrets.Ensure(b.Context(), directory.ID))
	must(storage.Insert(b.Context(), engine, storage.User{Directory: "default", ID: "alice", Status: storage.UserActive}))(b)
	must(storage.Insert(b.Context(), engine, storage.Client{
		Directory: "default", ID: "spa", Kind: storage.ClientSPA, AuthMethod: "none", RedirectURIs: []string{spaRedirect},
		Scopes: []string{"openid"}, FirstParty: true, IDTokenAlgorithm: "ES256", GrantTypes: []string{"authorization_code", "refresh_token"},
	}))(b)
	addDocumentClient(b, engine)
	provider := must(server.New(server.Config{
		PublicURL: "https://id.example", DefaultDirectory: "default", Engine: engine, Audit: audittest.New(b, engine, time.Now), Keys: ring, Secrets: secrets, Master: master,
		WeChat: noWeChat{}, Now: time.Now, Rand: rand.Reader, Logger: slog.New(slog.DiscardHandler),
	}))(b)
	provider.MountPlainPages()
	s := &ssoBench{Server: provider, ring: ring, request: spaRequest()}
	asked := s.serve(b, http.MethodGet, "/oauth2/authorize?"+s.request.Encode(), nil)
	s.cookie = asked.Header().Get("Set-Cookie")
	login := must(url.Parse(asked.Header().Get("Location")))(b)
	signedIn := s.serve(b, http.MethodPost, login.RequestURI(), url.Values{"username": {"alice"}})
	s.cookie = signedIn.Header().Get("Set-Cookie")
	return s
}

// addDocumentClient adds a client with a metadata document, which is stored and fresh, and the consent of alice.
func addDocumentClient(b *testing.B, engine storage.Engine) {
	b.Helper()
	must(storage.Insert(b.Context(), engine, storage.Client{
		Directory: "default", ID: agentID, Kind: storage.ClientSPA, AuthMethod: "none", RedirectURIs: []string{agentRedirect}, Origin: storage.OriginDocument,
		Scopes: []string{"openid"}, IDTokenAlgorithm: "ES256", GrantTypes: []string{"authorization_code", "refresh_token"}, Incarnation: "first", RequirePKCE: true,
		Copy: storage.DocumentCopy{FetchedAt: time.Now(), FreshUntil: time.Now().Add(20 * time.Hour), ConsentDigest: "digest"},
	}))(b)
	must(storage.Insert(b.Context(), engine, storage.Consent{
		Directory: "default", User: "alice", Client: agentID, Incarnation: "first", Digest: "digest", Scopes: []string{"openid"},
	}))(b)
}

func spaRequest() url.Values {
	return url.Values{
		"client_id": {"spa"}, "response_type": {"code"}, "scope": {"openid"}, "state": {"state-1"}, "nonce": {"nonce-1"},
		"redirect_uri": {spaRedirect}, "code_challenge": {challenge}, "code_challenge_method": {"S256"},
	}
}

func (s *ssoBench) serve(b *testing.B, method, target string, form url.Values) *httptest.ResponseRecorder {
	b.Helper()
	request := httptest.NewRequestWithContext(b.Context(), method, target, strings.NewReader(form.Encode()))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Cookie", strings.SplitN(s.cookie, ";", 2)[0])
	recorder := httptest.NewRecorder()
	s.ServeHTTP(recorder, request)
	return recorder
}

func (s *ssoBench) authorize(b *testing.B) string {
	b.Helper()
	answer := s.serve(b, http.MethodGet, "/oauth2/authorize?"+s.request.Encode(), nil)
	code := must(url.Parse(answer.Header().Get("Location")))(b).Query().Get("code")
	if code == "" {
		b.Fatalf("no code: %d %v %s", answer.Code, answer.Header(), answer.Body)
	}
	return code
}

func (s *ssoBench) redeem(b *testing.B, code string) map[string]any {
	b.Helper()
	answer := s.serve(b, http.MethodPost, "/oauth2/token", url.Values{
		"grant_type": {"authorization_code"}, "client_id": s.request["client_id"], "code": {code}, "redirect_uri": s.request["redirect_uri"], "code_verifier": {verifier},
	})
	var tokens map[string]any
	check(b, json.Unmarshal(answer.Body.Bytes(), &tokens))
	if tokens["id_token"] == nil {
		b.Fatalf("no tokens: %d %s", answer.Code, answer.Body)
	}
	return tokens
}

// BenchmarkSSOLogin measures a sign-in by an existing session, from the authorization request to the tokens. Its floor is the
// two signatures in it. The login by document is of a client with a metadata document, which is stored and fresh: it reads a consent
// in addition, because no operator registered the client.
func BenchmarkSSOLogin(b *testing.B) {
	engines := map[string]func(b *testing.B) storage.Engine{
		"memory": func(*testing.B) storage.Engine { return storagetest.NewMemory(time.Now) },
		"sqlite": func(b *testing.B) storage.Engine {
			engine := must(sqlite.Open(b.Context(), sqlite.Options{Path: filepath.Join(b.TempDir(), "minifed.db"), Now: time.Now}))(b)
			b.Cleanup(func() { check(b, engine.Close()) })
			return engine
		},
	}
	for name, open := range engines {
		s := newSSOBench(b, open(b))
		b.Run(name+"/floor", func(b *testing.B) {
			for b.Loop() {
				for range 2 {
					must(s.ring.Sign(b.Context(), "default", "ES256", "JWT", []byte(`{"sub":"alice"}`)))(b)
				}
			}
		})
		b.Run(name+"/authorize", func(b *testing.B) {
			for b.Loop() {
				s.authorize(b)
			}
		})
		b.Run(name+"/login", func(b *testing.B) {
			for b.Loop() {
				s.redeem(b, s.authorize(b))
			}
		})
		b.Run(name+"/login by document", func(b *testing.B) {
			s.request.Set("client_id", agentID)
			s.request.Set("redirect_uri", agentRedirect)
			for b.Loop() {
				s.redeem(b, s.authorize(b))
			}
		})
	}
}

func (noWeChat) WebLogin(context.Context, wechat.App, string) (wechat.WebSession, error) {
	return wechat.WebSession{}, http.ErrNotSupported
}

func (noWeChat) WebProfile(context.Context, wechat.App, wechat.WebSession) (wechat.WebProfile, error) {
	return wechat.WebProfile{}, http.ErrNotSupported
}
