package clientauth

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/ratelimit"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// The methods of client authentication (OpenID Connect Core §9), as clients register them.
const (
	methodBasic = "client_secret_basic"
	methodPost  = "client_secret_post"
	MethodNone  = "none"
)

// maxSecret bounds the length of a client secret.
const maxSecret = 512

// Authenticator authenticates clients (RFC 6749 §2.3), by one method per request. A client that registered a method must use
// it; any other can send its secret by Basic or in the body.
type Authenticator struct {
	Clients    oauth2.Clients
	Secrets    *Secrets
	Assertions Assertions
	Limits     *Limits
}

// Methods lists the methods that clients can register.
func (Authenticator) Methods() []string {
	return []string{methodBasic, methodPost, methodPrivateKey, MethodNone}
}

// credentials are the client credentials of a request.
type credentials struct {
	method string
	client string
	secret string
	// assertion is nil unless the method is private_key_jwt.
	assertion *assertion
}

// Authenticate is a fosite.ClientAuthenticationStrategy. Every failure returns the same error to the client; the log contains
// the cause.
func (a Authenticator) Authenticate(ctx context.Context, _ *http.Request, form url.Values) (fosite.Client, error) {
	client, err := a.Client(ctx, endpoint.FromContext(ctx), form)
	if err != nil {
		return nil, err // Not client: it would be a nil *oauth2.Client in an interface.
	}
	return client, nil
}

// Client is Authenticate for our own endpoints.
func (a Authenticator) Client(ctx context.Context, r *endpoint.Request, form url.Values) (*oauth2.Client, error) {
	shown, err := readCredentials(r.Request, form)
	if err != nil {
		return nil, err
	}
	client, err := a.Clients.Client(ctx, r.Issuer.Directory.ID, shown.client)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return nil, err
	}
	if client != nil {
		r.ClientID = client.GetID()
	}
	// 1. Verify the credentials.
	who := ratelimit.Caller{Directory: r.Issuer.Directory.ID, Client: shown.client, Network: ratelimit.Network(r.ClientIP)}
	if client != nil {
		who.Client = endpoint.InstanceOf(client)
	}
	if err := a.recognise(ctx, who, client, shown); err != nil {
		return nil, err
	}
	// 2. Apply the client's rate limit, and accept each assertion once.
	if err := a.Limits.authenticated(who, shown.method == MethodNone); err != nil {
		return nil, err
	}
	if shown.assertion == nil {
		return client, nil
	}
	return client, a.Assertions.spend(ctx, client, shown.assertion, assertionAudiences(r))
}

// recognise returns an error unless the credentials are those of the client, which is nil if it does not exist.
//
// A right secret or key never counts as a failure, even if the client does not use the method by which it was sent: libraries
// try one method after the other.
func (a Authenticator) recognise(ctx context.Context, who ratelimit.Caller, client *oauth2.Client, shown credentials) error {
	if shown.method == MethodNone { // There is nothing to guess.
		return rejectionFor(methodProblem(client, shown))
	}
	right, err := a.proves(ctx, who, client, shown)
	if err != nil {
		return err
	}
	if err := a.count(ctx, who, client, right); err != nil {
		return err
	}
	if right {
		return rejectionFor(methodProblem(client, shown))
	}
	if looksLikeAppID(shown.client) {
		return endpoint.CausedBy(appIDAsClient(), credentialProblem(client, shown))
	}
	return rejectionFor(credentialProblem(client, shown))
}

// count records the result of an attempt for the limits.
func (a Authenticator) count(ctx context.Context, who ratelimit.Caller, client *oauth2.Client, right bool) error {
	chosen := client != nil && hasChosenSecret(client.Record())
	switch {
	case right && chosen:
		a.Limits.guessSucceeded(who)
	case chosen:
		a.Limits.guessFailed(ctx, who)
	case !right:
		return a.Limits.failed(ctx, who)
	}
	return nil
}

