// Command backend is the backend of a mini-program in Go. It has the client's secret, and serves the paths of the kit:
//
//	MINIFED_ISSUER=https://id.example.com MINIFED_CLIENT_ID=… MINIFED_CLIENT_SECRET_FILE=… go run .
package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	miniprogram "github.com/minifed/minifed/sdk/go"
)

func main() {
	routes, err := newRoutes(os.Getenv)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:"+cmp.Or(os.Getenv("PORT"), "9000"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Fprintf(os.Stdout, "listening on http://%s\n", listener.Addr())
	server := &http.Server{Handler: routes, ReadHeaderTimeout: 5 * time.Second}
	if err := server.Serve(listener); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func newRoutes(getenv func(string) string) (http.Handler, error) {
	secret, err := os.ReadFile(getenv("MINIFED_CLIENT_SECRET_FILE"))
	if err != nil {
		return nil, fmt.Errorf("MINIFED_CLIENT_SECRET_FILE: %w", err)
	}
	auth, err := miniprogram.New(miniprogram.Config{
		Issuer: getenv("MINIFED_ISSUER"), ClientID: getenv("MINIFED_CLIENT_ID"), ClientSecret: strings.TrimSpace(string(secret)),
		Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("POST /auth/", auth)
	mux.Handle("GET /me", me{userInfo: getenv("MINIFED_ISSUER") + "/oauth2/userinfo", client: &http.Client{Timeout: 20 * time.Second}})
	return mux, nil
}

// me asks minifed who the user is, so a user who was disabled a moment ago is rejected at once. Where that does not matter, verify
// the access token with the JWK Set instead.
type me struct {
	userInfo string
	client   *http.Client
}

func (m me) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	response, err := m.ask(r)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		_, _ = io.WriteString(w, `{"error":"temporarily_unavailable","reason":"retry"}`)
		return
	}
	defer func() { _ = response.Body.Close() }()
	w.WriteHeader(response.StatusCode)
	_, _ = io.Copy(w, response.Body)
}

func (m me) ask(r *http.Request) (*http.Response, error) {
	request, err := http.NewRequestWithContext(r.Context(), http.MethodGet, m.userInfo, http.NoBody)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", r.Header.Get("Authorization"))
	return m.client.Do(request)
}
