package token

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage/oauth2"
)

// Endpoint is POST /oauth2/token (RFC 6749 §3.2). The dispatcher defines its grants.
type Endpoint struct {
	Provider fosite.OAuth2Provider
	// Timeout bounds the work on one request. The work continues after the caller disconnects, so that a repeat finds its result.
	Timeout time.Duration
	Codes   *KeyedMutex
	// Begin returns the state that the token exchange needs for a request.
	Begin func(*endpoint.Request) ExchangeState
}

// ExchangeState is the state of package federation for one token request. The token exchange reads it from its context.
type ExchangeState interface {
	InContext(ctx context.Context) context.Context
	// End is called once, with the error of the request.
	End(err error)
}

// Mount implements endpoint.Endpoint.
func (e *Endpoint) Mount(t *endpoint.RouteTable) {
	t.Handle(endpoint.Route{
		Name: endpoint.RouteToken, Path: endpoint.TokenPath, Methods: []string{http.MethodPost}, Serve: e.serve, ErrorWriter: endpoint.OAuthErrors, CORS: true,
	})
}

func (e *Endpoint) serve(w http.ResponseWriter, r *endpoint.Request) error {
	form, err := endpoint.ReadForm(r, "resource", "audience")
	if err != nil {
		return err
	}
	response, err := e.Respond(r, form, e.Begin(r))
	if err != nil {
		return err
	}
	return endpoint.WriteJSON(w, response)
}

// Response is the token response (RFC 6749 §5.1, OpenID Connect Core §3.1.3.3, RFC 8693 §2.2.1). It contains only the members
// that its grant set.
type Response struct {
	AccessToken     string `json:"access_token"`
	TokenType       string `json:"token_type"`
	ExpiresIn       any    `json:"expires_in,omitempty"`
	Scope           any    `json:"scope,omitempty"`
	RefreshToken    any    `json:"refresh_token,omitempty"`
	IDToken         any    `json:"id_token,omitempty"`
	IssuedTokenType any    `json:"issued_token_type,omitempty"`
	PhoneError      any    `json:"phone_error,omitempty"`
}

func responseOf(response fosite.AccessResponder) Response {
	return Response{
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

// Respond runs one token request with the parameters of form. Several endpoints use it.
func (e *Endpoint) Respond(r *endpoint.Request, form url.Values, state ExchangeState) (Response, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(state.InContext(r.Context())), e.Timeout)
	defer cancel()
	r.Form, r.PostForm = form, form
	if code := form.Get("subject_token"); code != "" {
		leave, err := e.Codes.lock(ctx, codeKey{r.Issuer.URL, code})
		if err != nil {
			return Response{}, err
		}
		defer leave()
	}
	response, err := e.grant(ctx, r.Request)
	state.End(err)
	return response, err
}

func (e *Endpoint) grant(ctx context.Context, r *http.Request) (Response, error) {
	request, err := e.Provider.NewAccessRequest(ctx, r, new(oauth2.Session))
	if err != nil {
		return Response{}, err
	}
	response, err := e.Provider.NewAccessResponse(ctx, request)
	if err != nil {
		return Response{}, err
	}
	return responseOf(response), nil
}
