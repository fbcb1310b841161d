package account

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/clientmetadata"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/server/token"
	"github.com/minifed/minifed/storage"
)

// Consent is /consent, where the end-user allows or denies the requested scopes (OpenID Connect Core §3.1.2.4).
type Consent struct {
	Pages     *page.Renderer
	Authorize *authorize.Endpoint
}

// consentData is what the consent page shows.
type consentData struct {
	Client page.ClientView
	Person page.UserView
	Groups []ScopeGroup
	// Host identifies the redirect URI.
	Host string
	// Unknown means that no operator registered the client, and Local that the redirect URI leads to the user's device.
	Unknown, Local bool
	// Publisher is the host of the client's metadata document; empty without one.
	Publisher string
}

// ScopeGroup is the scopes of one API; those of the account have none.
type ScopeGroup struct {
	API    *page.ResourceView
	Scopes []shownScope
}

// shownScope describes a scope to the end-user.
type shownScope struct {
	Name          string
	Title, Detail page.Message
	// Fixed scopes cannot be deselected. New scopes were not allowed before, while others were.
	Fixed, New bool
	// Also are the names of other APIs that have the scope.
	Also string
}

// Mount implements endpoint.Endpoint.
func (e *Consent) Mount(t *endpoint.RouteTable) {
	t.Handle(endpoint.Route{
		Name: "consent", Path: authorize.ConsentPath, Methods: []string{http.MethodGet, http.MethodPost}, Serve: e.serve, ErrorWriter: e.Pages.WriteError,
	})
}

func (e *Consent) serve(w http.ResponseWriter, r *endpoint.Request) error {
	p, err := pendingRequest(e.Pages, r, e.Authorize)
	if err != nil {
		return err
	}
	current, err := e.Authorize.Sessions.CurrentFor(r, p.Request.Client.Record())
	if err != nil {
		return err
	}
	if current == nil { // The session ended while the page was open.
		return page.Redirect(w, r, authorize.LoginPath)
	}
	if r.Method == http.MethodPost {
		return e.decide(w, r, p, current)
	}
	offer, err := e.Authorize.ConsentOffer(r.Request, p, current)
	if err != nil {
		return err
	}
	client := p.Request.Client.Record()
	return e.Pages.Render(w, r, forRequest(p, page.Page{
		Template: "consent", Leaves: true, Title: page.Text("consent.title", endpoint.ClientName(client)),
		Data: consentData{
			Client: page.ViewClient(r, client), Person: page.ViewUser(current.User), Groups: scopeGroups(r, offer),
			Host: returnsTo(client, p.Request.RedirectURI), Unknown: client.Origin != storage.OriginOperator, Local: clientmetadata.IsOnDevice(p.Request.RedirectURI),
			Publisher: publisherOf(client),
		},
	}))
}

// decide handles the submitted form.
func (e *Consent) decide(w http.ResponseWriter, r *endpoint.Request, p *authorize.Pending, current *authorize.CurrentSession) error {
	form, err := e.Pages.CSRF.ReadForm(r, "scope")
	if err != nil {
		return err
	}
	switch form.Get("decision") {
	case "allow":
		return e.Authorize.Allow(w, r, p, current, form["scope"])
	case "deny":
		return e.Authorize.Deny(w, r, p)
	default:
		return page.Redirect(w, r, authorize.ConsentPath)
	}
}