// proves reports whether the secret or key is the client's, for any method.
func (a Authenticator) proves(ctx context.Context, who ratelimit.Caller, client *oauth2.Client, shown credentials) (bool, error) {
	if client == nil {
		return false, nil
	}
	if shown.assertion != nil {
		return a.Assertions.proves(ctx, client, shown.assertion)
	}
	record := client.Record()
	if isGeneratedSecret(record, shown.secret) {
		return true, nil
	}
	if !hasChosenSecret(record) || shown.secret == "" {
		return false, nil
	}
	// A chosen secret can be guessed, and its verification is slow.
	if err := a.Limits.checkGuess(who); err != nil {
		return false, err
	}
	return a.Secrets.isChosen(ctx, record, shown.secret)
}

// readCredentials reads the credentials of a request, which must use one method only.
func readCredentials(r *http.Request, form url.Values) (credentials, error) {
	if form.Get("client_assertion") != "" || form.Get("client_assertion_type") != "" {
		return readAssertion(r, form)
	}
	body := credentials{method: MethodNone, client: form.Get("client_id"), secret: form.Get("client_secret")}
	if body.secret != "" {
		body.method = methodPost
	}
	if len(r.Header.Values("Authorization")) == 0 {
		if body.client == "" {
			return credentials{}, endpoint.NewError(fosite.ErrInvalidClient, "The request does not say which client it is from. Authenticate by the method the client is registered with.")
		}
		return body, checkLength(body)
	}
	header, err := basicCredentials(r)
	if err != nil {
		return credentials{}, err
	}
	if body.method == methodPost {
		return credentials{}, twoMethods()
	}
	if body.client != "" && body.client != header.client {
		return credentials{}, endpoint.NewError(fosite.ErrInvalidRequest, "client_id names another client than the Authorization header.")
	}
	return header, checkLength(header)
}

// readAssertion reads private_key_jwt (RFC 7521 §4.2). The assertion identifies the client.
func readAssertion(r *http.Request, form url.Values) (credentials, error) {
	if len(r.Header.Values("Authorization")) > 0 || form.Get("client_secret") != "" {
		return credentials{}, twoMethods()
	}
	if form.Get("client_assertion_type") != assertionType {
		return credentials{}, endpoint.NewError(fosite.ErrInvalidClient, "client_assertion needs the client_assertion_type "+assertionType+", and is needed with it.")
	}
	read, err := parseAssertion(form.Get("client_assertion"))
	if err != nil {
		return credentials{}, rejectClient(causeMalformedAssertion)
	}
	shown := credentials{method: methodPrivateKey, client: read.claims.Subject, assertion: read}
	if id := form.Get("client_id"); id != "" && id != shown.client {
		return credentials{}, endpoint.NewError(fosite.ErrInvalidRequest, "client_id names another client than the client assertion.")
	}
	return shown, checkLength(shown)
}

func twoMethods() error {
	return endpoint.NewError(fosite.ErrInvalidRequest, "The request authenticates the client in two ways. Use one (RFC 6749 section 2.3).")
}

// basicCredentials reads the Authorization header, whose two parts are form-encoded (RFC 6749 §2.3.1).
func basicCredentials(r *http.Request) (credentials, error) {
	name, password, ok := r.BasicAuth()
	if !ok || len(r.Header.Values("Authorization")) != 1 {
		return credentials{}, rejectClient(causeMalformedBasic)
	}
	client, err := url.QueryUnescape(name)
	if err != nil {
		return credentials{}, rejectClient(causeMalformedBasic)
	}
	secret, err := url.QueryUnescape(password)
	if err != nil {
		return credentials{}, rejectClient(causeMalformedBasic)
	}
	return credentials{method: methodBasic, client: client, secret: secret}, nil
}

func checkLength(shown credentials) error {
	if len(shown.client) > endpoint.MaxClientID || len(shown.secret) > maxSecret || strings.ContainsRune(shown.client, 0) {
		return rejectClient(causeTooLong)
	}
	return nil
}
