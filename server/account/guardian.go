package account

import (
	"net/http"

	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
)

// Guardian is /login/guardian, where the sign-in of a minor ends until the operator has the consent of a guardian on record.
type Guardian struct{ *Account }

// GuardianPath is the page of a sign-in whose user needs a guardian's consent.
const GuardianPath = authorize.LoginPath + "/guardian"

// Mount implements endpoint.Endpoint.
func (e *Guardian) Mount(t *endpoint.RouteTable) {
	t.Handle(endpoint.Route{
		Name: "login_guardian", Path: GuardianPath, Methods: []string{http.MethodGet},
		Serve: e.SignIns.WithUnfinished(GuardianPath, e.serve), ErrorWriter: e.Pages.WriteError,
	})
}

func (e *Guardian) serve(w http.ResponseWriter, r *endpoint.Request, unfinished *Unfinished) error {
	policy := r.Issuer.Directory.Policy
	if !policy.NeedsGuardianConsent(unfinished.User, e.Now()) { // It was recorded while the page was open.
		return e.SignIns.complete(w, r, unfinished)
	}
	shown := page.Page{Template: "message", Title: page.Text("guardian.title")}
	if unfinished.Pending != nil {
		shown = forRequest(unfinished.Pending, shown)
	}
	shown.Data = MessageData{
		Text: page.Text("guardian.text", int(policy.GuardianConsentUnder)), More: []page.Message{page.Text("guardian.how"), page.Text("guardian.wrong")},
		Link: &page.Link{Text: page.Text("guardian.leave"), Path: authorize.LoginPath},
	}
	return e.Pages.Render(w, r, shown)
}