// scopeGroups describes what the client requests: scopes of the account, and then those of each API.
func scopeGroups(r *endpoint.Request, offer authorize.ConsentOffer) []ScopeGroup {
	var groups []ScopeGroup
	own := ScopeGroup{}
	byAPI := make([]ScopeGroup, len(offer.Resources))
	for i, resource := range offer.Resources {
		view := page.ViewResource(r, resource)
		byAPI[i].API = &view
	}
	for _, name := range scopesInOrder(offer.Scopes) {
		shown, group := explainScope(r.Issuer.Directory, name), &own
		for i, resource := range offer.Resources {
			scope, has := resource.Scope(name)
			switch {
			case !has:
			case group == &own:
				shown, group = explainResourceScope(scope), &byAPI[i]
			case shown.Also != "":
				shown.Also += ", " + byAPI[i].API.Name
			default:
				shown.Also = byAPI[i].API.Name
			}
		}
		shown.New = offer.Known && !slices.Contains(offer.Before, name)
		group.Scopes = append(group.Scopes, shown)
	}
	if len(own.Scopes) > 0 {
		groups = append(groups, own)
	}
	return append(groups, byAPI...)
}

// explainResourceScope describes a scope of an API in the words of its operator.
func explainResourceScope(scope storage.ResourceScope) shownScope {
	shown := shownScope{Name: scope.Name, Title: page.Translated(scope.TextEN, scope.TextZH)}
	if shown.Title.IsZero() {
		shown.Title = page.Text("scope.other", scope.Name)
	}
	return shown
}

// ScopeGroups describes the scopes of a request for an audience to the end-user: those of the account, and then those of each API.
// Audiences without a record have no text.
func (a *Account) ScopeGroups(r *endpoint.Request, audience, scopes []string) ([]ScopeGroup, error) {
	offer := authorize.ConsentOffer{Scopes: scopes}
	for _, identifier := range audience {
		found, err := a.Resources.FindAudience(r.Context(), r.Issuer, identifier)
		if errors.Is(err, storage.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		offer.Resources = append(offer.Resources, found)
	}
	return scopeGroups(r, offer), nil
}

// scopesInOrder orders scopes: first those about the user, then those of the application.
func scopesInOrder(scopes []string) []string {
	var ordered []string
	for _, scope := range explainedScopes() {
		if slices.Contains(scopes, scope) {
			ordered = append(ordered, scope)
		}
	}
	for _, scope := range scopes {
		if !slices.Contains(ordered, scope) {
			ordered = append(ordered, scope)
		}
	}
	return ordered
}

// explainedScopes are the scopes with a text.
func explainedScopes() []string {
	return []string{endpoint.ScopeOpenID, endpoint.ScopeProfile, endpoint.ScopeEmail, endpoint.ScopePhone, endpoint.ScopeAddress, endpoint.ScopeOfflineAccess, endpoint.ScopeAccount, endpoint.ScopeLink}
}

func explainScope(directory storage.Directory, scope string) shownScope {
	shown := shownScope{Name: scope, Fixed: scope == endpoint.ScopeOpenID}
	if slices.Contains(explainedScopes(), scope) {
		shown.Title, shown.Detail = page.Text("scope."+scope), page.Text("scope."+scope+".detail")
		return shown
	}
	shown.Title = page.Text("scope.other", scope)
	if claims := token.ClaimsOf(directory).OfScope(scope); len(claims) > 0 {
		shown.Title = page.Text("scope.mapped", strings.Join(claims, ", "))
	}
	return shown
}

// returnsTo describes a redirect URI to the end-user: its host, or the name of the app for a private scheme. For a client that no
// operator registered, which chose its name itself, it is the private scheme.
func returnsTo(client storage.Client, uri string) string {
	parsed, err := url.Parse(uri)
	isWeb := err == nil && (parsed.Scheme == "https" || parsed.Scheme == "http")
	if err != nil || client.Origin == storage.OriginOperator && !isWeb || isWeb && parsed.Host == "" {
		return endpoint.ClientName(client)
	}
	if parsed.Scheme != "https" && parsed.Scheme != "http" {
		return parsed.Scheme + ":"
	}
	return parsed.Host
}

// publisherOf returns the host of a client's metadata document.
func publisherOf(client storage.Client) string {
	parsed, err := url.Parse(client.ID)
	if err != nil || client.Origin != storage.OriginDocument {
		return ""
	}
	return parsed.Host
}
