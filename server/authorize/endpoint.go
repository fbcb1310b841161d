package authorize

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
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// Endpoint is /oauth2/authorize (RFC 6749 §3.1, OpenID Connect Core §3.1.2). It reads the request, finds the browser's
// session, sends the user to the login and consent pages if required, and returns a code to the client.
type Endpoint struct {
	Reader       RequestReader
	Pushed       PushedRequests
	Sessions     *Sessions
	Interactions Interactions
	Consents     Consents
	Codes        Codes
	// Adopt stores a client that a user consents to and no operator registered, and returns its record.
	Adopt  func(ctx context.Context, client storage.Client) (storage.Client, error)
	Sealer endpoint.Sealer
	Now    func() time.Time
	// ErrorWriter renders the page for errors that must not be sent to the client.
	ErrorWriter endpoint.ErrorWriter
}

const (
	routeAuthorize = "authorize"
	// AuthorizePath is the authorization endpoint.
	AuthorizePath = "/oauth2/authorize"
	// LoginPath is the login page, with an interaction in its URL.
	LoginPath = "/login"
	// RegisterPath is the page of registration, with an interaction in its URL.
	RegisterPath = "/register"
	// ConsentPath is the page that asks for consent, with an interaction in its URL.
	ConsentPath = "/consent"

	// parkedParameter is the query parameter that holds an authorization request sent by POST.
	parkedParameter = "kept"
	purposeParked   = parkedParameter + " authorization request" // As in earlier versions, whose envelopes must open.
	// ParkedLifetime is how long such a request is valid.
	ParkedLifetime = time.Minute
)

// Mount implements endpoint.Endpoint.
func (e *Endpoint) Mount(t *endpoint.RouteTable) {
	t.Handle(endpoint.Route{
		Name: routeAuthorize, Path: AuthorizePath, Methods: []string{http.MethodGet, http.MethodPost}, Serve: e.serve, ErrorWriter: e.ErrorWriter,
	})
	t.Advertise(func(p *discovery.Provider) {
		p.Endpoints.Authorization = AuthorizePath
		p.ResponseTypes = []string{responseTypeCode}
		p.ResponseModes = responseModes()
		p.CodeChallengeMethods = []string{methodS256}
		p.ClaimsParameter = true
		p.AuthorizationResponseIss = true
	})
}

// serve reads the request from one of three places: the parameters, the envelope of a parked POST, or an interaction.
func (e *Endpoint) serve(w http.ResponseWriter, r *endpoint.Request) error {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache")
	switch r.Method {
	case http.MethodHead:
		return nil // HEAD must not create a code.
	case http.MethodPost:
		return e.park(w, r)
	}
	query := r.URL.Query()
	if query.Has(endpoint.InteractionParameter) {
		p, err := e.Pending(r)
		if err != nil {
			return err
		}
		return e.resume(w, r, p.Request, p.Interaction)
	}
	if query.Has(againParameter) {
		return e.beginAgain(w, r, query.Get(againParameter))
	}
	if query.Has(parkedParameter) {
		form, err := e.parked(r, query.Get(parkedParameter))
		if err != nil {
			return err
		}
		return e.serveFirst(w, r, form, nil)
	}
	form, malformed := parseAuthorization(r.URL.RawQuery)
	return e.serveFirst(w, r, form, malformed)
}

// serveFirst serves the first visit of a request. malformed is the error of parseAuthorization.
func (e *Endpoint) serveFirst(w http.ResponseWriter, r *endpoint.Request, form url.Values, malformed error) error {
	r.Parameters = form
	// 1. The pushed request, if there is one; the other parameters are then ignored.
	asked := form
	form, pushed, err := e.Pushed.resolve(r.Context(), r.Issuer, asked)
	if err != nil {
		if client, unknown := e.Reader.client(r, asked); unknown == nil {
			r.ReturnLink = endpoint.ReturnLink{Client: endpoint.ClientName(client.Record())}
		}
		return cmp.Or(malformed, err)
	}
	// 2. The client.
	to, err := e.Reader.resolveClient(r, form)
	if err != nil {
		return cmp.Or(malformed, err)
	}
	if !pushed.of(to.Client) {
		return requestURIOver()
	}
	// 3. The parameters.
	request, err := e.read(r.Context(), r.Issuer, to, form, pushed)
	if err = cmp.Or(malformed, err); err != nil {
		return e.writeError(w, r, to, form.Get("prompt") == promptNone, err)
	}
	return e.resume(w, r, request, nil)
}

