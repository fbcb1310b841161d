package logout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/minifed/minifed/discovery"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/server/token"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// Endpoint is /oauth2/logout (OpenID Connect RP-Initiated Logout 1.0): a client sends the browser here to sign its user out.
// Without an ID token of this session, the user is asked for confirmation. The browser returns only to an address that the client
// registered.
type Endpoint struct {
	Keys     *keys.Ring
	Clients  oauth2.Clients
	Sessions *authorize.Sessions
	Subjects token.Subjects
	Users    *identity.Service
	Sealer   endpoint.Sealer
	Pages    *page.Renderer
	Now      func() time.Time
}

const (
	routeLogout = "logout"
	logoutPath  = "/oauth2/logout"

	// logoutParameter is the parameter of our own URLs that holds a request that was checked.
	logoutParameter = "logout"
	purposeLogout   = "logout request"
	// logoutLife is the time that a user has to decide.
	logoutLife = 30 * time.Minute
)

// logoutRequest is a checked request. The browser stores it in an envelope.
type logoutRequest struct {
	// Client is the requesting client; empty if unknown.
	Client string `json:"c,omitempty"`
	// Redirect is one of Client's registered addresses, to which the browser returns with State; empty for none.
	Redirect string     `json:"r,omitempty"`
	State    packedText `json:"s,omitempty"`
	// Proven means that the request had an ID token of Client. Session is the session of that token.
	Proven  bool   `json:"p,omitempty"`
	Session string `json:"i,omitempty"`
	// Incarnation is that of the client that got the ID token.
	Incarnation string `json:"n,omitempty"`
	// Locales is ui_locales.
	Locales packedText `json:"l,omitempty"`
	// Asked means that the URL is that of the confirmation page.
	Asked bool `json:"a,omitempty"`
	// Ends is the expiry of the envelope, in Unix seconds.
	Ends int64 `json:"e"`
	// Life is the lifetime of its envelope in seconds.
	Life int64 `json:"f"`
}

// Mount implements endpoint.Endpoint.
func (e *Endpoint) Mount(t *endpoint.RouteTable) {
	t.Handle(endpoint.Route{
		Name: routeLogout, Path: logoutPath, Methods: []string{http.MethodGet, http.MethodPost}, Serve: e.serve, ErrorWriter: e.Pages.WriteError,
	})
	t.Advertise(func(p *discovery.Provider) {
		p.Endpoints.EndSession = logoutPath
		p.BackchannelLogout = true
	})
}

// serve reads the request: from the URL, from a posted form, or from the envelope of a checked request.
func (e *Endpoint) serve(w http.ResponseWriter, r *endpoint.Request) error {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache")
	ours := r.URL.Query().Has(logoutParameter)
	switch {
	case r.Method == http.MethodHead:
		return nil // HEAD must not end a session.
	case r.Method == http.MethodPost && ours:
		return e.handleDecision(w, r)
	case r.Method == http.MethodPost:
		return e.park(w, r)
	}
	read := e.read
	if ours {
		read = e.open
	}
	request, err := read(r)
	if err != nil {
		return err
	}
	return e.decide(w, r, request)
}

// decide signs the user out if the request proves that it is for this session, and otherwise asks the signed-in user.
func (e *Endpoint) decide(w http.ResponseWriter, r *endpoint.Request, request *logoutRequest) error {
	issuer := r.Issuer
	// 1. The session of the browser.
	entry, err := e.Sessions.Stored(r.Request, issuer)
	if err != nil {
		return err
	}
	// 2. Without a session nothing ends, unless the ID token alone may end its session.
	if entry == nil {
		ended, err := e.endByHint(r.Context(), issuer, request)
		if err != nil {
			return err
		}
		return e.redirect(w, r, request, outcome{ended: ended, confirmed: request.Proven})
	}
	// 3. If the ID token is not of that session, the user decides (§2).
	proven, err := e.isOfSession(r.Context(), issuer, request, entry.Record)
	if err != nil {
		return err
	}
	if !proven {
		current, err := e.Sessions.Alive(r.Context(), entry)
		if err != nil {
			return err
		}
		if current != nil {
			return e.ask(w, r, request, current)
		}
	}
	// 4. The end of the session.
	if err := e.Sessions.End(r.Context(), entry); err != nil {
		return err
	}
	return e.redirect(w, r, request, outcome{ended: true, confirmed: request.Proven})
}

