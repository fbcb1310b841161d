package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/server/admin"
)

const (
	tokenPath = "/oauth2/token"
	// tokenMargin is how long before its end an access token is replaced.
	tokenMargin = 30 * time.Second
	// maxToken bounds a response of the token endpoint, and a stored sign-in.
	maxToken = 64 << 10
)

// tokenResponse is a response of the token endpoint (RFC 6749 §5).
type tokenResponse struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	ExpiresIn    int64  `json:"expires_in"`
	Error        string `json:"error"`
	Description  string `json:"error_description"`
}

// issue requests tokens. authenticate adds credentials to the request.
func issue(ctx context.Context, client *http.Client, server string, form url.Values, authenticate func(*http.Request)) (issued tokenResponse, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, server+tokenPath, strings.NewReader(form.Encode()))
	if err != nil {
		return issued, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	authenticate(request)
	response, err := client.Do(request)
	if err != nil {
		return issued, unreachable(server, err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(io.LimitReader(response.Body, maxToken))
	if err != nil {
		return issued, unreachable(server, err)
	}
	if json.Unmarshal(content, &issued) != nil || issued.Error == "" && issued.AccessToken == "" {
		return issued, &locale.Problem{What: locale.Text("remote.no_api", server, response.StatusCode), Remedy: locale.Text("remote.unreachable.remedy")}
	}
	return issued, nil
}

// Credentials gets access tokens by the secret of a service client.
type Credentials struct {
	Server, ClientID, Secret string
	HTTP                     *http.Client
	Now                      func() time.Time

	mu      sync.Mutex
	token   string
	expires time.Time
}

// Token implements TokenSource.
func (c *Credentials) Token(ctx context.Context) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.token != "" && c.Now().Before(c.expires) {
		return c.token, nil
	}
	form := url.Values{"grant_type": {"client_credentials"}}
	issued, err := issue(ctx, c.HTTP, c.Server, form, func(r *http.Request) {
		r.SetBasicAuth(url.QueryEscape(c.ClientID), url.QueryEscape(c.Secret)) // RFC 6749 §2.3.1
	})
	if err != nil {
		return "", err
	}
	if issued.Error != "" {
		return "", &locale.Problem{What: locale.Text("remote.credentials", c.ClientID, c.Server, issued.Error), Remedy: locale.Text("remote.credentials.remedy")}
	}
	c.token, c.expires = issued.AccessToken, c.Now().Add(time.Duration(issued.ExpiresIn)*time.Second-tokenMargin)
	return c.token, nil
}

// Login is a stored sign-in of an operator.
type Login struct {
	Server       string    `json:"server"`
	AccessToken  string    `json:"access_token"`
	RefreshToken string    `json:"refresh_token"`
	ExpiresAt    time.Time `json:"expires_at"`
}

// Logins stores sign-ins in a folder, a file for each server, which only the user can read.
type Logins struct{ Folder string }

func (l Logins) file(server string) string {
	return filepath.Join(l.Folder, url.PathEscape(strings.Replace(server, "://", "_", 1))+".json")
}

// Load returns the sign-in at a server.
func (l Logins) Load(server string) (login Login, err error) {
	content, err := os.ReadFile(l.file(server))
	if errors.Is(err, fs.ErrNotExist) {
		return login, signedOut(server)
	}
	if err != nil {
		return login, err
	}
	if err := json.Unmarshal(content, &login); err != nil || login.Server != server {
		return login, signedOut(server)
	}
	return login, nil
}

// Save replaces the sign-in at a server. Another process reads the old file or the new one, never a part.
func (l Logins) Save(login Login) error {
	content, err := json.Marshal(login) //nolint:gosec // The file is for this user alone.
	if err != nil {
		return err
	}
	if err := os.MkdirAll(l.Folder, 0o700); err != nil {
		return err
	}
	temporary, err := os.CreateTemp(l.Folder, "login-*") // with mode 0600
	if err != nil {
		return err
	}
	_, err = temporary.Write(content)
	if err = errors.Join(err, temporary.Close()); err == nil {
		err = os.Rename(temporary.Name(), l.file(login.Server))
	}
	if err != nil {
		return errors.Join(err, os.Remove(temporary.Name()))
	}
	return nil
}

// Delete removes the sign-in at a server.
func (l Logins) Delete(server string) error {
	err := os.Remove(l.file(server))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func signedOut(server string) error {
	return &locale.Problem{What: locale.Text("remote.signed_out", server), Remedy: locale.Text("remote.unauthorized.remedy", server)}
}

// Session returns access tokens of a stored sign-in, and refreshes them.
type Session struct {
	Server string
	Logins Logins
	HTTP   *http.Client
	Now    func() time.Time

	mu    sync.Mutex
	login Login
}

// Token implements TokenSource.
func (s *Session) Token(ctx context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.login.AccessToken == "" {
		stored, err := s.Logins.Load(s.Server)
		if err != nil {
			return "", err
		}
		s.login = stored
	}
	if s.Now().Before(s.login.ExpiresAt) {
		return s.login.AccessToken, nil
	}
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {s.login.RefreshToken}, "client_id": {admin.CommandLineClient}}
	issued, err := issue(ctx, s.HTTP, s.Server, form, func(*http.Request) {})
	if err != nil {
		return "", err
	}
	if issued.Error != "" {
		return "", signedOut(s.Server)
	}
	s.login = loginOf(s.Server, issued, s.Now())
	if err := s.Logins.Save(s.login); err != nil {
		return "", fmt.Errorf("the sign-in cannot be stored: %w", err)
	}
	return s.login.AccessToken, nil
}

func loginOf(server string, issued tokenResponse, now time.Time) Login {
	return Login{
		Server: server, AccessToken: issued.AccessToken, RefreshToken: issued.RefreshToken,
		ExpiresAt: now.Add(time.Duration(issued.ExpiresIn)*time.Second - tokenMargin),
	}
}

// SignOut ends the grant of a sign-in at the server, and deletes the stored sign-in in any case.
func (s *Session) SignOut(ctx context.Context) error {
	login, err := s.Logins.Load(s.Server)
	if err != nil {
		return err
	}
	form := url.Values{"token": {login.RefreshToken}, "token_type_hint": {"refresh_token"}, "client_id": {admin.CommandLineClient}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Server+"/oauth2/revoke", strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := s.HTTP.Do(request)
	if err == nil {
		response.Body.Close()
	} else {
		err = unreachable(s.Server, err)
	}
	return errors.Join(err, s.Logins.Delete(s.Server))
}