// read checks a request on its first visit.
func (e *Endpoint) read(ctx context.Context, issuer *oauth2.Issuer, to Response, form url.Values, pushed pushedReference) (*Request, error) {
	request, err := e.Reader.read(ctx, issuer, to, form)
	if err != nil {
		return nil, err
	}
	if pushed.id == "" && to.Client.Record().RequirePAR {
		return nil, endpoint.NewError(fosite.ErrInvalidRequest, "This client must push its authorization requests.")
	}
	request.pushed, request.hint = pushed.id, cmp.Or(pushed.hint, request.hint)
	return request, nil
}

// writeError sends the error to the client. An error that a reload could resolve is shown to the user instead, unless prompt is
// none.
func (e *Endpoint) writeError(w http.ResponseWriter, r *endpoint.Request, to Response, silent bool, err error) error {
	if endpoint.IsUnavailable(err) && !silent {
		return err
	}
	endpoint.WriteError(w, r, to.fail, err)
	return nil
}

// resume continues a request until it needs its user. i is nil before the first page.
func (e *Endpoint) resume(w http.ResponseWriter, r *endpoint.Request, request *Request, i *Interaction) error {
	err := e.decide(w, r, request, i)
	if err != nil {
		return e.writeError(w, r, request.Response, request.silent(), err)
	}
	return nil
}

// decide issues a code, or sends the user to the next page.
func (e *Endpoint) decide(w http.ResponseWriter, r *endpoint.Request, request *Request, i *Interaction) error {
	if i != nil && i.Denied {
		return deniedByUser()
	}
	// 1. Check that the requested sign-in is possible.
	if !canMeetACR(request.claims.ACR, r.Issuer.Directory) {
		return unmetACR()
	}
	// 2. Find the session of the browser.
	current, err := e.Sessions.CurrentFor(r, request.Client.Record())
	if err != nil {
		return err
	}
	wrong, err := e.wrongSignIn(r.Context(), request, current)
	if err != nil {
		return err
	}
	if request.asks(promptCreate) && !i.chosenBy(current) {
		return e.sendToPage(w, r, request, i, stepRegister, nil)
	}
	if e.signInNeeded(r.Issuer.Directory, request, i, current, wrong) {
		return e.sendToPage(w, r, request, i, StepLogin, nil)
	}
	if wrong != nil {
		return wrong
	}
	if request.asks(promptAccount) && !i.chosenNow(current.Record) {
		return e.sendToPage(w, r, request, i, StepAccount, current)
	}
	// 3. Check the user's consent.
	allowed, decided, err := e.allowed(r.Context(), request, i, current)
	if err != nil {
		return err
	}
	if !decided {
		return e.sendToPage(w, r, request, i, stepConsent, current)
	}
	// 4. Issue the code.
	return e.issue(w, r, request, i, current, allowed)
}

// signInNeeded reports whether the user has to sign in before the request can continue. wrong is the error of wrongSignIn.
func (e *Endpoint) signInNeeded(directory storage.Directory, request *Request, i *Interaction, current *CurrentSession, wrong error) bool {
	switch {
	case current == nil:
		return true
	case i.signedInNow(current.Record):
		return e.tooOld(request, current) && *request.maxAge > 0
	case request.asks(promptLogin), wrong != nil, request.stepsUp(current.Record, directory):
		return true
	default:
		return e.tooOld(request, current)
	}
}

