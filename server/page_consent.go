package server

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/minifed/minifed/storage"
)

// consentEndpoint is /consent: people say what an application may have (OpenID Connect Core §3.1.2.4).
type consentEndpoint struct {
	pages     *pages
	authorize *authorizeEndpoint
}

// consentData is what the consent page shows.
type consentData struct {
	Client shownClient
	Person shownPerson
	Scopes []shownScope
	// Host is where the browser goes afterwards.
	Host string
}

// shownScope is what a scope means to people.
type shownScope struct {
	Name          string
	Title, Detail message
	// Fixed cannot be left out. New was not allowed before, while others were.
	Fixed, New bool
}

func (e *consentEndpoint) mount(t *table) {
	t.handle(route{
		name: "consent", path: consentPath, methods: []string{http.MethodGet, http.MethodPost}, serve: e.serve, surface: e.pages.failure,
	})
}

func (e *consentEndpoint) serve(w http.ResponseWriter, r *call) error {
	p, err := waitingOn(e.pages, r, e.authorize)
	if err != nil {
		return err
	}
	current, err := e.authorize.sessions.browserSession(r)
	if err != nil {
		return err
	}
	if current == nil { // The session ended while the page was open.
		return seeOther(w, r, loginPath)
	}
	if r.Method == http.MethodPost {
		return e.decide(w, r, p, current)
	}
	scopes, before, err := e.authorize.asked(r.Request, p, current)
	if err != nil {
		return err
	}
	client := p.request.client.Record()
	return e.pages.render(w, r, concerning(p, page{
		template: "consent", leaves: true, title: say("consent.title", clientName(client)),
		data: consentData{
			Client: clientView(r, client), Person: personView(current.user), Scopes: scopesView(scopes, before),
			Host: returnsTo(client, p.request.redirectURI),
		},
	}))
}

// decide is what becomes of the form.
func (e *consentEndpoint) decide(w http.ResponseWriter, r *call, p *waiting, current *signedIn) error {
	form, err := e.pages.forgery.form(r, "scope")
	if err != nil {
		return err
	}
	switch form.Get("decision") {
	case "allow":
		return e.authorize.allow(w, r, p, current, form["scope"])
	case "deny":
		return e.authorize.deny(w, r, p)
	default:
		return seeOther(w, r, consentPath)
	}
}

// scopesView explains scopes, the sign-in itself first.
func scopesView(scopes, before []string) []shownScope {
	shown := make([]shownScope, 0, len(scopes))
	for _, scope := range scopesInOrder(scopes) {
		explained := explainScope(scope)
		explained.New = len(before) > 0 && !slices.Contains(before, scope)
		shown = append(shown, explained)
	}
	return shown
}

// scopesInOrder are scopes as people read them: what concerns themselves, and then what is the application's own.
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

// explainedScopes have texts of their own.
func explainedScopes() []string {
	return []string{scopeOpenID, scopeProfile, scopeEmail, scopePhone, scopeAddress, scopeOfflineAccess, scopeLink}
}

func explainScope(scope string) shownScope {
	shown := shownScope{Name: scope, Fixed: scope == scopeOpenID}
	if slices.Contains(explainedScopes(), scope) {
		shown.Title, shown.Detail = say("scope."+scope), say("scope."+scope+".detail")
		return shown
	}
	shown.Title = say("scope.other", scope)
	return shown
}

// returnsTo is what people can recognise of the address that the browser goes to: the host, or for an app the app's name.
func returnsTo(client storage.Client, uri string) string {
	parsed, err := url.Parse(uri)
	if err != nil || client.Kind == storage.ClientNative || parsed.Host == "" {
		return clientName(client)
	}
	return parsed.Host
}
