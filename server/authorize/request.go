package authorize

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/target"
	"github.com/minifed/minifed/server/token"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// Request is a valid authorization request (RFC 6749 §4.1.1, OpenID Connect Core §3.1.2.1). The authorization endpoint finds
// its user and issues its code.
type Request struct {
	// Response is the destination of the response.
	Response
	// form holds its parameters, as authorizationForm returns them.
	form url.Values
	// pushed is the ID of the pushed request; empty if the request was not pushed.
	pushed string
	// until is the time until which a pushed request can restart, in Unix seconds; zero on its first visit.
	until int64

	// asked are the requested scopes, and scopes those of them that the client may have.
	asked  []string
	scopes []string
	target *target.Selection
	claims token.RequestedClaims
	prompt []string
	// maxAge is the maximum time since the sign-in; nil for any.
	maxAge *time.Duration
	// hint is the subject of the id_token_hint; empty without one.
	hint string
}

const (
	// MaxAuthorization bounds the parameters of an authorization request without its id_token_hint, as endpoint.DecodedSize
	// counts them, so that an interaction fits into a URL that proxies accept.
	MaxAuthorization = 4 << 10
	// MaxHint bounds the length of an id_token_hint. It is more than token.maxIDToken, because ID tokens of earlier versions are
	// longer.
	MaxHint = 12 << 10
	// maxNonce bounds the length of a nonce, which is included in every ID token.
	maxNonce = 512

	responseTypeCode = "code"
	methodS256       = "S256"
)

// The values of the parameter prompt (OpenID Connect Core §3.1.2.1).
const (
	promptNone    = "none"
	promptLogin   = "login"
	promptConsent = "consent"
	promptAccount = "select_account"
	// promptCreate is of Initiating User Registration 1.0.
	promptCreate = "create"
)

// PromptValues are the values that a directory supports.
func PromptValues(directory storage.Directory) []string {
	values := []string{promptNone, promptLogin, promptConsent, promptAccount}
	if directory.Policy.SelfRegistration {
		values = append(values, promptCreate)
	}
	return values
}

// asks reports whether prompt contains a value.
func (a *Request) asks(prompt string) bool { return slices.Contains(a.prompt, prompt) }

// silent reports whether no page may be shown (prompt=none).
func (a *Request) silent() bool { return a.asks(promptNone) }

// consentScopes are the scopes that need the user's consent: the requested ones, and those that cover the requested claims.
func (a *Request) consentScopes() []string {
	scopes := slices.Concat(a.scopes, a.claims.Scopes())
	slices.Sort(scopes)
	return slices.Compact(scopes)
}

// Parameters are the supported parameters.
func Parameters() []string {
	return []string{
		"client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce", "code_challenge", "code_challenge_method",
		"prompt", "max_age", "id_token_hint", "login_hint", "acr_values", "ui_locales", "claims_locales", "display", "claims",
		"resource", "audience", "request", "request_uri", "registration",
	}
}

// authorizationForm drops unknown parameters and empty ones, which count as omitted (RFC 6749 §3.1).
func authorizationForm(form url.Values) url.Values {
	known := url.Values{}
	for _, name := range Parameters() {
		for _, value := range form[name] {
			if value != "" {
				known.Add(name, value)
			}
		}
	}
	return known
}

// subjects returns the lists of requested subjects. The user must be in each list.
func (a *Request) subjects() [][]string {
	if a.hint == "" {
		return a.claims.Subjects
	}
	return append([][]string{{a.hint}}, a.claims.Subjects...)
}

// FormWithoutHint returns the request without its id_token_hint, which is long and already read.
func (a *Request) FormWithoutHint() url.Values {
	form := url.Values{}
	for name, values := range a.form {
		if name != "id_token_hint" {
			form[name] = values
		}
	}
	return form
}

