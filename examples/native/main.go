// Command native is a native app's sign-in (RFC 8252): it opens the system's browser, takes the code at a loopback address with
// a port of the moment, and prints who signed in.
//
//	MINIFED_ISSUER=http://localhost:8080 MINIFED_CLIENT_ID=… go run .
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Getenv, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, getenv func(string) string, out io.Writer) error {
	issuer, clientID := getenv("MINIFED_ISSUER"), getenv("MINIFED_CLIENT_ID")
	if issuer == "" || clientID == "" {
		return errors.New("set MINIFED_ISSUER and MINIFED_CLIENT_ID")
	}
	provider, err := oidc.NewProvider(ctx, issuer)
	if err != nil {
		return err
	}
	// Any port will do: of a loopback redirect URI the port is not compared (RFC 8252 §7.3).
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	app := &oauth2.Config{
		ClientID: clientID, Endpoint: provider.Endpoint(), Scopes: []string{oidc.ScopeOpenID, "profile", oidc.ScopeOfflineAccess},
		RedirectURL: fmt.Sprintf("http://%s/callback", listener.Addr()),
	}
	app.Endpoint.AuthStyle = oauth2.AuthStyleInParams // A public client says who it is and proves nothing.
	token, err := signIn(ctx, app, issuer, listener, getenv("BROWSER"), out)
	if err != nil {
		return err
	}
	return greet(ctx, provider, app, token, out)
}

// signIn opens the browser and trades the code that comes back for tokens.
func signIn(ctx context.Context, app *oauth2.Config, issuer string, listener net.Listener, browser string, out io.Writer) (*oauth2.Token, error) {
	state, verifier := rand.Text(), oauth2.GenerateVerifier()
	address := app.AuthCodeURL(state, oauth2.S256ChallengeOption(verifier))
	_, _ = fmt.Fprintf(out, "Sign in at\n  %s\n", address)
	if err := open(ctx, browser, address); err != nil {
		_, _ = fmt.Fprintf(out, "The browser does not open (%v): open the address yourself.\n", err)
	}
	code, err := await(ctx, listener, issuer, state)
	if err != nil {
		return nil, err
	}
	return app.Exchange(ctx, code, oauth2.VerifierOption(verifier))
}

// authorizationResponse holds the parameters of the authorization response.
type authorizationResponse struct {
	code string
	err  error
}

// await serves the redirect URI until the response to this request arrives. A response with another state or issuer is rejected
// (RFC 9207 §2.4).
func await(ctx context.Context, listener net.Listener, issuer, state string) (string, error) {
	responses := make(chan authorizationResponse, 1)
	routes := http.NewServeMux()
	routes.HandleFunc("GET /callback", func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		if query.Get("state") != state || query.Get("iss") != issuer {
			http.Error(w, "This authorization response does not belong to the request.", http.StatusBadRequest)
			return
		}
		got := authorizationResponse{code: query.Get("code")}
		if code := query.Get("error"); code != "" {
			got.err = fmt.Errorf("%s: %s", code, query.Get("error_description"))
		}
		_, _ = fmt.Fprintln(w, "You can close this window.")
		select {
		case responses <- got:
		default:
		}
	})
	server := &http.Server{Handler: routes, ReadHeaderTimeout: 5 * time.Second}
	defer closing(ctx, server)
	go func() { _ = server.Serve(listener) }() // It ends with Close.
	select {
	case got := <-responses:
		return got.code, got.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// closing lets the page that is on its way arrive, and then closes the server.
func closing(ctx context.Context, server *http.Server) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = server.Shutdown(ctx) // The process ends next.
}

// greet verifies the ID token and asks UserInfo.
func greet(ctx context.Context, provider *oidc.Provider, app *oauth2.Config, token *oauth2.Token, out io.Writer) error {
	raw, _ := token.Extra("id_token").(string)
	idToken, err := provider.Verifier(&oidc.Config{ClientID: app.ClientID, SupportedSigningAlgs: []string{oidc.ES256, oidc.RS256}}).Verify(ctx, raw)
	if err != nil {
		return err
	}
	userInfo, err := provider.UserInfo(ctx, app.TokenSource(ctx, token))
	if err != nil {
		return err
	}
	var claims json.RawMessage
	if err := userInfo.Claims(&claims); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "signed in as %s\n%s\n", idToken.Subject, claims)
	return err
}

// open shows the address in the browser that is named, or in the system's.
func open(ctx context.Context, browser, address string) error {
	command := map[string][]string{
		"darwin":  {"open"},
		"windows": {"rundll32", "url.dll,FileProtocolHandler"},
	}[runtime.GOOS]
	if command == nil {
		command = []string{"xdg-open"}
	}
	if browser != "" {
		command = []string{browser}
	}
	return exec.CommandContext(ctx, command[0], append(command[1:], address)...).Start() //nolint:gosec // The user's own browser.
}