// isOfSession reports whether the ID token of a request was issued in that session. It is false if the client no longer exists.
func (e *Endpoint) isOfSession(ctx context.Context, issuer *oauth2.Issuer, request *logoutRequest, session storage.Session) (bool, error) {
	if !request.Proven {
		return false, nil
	}
	client, err := e.client(ctx, issuer, request.Client)
	if err != nil {
		return false, err
	}
	if client == nil {
		return request.Session == session.ID, nil
	}
	sid, err := e.Subjects.ForSession(ctx, *client, session.ID)
	return request.Session == sid, err
}

// ask shows the confirmation page, which has its own URL.
func (e *Endpoint) ask(w http.ResponseWriter, r *endpoint.Request, request *logoutRequest, current *authorize.CurrentSession) error {
	if !request.Asked {
		request.Asked = true
		return e.redirectTo(w, r, request, logoutLife)
	}
	client, err := e.client(r.Context(), r.Issuer, request.Client)
	if err != nil {
		return err
	}
	return confirmLogout(e.Pages, w, r, client, current.User, strings.Fields(string(request.Locales)))
}

// handleDecision handles the user's decision.
func (e *Endpoint) handleDecision(w http.ResponseWriter, r *endpoint.Request) error {
	form, err := e.Pages.CSRF.ReadForm(r)
	if err != nil {
		return err
	}
	request, err := e.open(r)
	if err != nil {
		return err
	}
	if form.Get("decision") != "logout" {
		return page.Redirect(w, r, endpoint.AccountPath)
	}
	issuer := r.Issuer
	entry, err := e.Sessions.Stored(r.Request, issuer)
	if err != nil {
		return err
	}
	if entry != nil && form.Has("everywhere") {
		user := entry.Record.User
		err := e.Users.SignOutEverywhere(r.Context(), entry.Record.Directory, user, identity.Self(user))
		if err != nil && !errors.Is(err, identity.ErrUnknownUser) {
			return err
		}
	}
	if entry != nil {
		if err := e.Sessions.End(r.Context(), entry); err != nil {
			return err
		}
	}
	return e.redirect(w, r, request, outcome{ended: entry != nil, confirmed: true})
}

// outcome is what a logout request did.
type outcome struct {
	// ended reports whether a session ended.
	ended bool
	// confirmed reports whether an ID token or the user confirms the address that the browser goes to.
	confirmed bool
}

// redirect redirects the browser. An address that neither an ID token nor the user confirms is only a link (§3).
func (e *Endpoint) redirect(w http.ResponseWriter, r *endpoint.Request, request *logoutRequest, did outcome) error {
	issuer := r.Issuer
	authorize.SessionCookie(issuer).Clear(w, issuer)
	if request.Redirect == "" {
		return page.Redirect(w, r, endpoint.LoggedOutPath, append(did.parameters(), localesOf(request)...)...)
	}
	target := request.Redirect
	if request.State != "" {
		target = authorize.WithQuery(target, url.Values{"state": {string(request.State)}})
	}
	if did.confirmed {
		w.Header().Set("Location", target)
		w.WriteHeader(http.StatusSeeOther)
		return nil
	}
	client, err := e.client(r.Context(), issuer, request.Client)
	if err != nil {
		return err
	}
	return loggedOut(e.Pages, w, r, did.ended, client, target, strings.Fields(string(request.Locales)))
}

// localesOf returns the languages of a request as parameters of the next page.
func localesOf(request *logoutRequest) []string {
	if request.Locales == "" {
		return nil
	}
	return []string{"ui_locales", string(request.Locales)}
}