// checkSize rejects a request or a nonce that is too long.
func (a *Request) checkSize() error {
	if size := endpoint.DecodedSize(a.FormWithoutHint()); size > MaxAuthorization {
		return endpoint.NewError(fosite.ErrInvalidRequest, fmt.Sprintf(
			"The authorization request is too long: the names and values of its parameters have %d bytes, decoded and without id_token_hint. At most %d are allowed.",
			size, MaxAuthorization))
	}
	if length := len(a.form.Get("id_token_hint")); length > MaxHint {
		return endpoint.NewError(fosite.ErrInvalidRequest, fmt.Sprintf("The id_token_hint has %d characters. At most %d are allowed.", length, MaxHint))
	}
	if length := utf8.RuneCountInString(a.form.Get("nonce")); length > maxNonce {
		return endpoint.NewError(fosite.ErrInvalidRequest, fmt.Sprintf("The nonce has %d characters. At most %d are allowed.", length, maxNonce))
	}
	return nil
}

// RequestReader reads and checks authorization requests.
type RequestReader struct {
	Clients oauth2.Clients
	Keys    *keys.Ring
	Targets target.Targets
}

// resolveClient finds the client of a request and the destination of its response. Until these are known, an error is shown on
// a page: redirecting to an unregistered address would create an open redirector (RFC 6749 §4.1.2.1).
func (p RequestReader) resolveClient(r *endpoint.Request, form url.Values) (Response, error) {
	client, err := p.client(r, form)
	if err != nil {
		return Response{}, err
	}
	uri, err := redirectOf(client.Record(), form)
	if err != nil {
		return Response{}, err
	}
	to := Response{Client: client, RedirectURI: uri, mode: responseModeOf(form)}
	if states := form["state"]; len(states) == 1 && utf8.ValidString(states[0]) {
		to.state = states[0]
	}
	return to, nil
}

// client returns the client of the request, which must have one client_id.
func (p RequestReader) client(r *endpoint.Request, form url.Values) (*oauth2.Client, error) {
	ids := form["client_id"]
	if len(ids) != 1 {
		return nil, PageError("client_id_missing", "The parameter client_id is missing or repeated. Send it once.")
	}
	client, err := p.Clients.Client(r.Context(), r.Issuer.Directory.ID, ids[0])
	if errors.Is(err, storage.ErrNotFound) || err == nil && client.Record().Disabled {
		return nil, PageError("client_unknown", "The client_id is not registered, or the client is disabled.")
	}
	if err != nil {
		return nil, err
	}
	r.ClientID = client.GetID()
	return client, nil
}

// read checks a request after resolveClient. Its errors are for the client.
func (p RequestReader) read(ctx context.Context, issuer *oauth2.Issuer, to Response, form url.Values) (*Request, error) {
	a := &Request{Response: to, form: form}
	// 1. Parameters, each at most once, without request objects, and not too long.
	if err := endpoint.CheckForm(form, repeatableTargets()); err != nil {
		return nil, err
	}
	if err := checkRequestObjects(form); err != nil {
		return nil, err
	}
	if err := a.checkSize(); err != nil {
		return nil, err
	}
	// 2. Response type and PKCE.
	if err := checkResponse(to.Client, form); err != nil {
		return nil, err
	}
	if err := checkPKCE(to.Client.Record(), form); err != nil {
		return nil, err
	}
	// 3. Resources and scopes.
	selected, err := p.Targets.Requested(ctx, issuer, to.Client, form)
	if err != nil {
		return nil, err
	}
	a.target = selected
	if err := a.readScopes(); err != nil {
		return nil, err
	}
	// 4. ID token hint and max_age.

	if err := a.readOpenID(issuer.Directory); err != nil {
		return nil, err
	}
	if hint := form.Get("id_token_hint"); hint != "" {
		subject, err := p.readHint(ctx, issuer, to.Client, hint)
		if err != nil {
			return nil, err
		}
		a.hint = subject
	}
	return a, nil
}

// checkRequestObjects rejects request objects with their own error codes (OpenID Connect Core §3.1.2.6, §7.2.1).
func checkRequestObjects(form url.Values) error {
	switch {
	case form.Has("request"):
		return endpoint.NewError(fosite.ErrRequestNotSupported, "Request objects are not supported: send the parameters themselves, or push them.")
	case form.Has("request_uri"):
		return endpoint.NewError(fosite.ErrRequestURINotSupported, "A request_uri is supported only when it comes from the pushed authorization request endpoint.")
	case form.Has("registration"):
		return endpoint.NewError(fosite.ErrRegistrationNotSupported, "The parameter registration is not supported.")
	default:
		return nil
	}
}

