package resource_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/minifed/minifed/resource"
)

// An API needs its identifier, the issuer of its tokens, and what each of its routes needs.
func Example() {
	orders := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := resource.FromContext(r.Context())
		_, _ = fmt.Fprintln(w, "orders of", token.Subject)
	})

	api, err := resource.New(resource.Config{
		Issuer:   "https://id.example.com",
		Resource: "https://api.example.com",
		Scopes:   []string{"orders"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	routes := http.NewServeMux()
	routes.Handle(api.MetadataPath(), api.Metadata())
	routes.Handle("GET /orders", api.Protect(resource.Requirement{Scopes: []string{"orders"}}, orders))

	recorder := httptest.NewRecorder()
	routes.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/orders", nil))
	fmt.Println(recorder.Code)
	fmt.Println(recorder.Header().Get("WWW-Authenticate"))
	// Output:
	// 401
	// Bearer resource_metadata="https://api.example.com/.well-known/oauth-protected-resource", scope="orders"
}

// A payment needs a sign-in with two factors in the last five minutes (RFC 9470).
func ExampleRequirement() {
	api, err := resource.New(resource.Config{Issuer: "https://id.example.com", Resource: "https://api.example.com"})
	if err != nil {
		fmt.Println(err)
		return
	}
	required := resource.Requirement{Scopes: []string{"pay"}, ACRValues: []string{"2"}, MaxAge: 5 * time.Minute}
	old := &resource.Token{Subject: "wanda", Scopes: []string{"pay"}, ACR: "2", AuthTime: time.Now().Add(-time.Hour)}
	recorder := httptest.NewRecorder()
	api.Reject(recorder, required, api.Check(old, required))
	fmt.Println(recorder.Code)
	fmt.Print(recorder.Body)
	// Output:
	// 401
	// {"error":"insufficient_user_authentication","error_description":"The user has to sign in again, or with more factors."}
}

// The metadata of an API with a path, such as an MCP server (RFC 9728 §3.1).
func ExampleServer_MetadataURL() {
	api, err := resource.New(resource.Config{Issuer: "https://id.example.com", Resource: "https://tools.example.com/mcp"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(api.MetadataURL())
	// Output:
	// https://tools.example.com/.well-known/oauth-protected-resource/mcp
}

// Opaque tokens need introspection. With Always, the issuer is also asked about JWTs, so that revoked ones are rejected at once.
func ExampleIntrospection() {
	_, err := resource.New(resource.Config{
		Issuer:   "https://id.example.com",
		Resource: "https://api.example.com",
		Introspection: &resource.Introspection{
			ClientID: "orders-api", ClientSecret: "from the environment", Always: true, CacheFor: 5 * time.Second,
		},
	})
	fmt.Println(err)
	// Output:
	// <nil>
}
