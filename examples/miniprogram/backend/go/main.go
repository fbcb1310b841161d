// Command backend is the backend of a mini-program, on the standard library alone. It holds the client's secret and speaks to
// minifed for the mini-program:
//
//	MINIFED_ISSUER=https://id.example.com MINIFED_CLIENT_ID=… MINIFED_CLIENT_SECRET_FILE=… go run .
package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

const maxBody = 16 << 10

func main() {
	b, err := newBackend(os.Getenv)
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
	server := &http.Server{Handler: b.routes(), ReadHeaderTimeout: 5 * time.Second}
	if err := server.Serve(listener); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// backend is minifed's client for one mini-program.
type backend struct {
	issuer, clientID, clientSecret string
	client                         *http.Client
	log                            *slog.Logger
}

func newBackend(getenv func(string) string) (*backend, error) {
	b := &backend{
		issuer: getenv("MINIFED_ISSUER"), clientID: getenv("MINIFED_CLIENT_ID"),
		client: &http.Client{Timeout: 20 * time.Second},
		log:    slog.New(slog.NewTextHandler(os.Stderr, nil)),
	}
	if b.issuer == "" || b.clientID == "" {
		return nil, fmt.Errorf("set MINIFED_ISSUER and MINIFED_CLIENT_ID")
	}
	secret, err := os.ReadFile(getenv("MINIFED_CLIENT_SECRET_FILE"))
	if err != nil {
		return nil, fmt.Errorf("MINIFED_CLIENT_SECRET_FILE: %w", err)
	}
	b.clientSecret = strings.TrimSpace(string(secret))
	return b, nil
}

func (b *backend) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /session", b.federation("profile", nil, "code", "phone_code", "user"))
	mux.HandleFunc("POST /session/register", b.federation("bindUser", members{"method": "register"}, "code", "bind_ticket", "user"))
	mux.HandleFunc("POST /session/phone", b.federation("bindUser", members{"method": "phone"}, "code", "bind_ticket", "phone_code"))
	mux.HandleFunc("POST /session/refresh", b.refresh)
	mux.HandleFunc("GET /me", b.me)
	return mux
}

// members is a JSON object.
type members map[string]any

// federation passes what the mini-program sent to one of minifed's endpoints for mini-programs: the members named, and no other.
func (b *backend) federation(endpoint string, fixed members, names ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		sent, ok := readJSON(w, r)
		if !ok {
			return
		}
		body := members{}
		for _, name := range names {
			if value, present := sent[name]; present {
				body[name] = value
			}
		}
		for name, value := range fixed {
			body[name] = value
		}
		content, _ := json.Marshal(body) // It came from JSON.
		request := b.request(r.Context(), http.MethodPost, "/federation/wechat/miniapp/"+endpoint, bytes.NewReader(content))
		request.Header.Set("Content-Type", "application/json")
		b.pass(w, request)
	}
}

func (b *backend) refresh(w http.ResponseWriter, r *http.Request) {
	sent, ok := readJSON(w, r)
	if !ok {
		return
	}
	token, _ := sent["refresh_token"].(string)
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
	request := b.request(r.Context(), http.MethodPost, "/oauth2/token", strings.NewReader(form.Encode()))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	b.pass(w, request)
}

// me asks minifed, so a user who was disabled a moment ago is out at once. Where that does not matter, verify the access token
// with the JWK Set instead.
func (b *backend) me(w http.ResponseWriter, r *http.Request) {
	request := b.request(r.Context(), http.MethodGet, "/oauth2/userinfo", http.NoBody)
	request.Header.Set("Authorization", r.Header.Get("Authorization"))
	b.pass(w, request)
}

// request is a request to minifed, authenticated as this client (RFC 6749 §2.3.1: both parts are form-encoded first).
func (b *backend) request(ctx context.Context, method, path string, body io.Reader) *http.Request {
	request, err := http.NewRequestWithContext(ctx, method, b.issuer+path, body)
	if err != nil {
		panic(err) // The issuer is not a URL.
	}
	request.SetBasicAuth(url.QueryEscape(b.clientID), url.QueryEscape(b.clientSecret))
	return request
}

// pass sends the request and copies minifed's response.
func (b *backend) pass(w http.ResponseWriter, request *http.Request) {
	response, err := b.client.Do(request)
	if err != nil {
		// minifed did not respond. The mini-program repeats its request, with the same code.
		b.log.Error("minifed did not respond", "path", request.URL.Path)
		write(w, http.StatusBadGateway, members{"error": "temporarily_unavailable", "reason": "retry"})
		return
	}
	defer response.Body.Close()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(response.StatusCode)
	_, _ = io.Copy(w, response.Body)
}

func readJSON(w http.ResponseWriter, r *http.Request) (members, bool) {
	var sent members
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&sent); err != nil || sent == nil {
		write(w, http.StatusBadRequest, members{"error": "invalid_request"})
		return nil, false
	}
	return sent, true
}

func write(w http.ResponseWriter, status int, body members) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