// IsSignedIn reports whether a request that waited for a sign-in can continue with the current session.
func (e *Endpoint) IsSignedIn(r *endpoint.Request, p *Pending, current *CurrentSession) (bool, error) {
	wrong, err := e.wrongSignIn(r.Context(), p.Request, current)
	return err == nil && !e.signInNeeded(r.Issuer.Directory, p.Request, p.Interaction, current, wrong) && wrong == nil, err
}

// wrongSignIn returns why a session does not meet the request; nil if it does, or without a session.
func (e *Endpoint) wrongSignIn(ctx context.Context, request *Request, current *CurrentSession) (wrong, err error) {
	if current == nil {
		return nil, nil
	}
	for _, subjects := range request.subjects() {
		meant, err := e.Codes.isAmong(ctx, request.Client, subjects, current.User)
		if err != nil {
			return nil, err
		}
		if !meant {
			return endpoint.NewError(fosite.ErrLoginRequired, "The signed-in user is not the one that the request names."), nil
		}
	}
	if !meetsACR(request.claims.ACR, current.Record.ACR) {
		return unmetACR(), nil
	}
	return nil, nil
}

// allowed returns the scopes that the user allowed for the client; decided is false if the consent page is required.
func (e *Endpoint) allowed(ctx context.Context, request *Request, i *Interaction, current *CurrentSession) (allowed []string, decided bool, err error) {
	client := request.Client.Record()
	wanted := OfferedScopes(request.consentScopes(), current.User, client)
	if scopes, decided := i.allowedNow(current.Record); decided {
		return scopes, true, nil
	}
	if client.FirstParty && !request.asks(promptConsent) {
		return request.consentScopes(), true, nil
	}
	before, _, err := e.Consents.stored(ctx, current.User, client)
	if err != nil {
		return nil, false, err
	}
	if err := request.checkStepUp(before); err != nil {
		return nil, false, err
	}
	switch values := request.values(wanted); {
	case request.asks(promptConsent), alwaysAsks(client, request.RedirectURI):
		return nil, false, nil
	case !missing(before.allowed, values):
		return wanted, true, nil
	case request.silent() && !missing(slices.Concat(before.allowed, before.declined), values):
		granted := request.within(wanted, before.allowed)
		return granted, len(granted) > 0, nil
	default:
		return nil, false, nil
	}
}

// sendToPage sends the user to a page, or with prompt=none returns the matching error to the client (OpenID Connect Core §3.1.2.6).
// current is nil if the user has to sign in.
func (e *Endpoint) sendToPage(
	w http.ResponseWriter, r *endpoint.Request, request *Request, i *Interaction, next Step, current *CurrentSession,
) error {
	if request.silent() {
		if next == stepConsent {
			return endpoint.NewError(fosite.ErrConsentRequired, "The user has to be asked for consent, and prompt is none.")
		}
		return endpoint.NewError(fosite.ErrLoginRequired, "The user has to sign in, and prompt is none.")
	}
	if i == nil {
		if err := e.RejectUsed(r.Context(), request, pushedOpen); err != nil {
			return err
		}
		var err error
		if i, err = e.Interactions.begin(w, r, request); err != nil {
			return err
		}
	}
	i.Step = next
	path := LoginPath
	switch next {
	case StepLogin, StepAccount:
	case stepRegister:
		path = RegisterPath
	case stepConsent:
		path, i.Asked, i.Allowed, i.Consented = ConsentPath, current.Record.ID, nil, false
	}
	return e.GoTo(w, r, path, i)
}

// RejectUsed rejects a pushed request whose state is above the allowed one, before a page is shown.
func (e *Endpoint) RejectUsed(ctx context.Context, request *Request, allowed PushedState) error {
	if request.pushed == "" {
		return nil
	}
	state, err := e.Codes.pushedState(ctx, request.Client.Record(), request.pushed)
	if err == nil && state > allowed {
		err = requestURIUsed()
	}
	return err
}

