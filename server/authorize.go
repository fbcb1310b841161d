package server

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/discovery"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// authorizeEndpoint is /oauth2/authorize (RFC 6749 §3.1, OpenID Connect Core §3.1.2): it reads the request, finds out whose
// browser it is, asks what has to be asked on pages of their own, and answers the client with a code.
type authorizeEndpoint struct {
	reader       authorizationReader
	pushed       pushedRequests
	sessions     *sessions
	interactions interactions
	consents     consents
	codes        codes
	sealer       sealer
	now          func() time.Time
	// failure is the page of errors that must not be sent to the client.
	failure surface
}

const (
	routeAuthorize = "authorize"
	authorizePath  = "/oauth2/authorize"
	// The pages that people are sent to, with an interaction in their URL.
	loginPath    = "/login"
	registerPath = "/register"
	consentPath  = "/consent"

	// keptParameter is the parameter of our own URL that holds a request which came by POST.
	keptParameter = "kept"
	purposeKept   = "kept authorization request"
	keptLife      = time.Minute
)

func (e *authorizeEndpoint) mount(t *table) {
	t.handle(route{
		name: routeAuthorize, path: authorizePath, methods: []string{http.MethodGet, http.MethodPost}, serve: e.serve, surface: e.failure,
	})
	t.advertise(func(p *discovery.Provider) {
		p.Endpoints.Authorization = authorizePath
		p.ResponseTypes = []string{responseTypeCode}
		p.ResponseModes = responseModes()
		p.CodeChallengeMethods = []string{methodS256}
		p.ACRValues = acrValues()
		p.ClaimsParameter = true
		p.AuthorizationResponseIss = true
	})
}

// serve finds the request in what the browser sent: the request itself, one that came by POST a moment ago, or one that its user
// was asked about.
func (e *authorizeEndpoint) serve(w http.ResponseWriter, r *call) error {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache")
	switch r.Method {
	case http.MethodHead:
		return nil // It would answer nobody, and a code must not be spent on it.
	case http.MethodPost:
		return e.keep(w, r)
	}
	query := r.URL.Query()
	if query.Has(interactionParameter) {
		p, err := e.waiting(r)
		if err != nil {
			return err
		}
		return e.goOn(w, r, p.request, p.interaction)
	}
	if query.Has(againParameter) {
		return e.beginAgain(w, r, query.Get(againParameter))
	}
	if query.Has(keptParameter) {
		form, err := e.kept(r, query.Get(keptParameter))
		if err != nil {
			return err
		}
		return e.visit(w, r, form, nil)
	}
	form, malformed := parseAuthorization(r.URL.RawQuery)
	return e.visit(w, r, form, malformed)
}

// visit is the first visit of a request. malformed is what parseAuthorization says of it.
func (e *authorizeEndpoint) visit(w http.ResponseWriter, r *call, form url.Values, malformed error) error {
	r.form = form
	// 1. The request as the client pushed it, if it did; then nothing else in the URL counts.
	asked := form
	form, pushed, err := e.pushed.resolve(r.Context(), r.issuer, asked)
	if err != nil {
		if client, unknown := e.reader.client(r.Context(), r.issuer, asked); unknown == nil {
			r.returns = returnLink{client: clientName(client.Record())}
		}
		return cmp.Or(malformed, err)
	}
	// 2. Whose it is.
	to, err := e.reader.addressee(r.Context(), r.issuer, form)
	if err != nil {
		return cmp.Or(malformed, err)
	}
	if !pushed.of(to.client) {
		return requestURIOver()
	}
	// 3. What it asks.
	request, err := e.read(r.Context(), r.issuer, to, form, pushed)
	if err = cmp.Or(malformed, err); err != nil {
		return e.answer(w, r, to, form.Get("prompt") == promptNone, err)
	}
	return e.goOn(w, r, request, nil)
}

