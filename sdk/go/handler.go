package miniprogram

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"
)

const (
	largestBody     = 64 << 10
	largestResponse = 1 << 20
	timeout         = 20 * time.Second
)

// Config describes the OAuth client that the backend is.
type Config struct {
	// Issuer is the issuer of minifed, such as https://id.example.com or https://id.example.com/d/shop.
	Issuer string
	// ClientID and ClientSecret are a client of kind wechat_miniapp.
	ClientID, ClientSecret string
	// PhoneScope is the scope of a sign-in with a phone number: "openid profile phone offline_access" if empty.
	PhoneScope string
	// SignedIn is called with the result of every sign-in and refresh before it goes to the mini-program. The members that it returns are
	// added to the response, such as a session of the app. An error stops the sign-in with status 500. It may be nil.
	SignedIn func(context.Context, Tokens) (map[string]any, error)
	// Country returns the country of the phone (ISO 3166-1, such as CN) if the backend knows it, for example by a header of its proxy.
	// minifed compares it with the browser's. Without it, the user confirms a second time. It may be nil.
	Country func(*http.Request) string
	// Client sends the requests to minifed. nil is a client without redirects that waits 20 seconds.
	Client *http.Client
	// Logger has the requests that failed, without secrets. nil discards them.
	Logger *slog.Logger
}

// Tokens is the result of a sign-in or a refresh.
type Tokens struct {
	AccessToken  string `json:"access_token"`
	IDToken      string `json:"id_token"`
	RefreshToken string `json:"refresh_token"`
	// ExpiresIn is the lifetime of the access token, in seconds.
	ExpiresIn int64  `json:"expires_in"`
	Scope     string `json:"scope"`
	// Profile has the claims about the user, such as sub. A refresh has none.
	Profile map[string]any `json:"profile"`
}

// Handler serves login, refresh, bind, phone, scan and hand-off. The last segment of the path decides, so it can be mounted anywhere:
//
//	mux.Handle("POST /auth/", handler)
type Handler struct {
	config Config
	routes map[string]route
}

// New returns the handler of a client.
func New(config Config) (*Handler, error) {
	if config.Issuer == "" || config.ClientID == "" || config.ClientSecret == "" {
		return nil, errors.New("miniprogram: Issuer, ClientID and ClientSecret are required")
	}
	config.Issuer = strings.TrimRight(config.Issuer, "/")
	if config.PhoneScope == "" {
		config.PhoneScope = "openid profile phone offline_access"
	}
	if config.Client == nil {
		config.Client = &http.Client{Timeout: timeout, CheckRedirect: noRedirect}
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	return &Handler{config: config, routes: routes(config.PhoneScope)}, nil
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := path.Base(r.URL.Path)
	build, known := h.routes[name]
	if !known {
		fail(w, http.StatusNotFound, "not_found", "")
		return
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		fail(w, http.StatusMethodNotAllowed, "invalid_request", "")
		return
	}
	sent, ok := readObject(w, r)
	if !ok {
		fail(w, http.StatusBadRequest, "invalid_request", "")
		return
	}
	delete(sent, "country") // It comes from the backend, not from the phone.
	if h.config.Country != nil {
		sent["country"] = h.config.Country(r)
	}
	call, ok := build(sent)
	if !ok {
		fail(w, http.StatusBadRequest, "invalid_request", "")
		return
	}
	h.pass(w, r, name, call)
}

// pass sends the call to minifed and its response to the mini-program.
func (h *Handler) pass(w http.ResponseWriter, r *http.Request, name string, call call) {
	response, err := h.send(r.Context(), call)
	if err != nil {
		h.config.Logger.WarnContext(r.Context(), "minifed did not respond", "path", name, "error", err)
		fail(w, http.StatusBadGateway, "temporarily_unavailable", "retry") // The mini-program repeats its request, with the same code.
		return
	}
	if call.tokens && response.status == http.StatusOK {
		if err := h.add(r.Context(), response); err != nil {
			h.config.Logger.ErrorContext(r.Context(), "SignedIn failed", "path", name, "error", err)
			fail(w, http.StatusInternalServerError, "server_error", "")
			return
		}
	}
	if response.retryAfter != "" {
		w.Header().Set("Retry-After", response.retryAfter)
	}
	write(w, response.status, response.body)
}

// result is a response of minifed.
type result struct {
	status     int
	retryAfter string
	body       map[string]any
	raw        []byte
}

func (h *Handler) send(ctx context.Context, call call) (*result, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, h.config.Issuer+call.endpoint, strings.NewReader(call.body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", call.contentType)
	// RFC 6749 §2.3.1: both parts are form-encoded before they are joined.
	request.SetBasicAuth(url.QueryEscape(h.config.ClientID), url.QueryEscape(h.config.ClientSecret))
	response, err := h.config.Client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(response.Body, largestResponse))
	if err != nil {
		return nil, err
	}
	read := &result{status: response.StatusCode, retryAfter: response.Header.Get("Retry-After"), raw: raw}
	if err := json.Unmarshal(raw, &read.body); err != nil {
		return nil, errors.New("the response is not a JSON object: check the issuer")
	}
	return read, nil
}

// add adds the members of SignedIn.
func (h *Handler) add(ctx context.Context, response *result) error {
	if h.config.SignedIn == nil {
		return nil
	}
	var tokens Tokens
	if err := json.Unmarshal(response.raw, &tokens); err != nil {
		return err
	}
	added, err := h.config.SignedIn(ctx, tokens)
	if err != nil {
		return err
	}
	maps.Copy(response.body, added)
	return nil
}

func readObject(w http.ResponseWriter, r *http.Request) (map[string]any, bool) {
	content, err := io.ReadAll(http.MaxBytesReader(w, r.Body, largestBody))
	if err != nil {
		return nil, false
	}
	var object map[string]any
	if err := json.Unmarshal(content, &object); err != nil || object == nil {
		return nil, false
	}
	return object, true
}

func fail(w http.ResponseWriter, status int, code, reason string) {
	body := map[string]any{"error": code}
	if reason != "" {
		body["reason"] = reason
	}
	write(w, status, body)
}

func write(w http.ResponseWriter, status int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // The mini-program has gone.
}
