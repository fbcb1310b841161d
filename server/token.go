package server

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/storage/oauth2"
)

// tokenEndpoint is POST /oauth2/token (RFC 6749 §3.2). Its grants are those that the dispatcher has.
type tokenEndpoint struct {
	provider fosite.OAuth2Provider
	// timeout bounds the work on one request, which goes on when the caller hangs up: an answer that was lost can be asked for again.
	timeout time.Duration
	codes   *latches
	begin   func(context.Context) context.Context
	settle  func(context.Context, error)
}

func (e *tokenEndpoint) mount(t *table) {
	t.handle(route{
		name: routeToken, path: tokenPath, methods: []string{http.MethodPost}, serve: e.serve, surface: oauthErrors, browsers: true,
	})
}

func (e *tokenEndpoint) serve(w http.ResponseWriter, r *call) error {
	form, err := readForm(r, "resource", "audience")
	if err != nil {
		return err
	}
	response, err := e.answer(e.begin(r.Context()), r.Request, form)
	if err != nil {
		return err
	}
	return writeJSON(w, response)
}

// tokenResponse is what a token request is answered with (RFC 6749 §5.1, OpenID Connect Core §3.1.3.3, RFC 8693 §2.2.1): the
// members that its grant set, and no others.
type tokenResponse struct {
	AccessToken     string `json:"access_token"`
	TokenType       string `json:"token_type"`
	ExpiresIn       any    `json:"expires_in,omitempty"`
	Scope           any    `json:"scope,omitempty"`
	RefreshToken    any    `json:"refresh_token,omitempty"`
	IDToken         any    `json:"id_token,omitempty"`
	IssuedTokenType any    `json:"issued_token_type,omitempty"`
	PhoneError      any    `json:"phone_error,omitempty"`
}

func tokenResponseOf(response fosite.AccessResponder) tokenResponse {
	return tokenResponse{
		AccessToken:     response.GetAccessToken(),
		TokenType:       response.GetTokenType(),
		ExpiresIn:       response.GetExtra("expires_in"),
		Scope:           response.GetExtra("scope"),
		RefreshToken:    response.GetExtra("refresh_token"),
		IDToken:         response.GetExtra("id_token"),
		IssuedTokenType: response.GetExtra("issued_token_type"),
		PhoneError:      response.GetExtra("phone_error"),
	}
}

// answer runs one token request with form as its parameters, whichever endpoint it came by.
func (e *tokenEndpoint) answer(parent context.Context, r *http.Request, form url.Values) (tokenResponse, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(parent), e.timeout)
	defer cancel()
	r.Form, r.PostForm = form, form
	if code := form.Get("subject_token"); code != "" {
		leave, err := e.codes.enter(ctx, latchKey{issuerURL(ctx), code})
		if err != nil {
			return tokenResponse{}, err
		}
		defer leave()
	}
	response, err := e.grant(ctx, r)
	e.settle(ctx, err)
	return response, err
}

func (e *tokenEndpoint) grant(ctx context.Context, r *http.Request) (tokenResponse, error) {
	request, err := e.provider.NewAccessRequest(ctx, r, new(oauth2.Session))
	if err != nil {
		return tokenResponse{}, err
	}
	response, err := e.provider.NewAccessResponse(ctx, request)
	if err != nil {
		return tokenResponse{}, err
	}
	return tokenResponseOf(response), nil
}