// read checks a request on its first visit.
func (e *authorizeEndpoint) read(ctx context.Context, issuer *oauth2.Issuer, to reply, form url.Values, pushed pushedReference) (*authorization, error) {
	request, err := e.reader.read(ctx, issuer, to, form)
	if err != nil {
		return nil, err
	}
	if pushed.id == "" && to.client.Record().RequirePAR {
		return nil, refusal(fosite.ErrInvalidRequest, "This client must push its authorization requests.")
	}
	request.pushed, request.hint = pushed.id, cmp.Or(pushed.hint, request.hint)
	return request, nil
}

// answer tells the client what went wrong. What a reload could cure is said to the user instead, unless nothing may be shown.
func (e *authorizeEndpoint) answer(w http.ResponseWriter, r *call, to reply, silent bool, err error) error {
	if down(err) && !silent {
		return err
	}
	refuse(w, r, to.fail, err)
	return nil
}

// goOn brings a request as far as it gets without its user. i is nil before the user was asked for anything.
func (e *authorizeEndpoint) goOn(w http.ResponseWriter, r *call, request *authorization, i *interaction) error {
	err := e.decide(w, r, request, i)
	if err != nil {
		return e.answer(w, r, request.reply, request.silent(), err)
	}
	return nil
}

// decide answers with a code, or sends the user to the page that is next.
func (e *authorizeEndpoint) decide(w http.ResponseWriter, r *call, request *authorization, i *interaction) error {
	if i != nil && i.Denied {
		return deniedByUser()
	}
	// 1. Can anybody sign in as it is asked for?
	if !slices.ContainsFunc(acrValues(), func(acr string) bool { return meetsACR(request.claims.acr, acr) }) {
		return unmetACR()
	}
	// 2. Who is at the browser?
	current, err := e.sessions.browserSession(r)
	if err != nil {
		return err
	}
	wrong, err := e.wrongSignIn(r.Context(), request, current)
	if err != nil {
		return err
	}
	if request.asks(promptCreate) && !i.chosenBy(current) {
		return e.ask(w, r, request, i, stepRegister, nil)
	}
	if e.signInNeeded(request, i, current, wrong) {
		return e.ask(w, r, request, i, stepLogin, nil)
	}
	if wrong != nil {
		return wrong
	}
	if request.asks(promptAccount) && !i.chosenNow(current.Record) {
		return e.ask(w, r, request, i, stepAccount, current)
	}
	// 3. Does the user allow it?
	allowed, err := e.allowed(r.Context(), request, i, current)
	if err != nil {
		return err
	}
	if allowed == nil {
		return e.ask(w, r, request, i, stepConsent, current)
	}
	// 4. Then the client gets a code.
	return e.issue(w, r, request, i, current, allowed)
}

// signInNeeded reports whether the user has to sign in before the request can go on. wrong is what wrongSignIn says.
func (e *authorizeEndpoint) signInNeeded(request *authorization, i *interaction, current *signedIn, wrong error) bool {
	switch {
	case current == nil:
		return true
	case i.signedInNow(current.Record):
		return e.tooOld(request, current) && *request.maxAge > 0
	case request.asks(promptLogin), wrong != nil:
		return true
	default:
		return e.tooOld(request, current)
	}
}

// tooOld reports whether the user signed in longer ago than max_age allows (OpenID Connect Core §3.1.2.1). Time passes on pages,
// so this is asked again before a code is issued; of a max_age of 0, which no sign-in meets for long, once is enough.
func (e *authorizeEndpoint) tooOld(request *authorization, current *signedIn) bool {
	return request.maxAge != nil && (*request.maxAge == 0 || e.now().Sub(current.Record.AuthTime) > *request.maxAge)
}

// settled reports whether a request that waited for a sign-in can go on with the session that the browser has by now.
func (e *authorizeEndpoint) settled(r *http.Request, p *waiting, current *signedIn) (bool, error) {
	wrong, err := e.wrongSignIn(r.Context(), p.request, current)
	return err == nil && !e.signInNeeded(p.request, p.interaction, current, wrong) && wrong == nil, err
}

