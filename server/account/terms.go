package account

import (
	"net/http"

	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/storage"
)

// Terms is /login/terms, where a user accepts the current version of the terms and the privacy notice before a sign-in goes on.
type Terms struct{ *Account }

// TermsPath is the page of a sign-in whose user has not accepted the current terms.
const TermsPath = authorize.LoginPath + "/terms"

// Mount implements endpoint.Endpoint.
func (e *Terms) Mount(t *endpoint.RouteTable) {
	t.Handle(endpoint.Route{
		Name: "login_terms", Path: TermsPath, Methods: []string{http.MethodGet, http.MethodPost},
		Serve: e.SignIns.WithUnfinished(TermsPath, e.serve), ErrorWriter: e.Pages.WriteError,
	})
}

func (e *Terms) serve(w http.ResponseWriter, r *endpoint.Request, unfinished *Unfinished) error {
	current := r.Issuer.Directory.CurrentTerms(e.Now())
	if unfinished.User.HasAccepted(current) { // In another tab.
		return e.SignIns.complete(w, r, unfinished)
	}
	shown := page.Page{Template: "terms", Title: page.Text("terms.title")}
	if unfinished.Pending != nil {
		shown = forRequest(unfinished.Pending, shown)
	}
	shown.Data = inLanguage(current, e.Pages.Locales.Choose(r.Request, shown.UILocales).Tag)
	if r.Method != http.MethodPost {
		return e.Pages.Render(w, r, shown)
	}
	form, err := e.Pages.CSRF.ReadForm(r)
	if err != nil {
		return err
	}
	if form.Get("version") != current[0].Version { // A newer version became effective while the page was open.
		return e.Pages.Render(w, r, shown)
	}
	accepted, err := e.Users.AcceptTerms(r.Context(), unfinished.User, storage.TermsAcceptance{Version: current[0].Version, Method: storage.TermsByBrowser})
	if err != nil {
		return err
	}
	unfinished.User = accepted.Record
	return e.SignIns.complete(w, r, unfinished)
}

// inLanguage returns the document in a language, or the first one.
func inLanguage(terms []storage.TermsDocument, locale string) storage.TermsDocument {
	for _, document := range terms {
		if document.Locale == locale {
			return document
		}
	}
	return terms[0]
}
