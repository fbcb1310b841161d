package remote

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/server/admin"
)

// signInTime bounds a sign-in in the browser.
const signInTime = 10 * time.Minute

// callbackPath is the path of the redirect URI. The port is the system's choice (RFC 8252 §7.3).
const callbackPath = "/callback"

// SignIn signs an operator in by the browser: authorization code with PKCE, and a loopback redirect (RFC 8252).
type SignIn struct {
	Server string
	HTTP   *http.Client
	Random io.Reader
	Now    func() time.Time
	// Open shows an address in the browser.
	Open func(ctx context.Context, address string) error
	// Done is the text of the page that the browser shows at the end.
	Done string
}

// Run signs in, and returns what is to be stored.
func (s *SignIn) Run(ctx context.Context) (Login, error) {
	ctx, cancel := context.WithTimeout(ctx, signInTime)
	defer cancel()
	verifier, err := s.randomText()
	if err != nil {
		return Login{}, err
	}
	state, err := s.randomText()
	if err != nil {
		return Login{}, err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return Login{}, err
	}
	redirect := "http://" + listener.Addr().String() + callbackPath
	answers := make(chan url.Values, 1)
	page := &http.Server{Handler: s.callback(state, answers), ReadHeaderTimeout: tokenMargin}
	go func() { _ = page.Serve(listener) }() // Close ends it, and closes the listener.
	defer page.Close()
	if err := s.Open(ctx, s.address(redirect, state, verifier)); err != nil {
		return Login{}, err
	}
	select {
	case answer := <-answers:
		return s.finish(ctx, answer, redirect, verifier)
	case <-ctx.Done():
		return Login{}, &locale.Problem{What: locale.Text("remote.login_ended"), Cause: ctx.Err()}
	}
}

// randomText returns 256 bits in base64url.
func (s *SignIn) randomText() (string, error) {
	raw := make([]byte, sha256.Size)
	_, err := io.ReadFull(s.Random, raw)
	return base64.RawURLEncoding.EncodeToString(raw), err
}

// address returns the authorization request.
func (s *SignIn) address(redirect, state, verifier string) string {
	challenge := sha256.Sum256([]byte(verifier))
	query := url.Values{
		"client_id": {admin.CommandLineClient}, "response_type": {"code"}, "redirect_uri": {redirect}, "scope": {"openid offline_access"}, "state": {state},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])}, "code_challenge_method": {"S256"}, "max_age": {strconv.Itoa(int(admin.FreshSignIn.Seconds()))},
	}
	return s.Server + "/oauth2/authorize?" + query.Encode()
}

// callback returns the handler of the redirect URI. It ignores requests that do not have the state: another page of the browser
// can send them.
func (s *SignIn) callback(state string, answers chan<- url.Values) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		if r.URL.Path != callbackPath || subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(state)) != 1 {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Referrer-Policy", "no-referrer")
		_, _ = io.WriteString(w, s.Done+"\n") // The browser has gone.
		select {
		case answers <- query:
		default: // The page was loaded again.
		}
	})
}

// finish exchanges the code.
func (s *SignIn) finish(ctx context.Context, answer url.Values, redirect, verifier string) (Login, error) {
	if answer.Has("iss") && answer.Get("iss") != s.Server { // RFC 9207 §2.4
		return Login{}, &locale.Problem{What: locale.Text("remote.other_issuer", answer.Get("iss"), s.Server)}
	}
	if code := answer.Get("error"); code != "" {
		return Login{}, &locale.Problem{What: locale.Text("remote.login_failed", s.Server), Cause: errors.New(code + " " + answer.Get("error_description"))}
	}
	form := url.Values{
		"grant_type": {"authorization_code"}, "client_id": {admin.CommandLineClient}, "code": {answer.Get("code")}, "redirect_uri": {redirect}, "code_verifier": {verifier},
	}
	issued, err := issue(ctx, s.HTTP, s.Server, form, func(*http.Request) {})
	if err != nil {
		return Login{}, err
	}
	if issued.Error != "" {
		return Login{}, &locale.Problem{What: locale.Text("remote.login_failed", s.Server), Cause: errors.New(issued.Error + " " + issued.Description)}
	}
	return loginOf(s.Server, issued, s.Now()), nil
}