// wrongSignIn says what keeps a session from being what the request demands; nil for nothing, and without session.
func (e *authorizeEndpoint) wrongSignIn(ctx context.Context, request *authorization, current *signedIn) (wrong, err error) {
	if current == nil {
		return nil, nil
	}
	for _, subjects := range request.subjects() {
		meant, err := e.codes.means(ctx, request.client, subjects, current.user)
		if err != nil {
			return nil, err
		}
		if !meant {
			return refusal(fosite.ErrLoginRequired, "Another user is signed in than the one whom the request names."), nil
		}
	}
	if !meetsACR(request.claims.acr, current.Record.ACR) {
		return unmetACR(), nil
	}
	return nil, nil
}

// unmetACR is the error of OpenID Connect Core Unmet Authentication Requirements 1.0 §3.
func unmetACR() error {
	problem := refusal(fosite.ErrAccessDenied, "The user cannot be authenticated in the way that the claims parameter demands.")
	problem.Protocol.ErrorField = "unmet_authentication_requirements"
	return problem
}

// allowed returns the scopes that the user lets the client have; nil when the user has to be asked.
func (e *authorizeEndpoint) allowed(ctx context.Context, request *authorization, i *interaction, current *signedIn) ([]string, error) {
	client := request.client.Record()
	wanted := offered(request.consentScopes(), current.user, client)
	if scopes, decided := i.allowedNow(current.Record); decided {
		return scopes, nil
	}
	switch {
	case request.asks(promptConsent):
		return nil, nil
	case client.FirstParty:
		return request.consentScopes(), nil
	case !assured(client, request.redirectURI):
		// Who cannot be told from another app gets nothing unasked (RFC 6749 §10.2, RFC 8252 §8.6).
		return nil, nil
	}
	before, _, err := e.consents.remembered(ctx, current.user, client)
	switch {
	case err != nil:
		return nil, err
	case !missing(before.allowed, wanted):
		return wanted, nil
	case request.silent():
		return before.answers(wanted), nil
	default:
		return nil, nil
	}
}

// ask sends the user to a page, or tells the client that it would have to be (OpenID Connect Core §3.1.2.6). current is nil when
// the question is who the user is.
func (e *authorizeEndpoint) ask(
	w http.ResponseWriter, r *call, request *authorization, i *interaction, next step, current *signedIn,
) error {
	if request.silent() {
		if next == stepConsent {
			return refusal(fosite.ErrConsentRequired, "The user has to be asked for consent, and prompt is none.")
		}
		return refusal(fosite.ErrLoginRequired, "The user has to sign in, and prompt is none.")
	}
	if i == nil {
		if err := e.refuseUsed(r.Context(), request, pushedOpen); err != nil {
			return err
		}
		var err error
		if i, err = e.interactions.begin(w, r, request); err != nil {
			return err
		}
	}
	i.Step = next
	path := loginPath
	switch next {
	case stepLogin, stepAccount:
	case stepRegister:
		path = registerPath
	case stepConsent:
		path, i.Asked, i.Allowed = consentPath, current.Record.ID, nil
	}
	return e.goTo(w, r, path, i)
}

// refuseUsed refuses a pushed request that got further than allowed, before the user is asked for anything.
func (e *authorizeEndpoint) refuseUsed(ctx context.Context, request *authorization, allowed pushedState) error {
	if request.pushed == "" {
		return nil
	}
	state, err := e.codes.pushedState(ctx, request.client.Record(), request.pushed)
	if err == nil && state > allowed {
		err = requestURIUsed()
	}
	return err
}

