package grants_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/ory/fosite"
	"github.com/ory/fosite/compose"
	"github.com/ory/fosite/handler/openid"
	"github.com/ory/fosite/storage"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/wechat"
	"github.com/minifed/minifed/wechat/wechattest"
)

// A complete OpenID Provider built with fosite that signs in the users of a mini-program. Only the lines between the two marks
// depend on WeChat. In production leave wechat.Config empty: the client then calls WeChat and not the simulator.
func Example() {
	ctx := context.Background()
	simulator := new(wechattest.Server)
	app, err := simulator.AddApp(wechat.App{ID: "wxsim0000000000000001", Secret: "of the mini-program"})
	if err != nil {
		fmt.Println(err)
		return
	}
	api := httptest.NewServer(simulator)
	defer api.Close()

	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		fmt.Println(err)
		return
	}
	signingKey := func(context.Context) (any, error) { return key, nil }
	config := &fosite.Config{
		GlobalSecret:        []byte("some secret of thirty-two bytes!"),
		IDTokenIssuer:       "https://id.example",
		AccessTokenLifespan: 10 * time.Minute,
		ScopeStrategy:       fosite.ExactScopeStrategy,
		HashCost:            10,
	}
	secret, err := (&fosite.BCrypt{Config: config}).Hash(ctx, []byte("of the backend"))
	if err != nil {
		fmt.Println(err)
		return
	}
	store := storage.NewMemoryStore()
	store.Clients["shop"] = &fosite.DefaultClient{
		ID:         "shop",
		Secret:     secret,
		GrantTypes: []string{grants.GrantType, "refresh_token"},
		Scopes:     []string{"openid", "offline_access"},
	}

	// From here on: WeChat.
	client, err := wechat.New(wechat.Config{BaseURL: api.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	apps := map[string]wechat.App{"shop": app.Credential()}
	users := new(userTable)
	miniProgram := grants.NewMiniProgramFactory(grants.MiniProgramConfig{
		Exchanger: grants.WeChatExchanger{Client: client, App: func(_ context.Context, client fosite.Client) (wechat.App, error) {
			return apps[client.GetID()], nil
		}},
		Resolver: users,
	})
	// Until here.

	provider := compose.Compose(config, store,
		compose.CommonStrategy{
			CoreStrategy:               compose.NewOAuth2HMACStrategy(config),
			OpenIDConnectTokenStrategy: compose.NewOpenIDConnectStrategy(signingKey, config),
		},
		miniProgram,
		compose.OAuth2RefreshTokenGrantFactory,
		compose.OpenIDConnectRefreshFactory,
	)
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		request, err := provider.NewAccessRequest(r.Context(), r, openid.NewDefaultSession())
		if err != nil {
			grants.WriteAccessError(r.Context(), provider, rw, request, err)
			return
		}
		response, err := provider.NewAccessResponse(r.Context(), request)
		if err != nil {
			grants.WriteAccessError(r.Context(), provider, rw, request, err)
			return
		}
		provider.WriteAccessResponse(r.Context(), rw, request, response)
	}))
	defer server.Close()

	// The mini-program calls wx.login and hands the code to its backend, which calls the token endpoint.
	code := app.Login("alice")
	tokens, err := exchangeCode(server.URL, code)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(tokens["token_type"], tokens["scope"])

	verifier := oidc.NewVerifier("https://id.example", &oidc.StaticKeySet{PublicKeys: []crypto.PublicKey{key.Public()}},
		&oidc.Config{ClientID: "shop", SupportedSigningAlgs: []string{oidc.ES256}})
	alice, err := verifier.Verify(ctx, tokens["id_token"].(string))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("signed in:", users.known(alice.Subject))

	// A code is valid for one exchange.
	rejected, err := exchangeCode(server.URL, code)
	fmt.Println(rejected["error"], rejected["reason"], err)

	// Output:
	// bearer openid offline_access
	// signed in: true
	// invalid_request new_code <nil>
}

// exchangeCode is what the mini-program's backend does.
func exchangeCode(endpoint, code string) (map[string]any, error) {
	r, err := http.NewRequest(http.MethodPost, endpoint, strings.NewReader(url.Values{
		"grant_type":         {grants.GrantType},
		"subject_token":      {code},
		"subject_token_type": {grants.SubjectTokenType},
		"scope":              {"openid offline_access"},
	}.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth("shop", url.QueryEscape("of the backend"))
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var body map[string]any
	return body, json.NewDecoder(response.Body).Decode(&body)
}

// userTable stands for the users of a server that already has some. A subject is random: it says nothing of WeChat.
type userTable struct {
	mu       sync.Mutex
	subjects map[wechat.OpenID]string
}

// ResolveSubject finds the user of an OpenID, or creates one.
func (u *userTable) ResolveSubject(_ context.Context, _ grants.Exchange, session wechat.Session) (grants.Subject, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	subject, ok := u.subjects[session.OpenID]
	if !ok {
		if u.subjects == nil {
			u.subjects = make(map[wechat.OpenID]string)
		}
		subject = rand.Text()
		u.subjects[session.OpenID] = subject
	}
	return grants.Subject{ID: subject}, nil
}

func (u *userTable) known(subject string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, known := range u.subjects {
		if known == subject {
			return true
		}
	}
	return false
}