// GoTo redirects the browser to one of our own pages.
func (e *Endpoint) GoTo(w http.ResponseWriter, r *endpoint.Request, path string, i *Interaction) error {
	location, err := e.Interactions.at(r.Context(), r.Issuer, path, i)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Location", location)
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

// issue returns a code to the client.
func (e *Endpoint) issue(
	w http.ResponseWriter, r *endpoint.Request, request *Request, i *Interaction, current *CurrentSession, allowed []string,
) error {
	issuer := r.Issuer
	if err := e.Sessions.seen(r.Context(), issuer, current, request.Client.Record()); err != nil {
		return err
	}
	code, err := e.Codes.issue(r.Context(), request, i, current, allowed)
	if errors.Is(err, errCodeIssued) {
		if request.pushed != "" {
			return requestURIUsed()
		}
		// The user returned to a request that already has its code: it restarts without the earlier decisions.
		return e.resume(w, r, request, nil)
	}
	if err != nil {
		return err
	}
	request.send(w, r, url.Values{"code": {code}})
	return nil
}

// park puts a request sent by POST into a URL and redirects the browser to it. A POST from another site does not carry our Lax
// cookies, but the GET after it does (OpenID Connect Core §3.1.2.1 requires both methods).
func (e *Endpoint) park(w http.ResponseWriter, r *endpoint.Request) error {
	if endpoint.MediaType(r.Request) != endpoint.FormMediaType {
		return PageError("malformed_request", "The request must be a form of the media type "+endpoint.FormMediaType+".")
	}
	body, err := endpoint.ReadBody(r.Request)
	if err != nil {
		return err
	}
	form, malformed := parseAuthorization(string(body))
	r.Parameters = form
	if malformed != nil || (&Request{form: form}).checkSize() != nil {
		return e.serveFirst(w, r, form, malformed) // It is rejected for every user.
	}
	until := binary.BigEndian.AppendUint64(nil, uint64(e.Now().Add(ParkedLifetime).Unix()))
	sealed, err := e.Sealer.Seal(r.Context(), r.Issuer, purposeParked, append(until, endpoint.PackParameters(form)...))
	if err != nil {
		return err
	}
	w.Header().Set("Location", r.Issuer.URL+AuthorizePath+"?"+url.Values{parkedParameter: {sealed}}.Encode())
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

// parked returns the request in an envelope of park.
func (e *Endpoint) parked(r *endpoint.Request, sealed string) (url.Values, error) {
	over := PageError("kept_over", "This address was good for a minute. Go back to the application and begin again.")
	packed, err := e.Sealer.Open(r.Context(), r.Issuer, purposeParked, sealed)
	if errors.Is(err, endpoint.ErrInvalidEnvelope) {
		return nil, over
	}
	if err != nil {
		return nil, err
	}
	if len(packed) < 8 {
		return nil, over
	}
	form, err := endpoint.UnpackParameters(packed[8:])
	ends := time.Unix(int64(binary.BigEndian.Uint64(packed)), 0)
	if err == nil && storage.IsOver(ends, ParkedLifetime, e.Now()) {
		e.offerAgain(r, &Interaction{Form: form})
		return nil, over
	}
	return form, err
}

// MaxRawAuthorization bounds the text of an authorization request. It is three times MaxAuthorization, because of
// percent-encoding.
const MaxRawAuthorization = 3*MaxAuthorization + MaxHint + 2<<10

// parseAuthorization parses form-encoded parameters. If some are malformed, it returns the error for them, and form has the
// others: if they identify the client, the error is sent to it, and else shown on a page.
func parseAuthorization(text string) (form url.Values, malformed error) {
	all, name := endpoint.ParseParameters(text)
	switch {
	case len(text) > MaxRawAuthorization:
		malformed = PageError("malformed_request", fmt.Sprintf("The authorization request is too long: it has %d bytes, encoded. At most %d are allowed.", len(text), MaxRawAuthorization))
	case name != "":
		malformed = PageError("malformed_request", endpoint.MalformedParameter(name))
	}
	return authorizationForm(all), malformed
}