// park puts a request sent by POST into a URL and redirects the browser to it. A POST from another site does not carry our Lax
// cookies, but the GET after it does (§2 requires both methods).
func (e *Endpoint) park(w http.ResponseWriter, r *endpoint.Request) error {
	if endpoint.MediaType(r.Request) != endpoint.FormMediaType {
		return authorize.PageError("malformed_request", "The request must be a form of the media type "+endpoint.FormMediaType+".")
	}
	body, err := endpoint.ReadBody(r.Request)
	if err != nil {
		return err
	}
	request, err := e.parse(r, string(body))
	if err != nil {
		return err
	}
	return e.redirectTo(w, r, request, authorize.ParkedLifetime)
}

func (e *Endpoint) read(r *endpoint.Request) (*logoutRequest, error) {
	return e.parse(r, r.URL.RawQuery)
}

// redirectTo sends the browser to the address of a request.
func (e *Endpoint) redirectTo(w http.ResponseWriter, r *endpoint.Request, request *logoutRequest, life time.Duration) error {
	location, err := e.requestURL(r.Context(), r.Issuer, request, life)
	if err != nil {
		return err
	}
	w.Header().Set("Location", location)
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

// open returns the request in the URL of r.
func (e *Endpoint) open(r *endpoint.Request) (*logoutRequest, error) {
	over := authorize.PageError("logout_over", "This address was good for a short time. Go back to the application and begin again.")
	text, err := e.Sealer.Open(r.Context(), r.Issuer, purposeLogout, r.URL.Query().Get(logoutParameter))
	if errors.Is(err, endpoint.ErrInvalidEnvelope) {
		return nil, over
	}
	if err != nil {
		return nil, err
	}
	request := new(logoutRequest)
	if err := json.Unmarshal(text, request); err != nil {
		return nil, over
	}
	if storage.IsOver(time.Unix(request.Ends, 0), time.Duration(request.Life)*time.Second, e.Now()) {
		e.offerAgain(r, request)
		return nil, over
	}
	return request, nil
}

// offerAgain adds a link to the error page that starts the sign-out again.
func (e *Endpoint) offerAgain(r *endpoint.Request, request *logoutRequest) {
	link := endpoint.ReturnLink{Text: endpoint.TextBeginAgain}
	if client, err := e.client(r.Context(), r.Issuer, request.Client); err == nil && client != nil {
		link.Client = endpoint.ClientName(*client)
	}
	again := *request
	again.Asked = false
	var err error
	if link.URL, err = e.requestURL(r.Context(), r.Issuer, &again, logoutLife); err == nil {
		r.ReturnLink = link
	}
}

// requestURL returns the address of a request.
func (e *Endpoint) requestURL(ctx context.Context, issuer *oauth2.Issuer, request *logoutRequest, life time.Duration) (string, error) {
	request.Ends, request.Life = e.Now().Add(life).Unix(), int64(life/time.Second)
	text, err := json.Marshal(request)
	if err != nil {
		return "", err
	}
	sealed, err := e.Sealer.Seal(ctx, issuer, purposeLogout, text)
	if err != nil {
		return "", err
	}
	return issuer.URL + logoutPath + "?" + url.Values{logoutParameter: {sealed}}.Encode(), nil
}

// logoutParameters are those of §2. logout_hint is ignored: the session identifies the user.
func logoutParameters() []string {
	return []string{"id_token_hint", "logout_hint", "client_id", "post_logout_redirect_uri", "state", "ui_locales"}
}

// parse checks a form-encoded request.
func (e *Endpoint) parse(r *endpoint.Request, text string) (*logoutRequest, error) {
	// 1. Its parameters, each once.
	form, err := logoutForm(text)
	if err != nil {
		return nil, err
	}
	r.Parameters = form
	request := &logoutRequest{State: packedText(form.Get("state")), Locales: packedText(form.Get("ui_locales"))}
	// 2. The ID token and the client.
	if err := e.readHint(r.Context(), r.Issuer, request, form.Get("id_token_hint")); err != nil {
		return nil, err
	}
	if err := e.readClient(r.Context(), r.Issuer, request, form.Get("client_id")); err != nil {
		return nil, err
	}
	// 3. The address to return to.
	return request, e.readRedirect(r.Context(), r.Issuer, request, form.Get("post_logout_redirect_uri"))
}

// logoutForm reads form-encoded parameters. It ignores unknown parameters and empty ones.
func logoutForm(text string) (url.Values, error) {
	if len(text) > authorize.MaxRawAuthorization {
		return nil, authorize.PageError("malformed_request", fmt.Sprintf("The logout request is too long: it has %d bytes, encoded. At most %d are allowed.", len(text), authorize.MaxRawAuthorization))
	}
	all, malformed := endpoint.ParseParameters(text)
	if malformed != "" {
		return nil, authorize.PageError("malformed_request", endpoint.MalformedParameter(malformed))
	}
	form := url.Values{}
	for _, name := range logoutParameters() {
		for _, value := range all[name] {
			if value != "" {
				form.Add(name, value)
			}
		}
	}
	if err := endpoint.CheckForm(form, nil); err != nil {
		return nil, authorize.PageError("malformed_request", endpoint.ErrorOf(err).Protocol.GetDescription())
	}
	if size := endpoint.DecodedSize(form) - endpoint.DecodedSize(url.Values{"id_token_hint": form["id_token_hint"]}); size > authorize.MaxAuthorization {
		return nil, authorize.PageError("malformed_request", fmt.Sprintf(
			"The logout request is too long: the names and values of its parameters have %d bytes, decoded and without id_token_hint. At most %d are allowed.", size, authorize.MaxAuthorization))
	}
	return form, nil
}

// readHint reads an ID token of this issuer, of any age (§2). Any other text is ignored.
func (e *Endpoint) readHint(ctx context.Context, issuer *oauth2.Issuer, request *logoutRequest, hint string) error {
	if hint == "" || len(hint) > authorize.MaxHint {
		return nil
	}
	claims, err := token.VerifyHint(ctx, issuer, e.Keys, hint)
	if errors.Is(err, keys.ErrInvalid) || err == nil && len(claims.Audience) != 1 {
		return nil
	}
	if err != nil {
		return err
	}
	request.Proven, request.Client, request.Session = true, claims.Audience[0], claims.SessionID
	request.Incarnation = claims.Incarnation()
	return nil
}

// readClient reads the requesting client: that of the ID token, which client_id must not contradict, or that of client_id. A
// deleted client of an old ID token counts as none.
func (e *Endpoint) readClient(ctx context.Context, issuer *oauth2.Issuer, request *logoutRequest, named string) error {
	if named != "" && request.Proven && named != request.Client {
		return authorize.PageError("malformed_request", "The client_id is not that of the client of the id_token_hint.")
	}
	if named != "" {
		request.Client = named
	}
	client, err := e.client(ctx, issuer, request.Client)
	if err != nil {
		return err
	}
	if client != nil && request.Proven && client.Incarnation != request.Incarnation {
		if named != "" { // The token of a deleted client proves nothing for the one that has its ID now.
			request.Proven, request.Session = false, ""
		} else {
			client = nil
		}
	}
	if client == nil && named != "" {
		return authorize.PageError("client_unknown", "The client_id is not that of an application of this directory that may be used.")
	}
	if client == nil {
		request.Client = ""
	}
	return nil
}

// readRedirect reads the address to which the browser returns. It must be registered.
func (e *Endpoint) readRedirect(ctx context.Context, issuer *oauth2.Issuer, request *logoutRequest, uri string) error {
	if uri == "" || request.Client == "" {
		return nil
	}
	client, err := e.client(ctx, issuer, request.Client)
	if err != nil {
		return err
	}
	if client == nil || !slices.Contains(client.PostLogoutRedirectURIs, uri) {
		return authorize.PageError("logout_uri_unregistered", "The post_logout_redirect_uri is not registered for this client. It must equal a registered one in every character.")
	}
	request.Redirect = uri
	return nil
}

// client returns an enabled client, or nil without one.
func (e *Endpoint) client(ctx context.Context, issuer *oauth2.Issuer, id string) (*storage.Client, error) {
	client, err := e.Clients.Client(ctx, issuer.Directory.ID, id)
	if errors.Is(err, storage.ErrNotFound) || err == nil && client.Record().Disabled {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	record := client.Record()
	return &record, nil
}
