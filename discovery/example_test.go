package discovery_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/minifed/minifed/discovery"
)

// A provider's metadata is built once and served to every origin.
func Example() {
	metadata, err := discovery.New(discovery.Provider{
		Issuer: "https://id.example.com",
		Endpoints: discovery.Endpoints{
			Authorization: "/oauth2/authorize", Token: "/oauth2/token", UserInfo: "/oauth2/userinfo", JWKS: "/oauth2/jwks",
		},
		Scopes: []string{"openid"}, Claims: []string{"sub"}, ResponseTypes: []string{"code"}, ResponseModes: []string{"query"},
		GrantTypes: []string{"authorization_code"}, SubjectTypes: []string{"public"},
		IDTokenAlgorithms: []string{"RS256"}, AuthMethods: []string{"client_secret_basic"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	body, err := json.Marshal(metadata)
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := discovery.Handler{
		ContentType: "application/json",
		Source: func(context.Context) (discovery.Document, error) {
			return discovery.Document{Body: body, MaxAge: time.Minute}, nil
		},
		Failed: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		},
	}
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/.well-known/openid-configuration", nil))
	var served discovery.Metadata
	fmt.Println(recorder.Code, json.Unmarshal(recorder.Body.Bytes(), &served))
	fmt.Println(served.TokenEndpoint)
	// Output:
	// 200 <nil>
	// https://id.example.com/oauth2/token
}

// New lists everything that would mislead a client.
func ExampleNew() {
	_, err := discovery.New(discovery.Provider{
		Issuer:    "https://id.example.com/",
		Endpoints: discovery.Endpoints{Token: "/oauth2/token", JWKS: "/oauth2/jwks"},
		Scopes:    []string{"openid"}, GrantTypes: []string{"client_credentials"}, SubjectTypes: []string{"public"},
		IDTokenAlgorithms: []string{"ES256"}, AuthMethods: []string{"private_key_jwt"},
	})
	fmt.Println(err)
	// Output:
	// discovery: issuer "https://id.example.com/" ends with a slash
	// id_token_signing_alg_values_supported lacks RS256
	// token_endpoint_auth_signing_alg_values_supported is required by the methods
}

// The documents of an issuer with a path: one specification appends, the other inserts.
func ExampleConfigurationURL() {
	const issuer = "https://id.example.com/d/shop"
	fmt.Println(discovery.ConfigurationURL(issuer))
	fmt.Println(discovery.AuthorizationServerURL(issuer))
	// Output:
	// https://id.example.com/d/shop/.well-known/openid-configuration
	// https://id.example.com/.well-known/oauth-authorization-server/d/shop
}

func ExampleCheckIssuer() {
	for _, issuer := range []string{"https://id.example.com", "http://localhost:8080", "http://id.example.com"} {
		fmt.Println(issuer, discovery.CheckIssuer(issuer))
	}
	// Output:
	// https://id.example.com <nil>
	// http://localhost:8080 <nil>
	// http://id.example.com issuer "http://id.example.com" is not https
}
