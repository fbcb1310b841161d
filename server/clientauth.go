package server

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// The methods of client authentication (OpenID Connect Core §9), as clients register them.
const (
	methodBasic = "client_secret_basic"
	methodPost  = "client_secret_post"
	methodNone  = "none"
)

// maxSecret bounds a client secret.
const maxSecret = 512

// clientAuth authenticates clients (RFC 6749 §2.3): by the method they registered and no other, with one method a request.
type clientAuth struct {
	clients oauth2.Clients
	secrets *secrets
}

// methods lists what clients can register.
func (clientAuth) methods() []string { return []string{methodBasic, methodPost, methodNone} }

// credentials are what a request shows.
type credentials struct {
	method string
	client string
	secret string
}

// authenticate is a fosite.ClientAuthenticationStrategy. A client that is unknown, disabled or registered for another
// method, and one that shows the wrong secret, are refused alike.
func (a clientAuth) authenticate(ctx context.Context, r *http.Request, form url.Values) (fosite.Client, error) {
	shown, err := readCredentials(r, form)
	if err != nil {
		return nil, err
	}
	issuer, ok := oauth2.IssuerFrom(ctx)
	if !ok {
		return nil, errors.New("server: client authentication outside a request")
	}
	client, err := a.clients.Client(ctx, issuer.Directory.ID, shown.client)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return nil, err
	}
	var record storage.Client
	if err == nil {
		record = client.Record()
	}
	good, err := a.secrets.proves(ctx, record, shown)
	if err != nil {
		return nil, err
	}
	if !good || record.Disabled || record.AuthMethod != shown.method {
		return nil, clientRefused()
	}
	callOf(ctx).client = record.ID
	return client, nil
}

// readCredentials finds the one method that a request uses.
func readCredentials(r *http.Request, form url.Values) (credentials, error) {
	body := credentials{method: methodNone, client: form.Get("client_id"), secret: form.Get("client_secret")}
	if body.secret != "" {
		body.method = methodPost
	}
	if form.Get("client_assertion") != "" || form.Get("client_assertion_type") != "" {
		return credentials{}, clientRefused()
	}
	if len(r.Header.Values("Authorization")) == 0 {
		if body.client == "" {
			return credentials{}, refusal(fosite.ErrInvalidClient, "The request does not say which client it is from. Authenticate by the method the client is registered with.")
		}
		return body, bounded(body)
	}
	header, err := basicCredentials(r)
	if err != nil {
		return credentials{}, err
	}
	if body.method == methodPost {
		return credentials{}, refusal(fosite.ErrInvalidRequest, "The request authenticates the client in two ways. Use one (RFC 6749 section 2.3).")
	}
	if body.client != "" && body.client != header.client {
		return credentials{}, refusal(fosite.ErrInvalidRequest, "client_id names another client than the Authorization header.")
	}
	return header, bounded(header)
}

// basicCredentials reads the Authorization header, both parts of which are form-encoded within (RFC 6749 §2.3.1).
func basicCredentials(r *http.Request) (credentials, error) {
	name, password, ok := r.BasicAuth()
	if !ok || len(r.Header.Values("Authorization")) != 1 {
		return credentials{}, clientRefused()
	}
	client, err := url.QueryUnescape(name)
	if err != nil {
		return credentials{}, clientRefused()
	}
	secret, err := url.QueryUnescape(password)
	if err != nil {
		return credentials{}, clientRefused()
	}
	return credentials{method: methodBasic, client: client, secret: secret}, nil
}

func bounded(shown credentials) error {
	if len(shown.client) > maxClientID || len(shown.secret) > maxSecret || strings.ContainsRune(shown.client, 0) {
		return clientRefused()
	}
	return nil
}

func clientRefused() error {
	return refusal(fosite.ErrInvalidClient, "Client authentication failed: the client is unknown or disabled, its secret is wrong, or it is registered for another token_endpoint_auth_method.")
}
