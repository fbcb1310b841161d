package server

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

const tokenPath = "/oauth2/token"

// tokenEndpoint is POST /oauth2/token (RFC 6749 §3.2). Its grants are those that the dispatcher has.
type tokenEndpoint struct {
	provider fosite.OAuth2Provider
	// timeout bounds the work on one request, which goes on when the caller hangs up: an answer that was lost can be asked for again.
	timeout time.Duration
	codes   *latches
	vouched *vouched
}

func (e *tokenEndpoint) mount(t *table) {
	t.handle(route{
		name: routeToken, path: tokenPath, methods: []string{http.MethodPost}, serve: e.serve, surface: oauthErrors, browsers: true,
	})
}

func (e *tokenEndpoint) serve(w http.ResponseWriter, r *http.Request) error {
	form, err := readForm(r, "resource", "audience")
	if err != nil {
		return err
	}
	response, err := e.answer(r, form)
	if err != nil {
		return err
	}
	return writeJSON(w, response.ToMap())
}

// answer runs one token request with form as its parameters, whichever endpoint it came by.
func (e *tokenEndpoint) answer(r *http.Request, form url.Values) (fosite.AccessResponder, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), e.timeout)
	defer cancel()
	r = r.WithContext(ctx)
	r.Form, r.PostForm = form, form
	if code := form.Get("subject_token"); code != "" {
		leave, err := e.codes.enter(ctx, storage.Digest(issuerURL(ctx), code))
		if err != nil {
			return nil, err
		}
		defer leave()
	}
	response, err := e.grant(r)
	e.vouched.settle(callOf(ctx), err)
	return response, err
}

func (e *tokenEndpoint) grant(r *http.Request) (fosite.AccessResponder, error) {
	request, err := e.provider.NewAccessRequest(r.Context(), r, new(oauth2.Session))
	if err != nil {
		return nil, err
	}
	return e.provider.NewAccessResponse(r.Context(), request)
}