// goTo sends the browser to one of our own pages.
func (e *authorizeEndpoint) goTo(w http.ResponseWriter, r *call, path string, i *interaction) error {
	location, err := e.interactions.at(r.Context(), r.issuer, path, i)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Location", location)
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

// issue answers with a code.
func (e *authorizeEndpoint) issue(
	w http.ResponseWriter, r *call, request *authorization, i *interaction, current *signedIn, allowed []string,
) error {
	issuer := r.issuer
	if err := e.sessions.seen(r.Context(), issuer, current, request.client.Record()); err != nil {
		return err
	}
	code, err := e.codes.issue(r.Context(), request, i, current, allowed)
	if errors.Is(err, errAnswered) {
		if request.pushed != "" {
			return requestURIUsed()
		}
		// The user came back to a request that was answered: it begins again, and nothing counts that was said then.
		return e.goOn(w, r, request, nil)
	}
	if err != nil {
		return err
	}
	request.send(w, r, url.Values{"code": {code}})
	return nil
}

// keep puts a request that came by POST into the URL and has the browser fetch it. A POST from another site brings no cookie
// that is Lax, while the GET that follows does (OpenID Connect Core §3.1.2.1 wants both methods).
func (e *authorizeEndpoint) keep(w http.ResponseWriter, r *call) error {
	if mediaType(r.Request) != formType {
		return pageRefusal("malformed_request", "The request must be a form of the media type "+formType+".")
	}
	body, err := readBody(r.Request)
	if err != nil {
		return err
	}
	form, malformed := parseAuthorization(string(body))
	r.form = form
	if malformed != nil || (&authorization{form: form}).checkSize() != nil {
		return e.visit(w, r, form, malformed) // It is refused, whoever is signed in.
	}
	until := binary.BigEndian.AppendUint64(nil, uint64(e.now().Add(keptLife).Unix())) //nolint:gosec // After 1970.
	sealed, err := e.sealer.seal(r.Context(), r.issuer, purposeKept, append(until, packParameters(form)...))
	if err != nil {
		return err
	}
	w.Header().Set("Location", r.issuer.URL+authorizePath+"?"+url.Values{keptParameter: {sealed}}.Encode())
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

// kept returns the request that keep put away.
func (e *authorizeEndpoint) kept(r *call, sealed string) (url.Values, error) {
	over := pageRefusal("kept_over", "This address was good for a minute. Go back to the application and begin again.")
	packed, err := e.sealer.open(r.Context(), r.issuer, purposeKept, sealed)
	if errors.Is(err, errSealed) {
		return nil, over
	}
	if err != nil {
		return nil, err
	}
	if len(packed) < 8 {
		return nil, over
	}
	form, err := unpackParameters(packed[8:])
	ends := time.Unix(int64(binary.BigEndian.Uint64(packed)), 0) //nolint:gosec // As keep wrote it.
	if err == nil && storage.IsOver(ends, keptLife, e.now()) {
		e.offerAgain(r, &interaction{Form: form})
		return nil, over
	}
	return form, err
}

// maxRawAuthorization bounds the text of an authorization request. The longest request that is read fits in: percent-encoding
// triples what maxAuthorization counts at most.
const maxRawAuthorization = 3*maxAuthorization + maxHint + 2<<10

// parseAuthorization reads form-encoded parameters. Where some cannot be read, malformed says so, and form holds the others: it
// is an error for the client if they name one, and else for a page.
func parseAuthorization(text string) (form url.Values, malformed error) {
	all, name := parseParameters(text)
	switch {
	case len(text) > maxRawAuthorization:
		malformed = pageRefusal("malformed_request", fmt.Sprintf("The authorization request is too long: it has %d bytes, encoded. At most %d are allowed.", len(text), maxRawAuthorization))
	case name != "":
		malformed = pageRefusal("malformed_request", malformedParameter(name))
	}
	return authorizationForm(all), malformed
}

// acrSingleFactor is the authentication context class of a sign-in with one factor: level 1 of ISO/IEC 29115 (OpenID Connect
// Core §2).
const acrSingleFactor = "1"

func acrValues() []string { return []string{acrSingleFactor} }

// meetsACR reports whether a class is one of those of which one is essential (OpenID Connect Core §5.5.1.1).
func meetsACR(essential []string, acr string) bool {
	return len(essential) == 0 || slices.Contains(essential, acr)
}