// checkResponse checks response_type and response_mode.
func checkResponse(client *oauth2.Client, form url.Values) error {
	switch {
	case !form.Has("response_type"):
		return endpoint.NewError(fosite.ErrInvalidRequest, "The parameter response_type is missing. Send code.")
	case form.Get("response_type") != responseTypeCode:
		return endpoint.NewError(fosite.ErrUnsupportedResponseType, "This response_type is not supported. Send code.")
	case len(client.GetResponseTypes()) == 0:
		return endpoint.NewError(fosite.ErrUnauthorizedClient, "This client may not use the grant type authorization_code. Its operator has to add it.")
	}
	if mode := form.Get("response_mode"); mode != "" && !slices.Contains(responseModes(), mode) {
		return endpoint.NewError(fosite.ErrInvalidRequest, "This response_mode is not supported. Send query or form_post, or leave it out.")
	}
	return nil
}

// readScopes reads the requested scopes (RFC 6749 §3.3), or the defaults.
func (a *Request) readScopes() error {
	a.asked = strings.Fields(a.form.Get("scope"))
	if len(a.asked) == 0 {
		a.asked = a.target.DefaultScopes()
	}
	if len(a.asked) == 0 && !a.target.AllowsNoScope() {
		return endpoint.NewError(fosite.ErrInvalidScope, "The parameter scope is missing, and the client has no default scopes. Send openid for an OpenID Connect sign-in.")
	}
	slices.Sort(a.asked)
	a.asked = slices.Compact(a.asked)
	scopes, err := endpoint.RegisteredScopes(a.asked, a.target.Scopes(a.asked))
	a.scopes = scopes
	return err
}

// repeatableTargets are the parameters that may be repeated (RFC 8707 §2).
func repeatableTargets() []string { return []string{"resource", "audience"} }

// readOpenID reads the parameters of OpenID Connect Core §3.1.2.1 and §5.5. The pages read the parameters about the display.
// Unknown ones are ignored.
func (a *Request) readOpenID(directory storage.Directory) error {
	a.prompt = strings.Fields(a.form.Get("prompt"))
	supported := PromptValues(directory)
	for _, value := range a.prompt {
		if !slices.Contains(supported, value) {
			return endpoint.NewError(fosite.ErrInvalidRequest, "The parameter prompt has a value that is not supported here. Supported are: "+strings.Join(supported, ", ")+".")
		}
	}
	if a.silent() && len(a.prompt) > 1 {
		return endpoint.NewError(fosite.ErrInvalidRequest, "The parameter prompt must not have other values together with none.")
	}
	if err := a.readMaxAge(); err != nil {
		return err
	}
	claims, err := token.ParseClaims(a.form.Get("claims"), token.ClaimsOf(directory))
	if err != nil {
		return endpoint.NewError(fosite.ErrInvalidRequest, "The parameter claims is not what OpenID Connect Core section 5.5 describes: a JSON object with the members userinfo and id_token, not too long, every name once, every claim null or an object whose essential is a boolean and whose value or values have the type of the claim.")
	}
	// A client that may not request a scope may not request its claims individually.
	a.claims = claims.Within(a.Client.GetScopes())
	return nil
}

// readHint returns the subject of an id_token_hint: an ID token of this issuer for this client, which may have expired, signed
// by a key in use or retired (OpenID Connect Core §3.1.2.1).
func (p RequestReader) readHint(ctx context.Context, issuer *oauth2.Issuer, client *oauth2.Client, hint string) (string, error) {
	claims, err := token.VerifyHint(ctx, issuer, p.Keys, hint)
	if errors.Is(err, keys.ErrInvalid) || err == nil && !claims.Of(client) {
		return "", endpoint.NewError(fosite.ErrInvalidRequest, "The id_token_hint is not an ID token that this issuer gave to this client.")
	}
	return claims.Subject, err
}

// PageError returns an error for a page, which explains it by its reason.
func PageError(reason, description string) *grants.Error {
	problem := endpoint.NewError(fosite.ErrInvalidRequest, description)
	problem.Reason = reason
	return problem
}

// LoginHint is the user that the client expects to sign in; empty for any.
func (a *Request) LoginHint() string { return a.form.Get("login_hint") }

// UILocales are the languages that the client requests, the preferred one first.
func (a *Request) UILocales() []string { return strings.Fields(a.form.Get("ui_locales")) }
