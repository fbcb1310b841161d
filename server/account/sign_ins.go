package account

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// RecentSignIns is /account/sign-ins, the last sign-ins with the button "that was not me", and /account/not-me, to which the mail about a
// sign-in links. That link works without a sign-in. It only ends the session of its sign-in.
type RecentSignIns struct{ *Account }

const (
	signInsPath = endpoint.AccountPath + "/sign-ins"
	// NotMePath is the page of the link in the mail about a sign-in.
	NotMePath = endpoint.AccountPath + "/not-me"

	purposeNotMe = "not me"
	notMeLife    = 30 * 24 * time.Hour
	// maxNotMePages bounds the pages of grants that are searched for those of a session.
	maxNotMePages = 20
)

// SignIn is one of the last sign-ins of a user.
type SignIn struct {
	ID     string    `json:"id"`
	At     time.Time `json:"at,omitzero"`
	Method string    `json:"method,omitempty"`
	// Application is the name of the client, such as a mini-program.
	Application string `json:"application,omitempty"`
	Browser     string `json:"browser,omitempty"`
	Country     string `json:"country,omitempty"`
	Address     string `json:"address,omitempty"`
	Current     bool   `json:"current"`
	// CanReport means that the sign-in has a session, which "that was not me" ends.
	CanReport bool `json:"can_report"`

	session string
}

// LastSignIns returns the last sign-ins of a user, newest first. current is the ID of the present session.
func (a *Account) LastSignIns(r *endpoint.Request, user storage.User, current string) ([]SignIn, error) {
	shown := []SignIn{}
	names := a.clientNames(r)
	list, err := storage.LastSignIns(r.Context(), a.Engine, user)
	if err != nil {
		return nil, err
	}
	for _, s := range list {
		name, err := names(s.Client)
		if err != nil {
			return nil, err
		}
		shown = append(shown, SignIn{
			ID: signInID(s), At: s.At, Method: s.Method, Application: name, Browser: s.Browser, Country: s.Country, Address: s.From,
			Current: s.Session != "" && s.Session == current, CanReport: s.Session != "" && s.Session != current, session: s.Session,
		})
	}
	return shown, nil
}

// signInID is the name of a sign-in for its user.
func signInID(s storage.SignIn) string {
	return storage.Digest("sign-in", s.At.UTC().Format(time.RFC3339Nano), s.Method, s.Session, s.From)[:22]
}

// clientNames returns a function that returns the name of a client; the ID if there is no such client any more.
func (a *Account) clientNames(r *endpoint.Request) func(id string) (string, error) {
	known := map[string]string{"": ""}
	return func(id string) (string, error) {
		if name, ok := known[id]; ok {
			return name, nil
		}
		client, err := a.Clients.Client(r.Context(), r.Issuer.Directory.ID, id)
		switch {
		case errors.Is(err, storage.ErrNotFound):
			known[id] = id
		case err != nil:
			return "", err
		default:
			known[id] = endpoint.ClientName(client.Record())
		}
		return known[id], nil
	}
}

// ReportSignIn ends the session of one of the last sign-ins, and its grants, because it was not the user's. It returns
// identity.ErrUnknownMethod for a sign-in that is not among the last ones, or has no session.
func (a *Account) ReportSignIn(r *endpoint.Request, user storage.User, id string) error {
	list, err := storage.LastSignIns(r.Context(), a.Engine, user)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(list, func(s storage.SignIn) bool { return signInID(s) == id })
	if i < 0 || list[i].Session == "" {
		return identity.ErrUnknownMethod
	}
	return a.reportSession(r, user, list[i].Session)
}

// reportSession ends a session of a user and its grants, also those that outlive a session, and notifies the user.
func (a *Account) reportSession(r *endpoint.Request, user storage.User, session string) error {
	if err := a.Users.ReportSignIn(r.Context(), user, identity.Self(user.ID)); err != nil {
		return err
	}
	if err := a.EndSession(r, user, session); err != nil {
		return err
	}
	if err := a.endGrantsOf(r, user, session); err != nil {
		return err
	}
	return a.Notifications.Notify(r.Context(), r, user, "mail.not_me")
}

// endGrantsOf ends the grants that a sign-in to a session led to.
func (a *Account) endGrantsOf(r *endpoint.Request, user storage.User, session string) error {
	query := storage.Query{Order: storage.ByCreatedDescending, Owner: storage.Key(user.Directory, user.ID), Limit: maxShownGrants}
	for range maxNotMePages {
		grants, next, err := storage.List[storage.Grant](r.Context(), a.Engine, query)
		if err != nil {
			return err
		}
		for _, entry := range grants {
			of, err := a.isOfSession(r, entry.Record, session)
			if err == nil && of {
				err = a.Store.Revoke(r.Context(), entry.Record.ID, "not_me")
			}
			if err != nil && !errors.Is(err, oauth2.ErrNoGrant) {
				return err
			}
		}
		if query.After = next; next == "" {
			return nil
		}
	}
	return nil
}

// isOfSession reports whether a grant was given in a session, or is the session itself, as that of a mini-program is.
func (a *Account) isOfSession(r *endpoint.Request, grant storage.Grant, session string) (bool, error) {
	if grant.State == storage.GrantRevoked {
		return false, nil
	}
	if grant.Session == session || grant.SID == session {
		return true, nil
	}
	client, err := a.Clients.Client(r.Context(), grant.Directory, grant.Client)
	if errors.Is(err, storage.ErrNotFound) || err == nil && client.Record().Instance() != (storage.Client{ID: grant.Client, Incarnation: grant.Incarnation}).Instance() {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	sid, err := a.Subjects.ForSession(r.Context(), client.Record(), session)
	return err == nil && grant.SID == sid, err
}

// Mount implements endpoint.Endpoint.
func (e *RecentSignIns) Mount(t *endpoint.RouteTable) {
	e.page(t, "account_sign_ins", signInsPath, e.serve, http.MethodGet, http.MethodPost)
	t.Handle(endpoint.Route{
		Name: "account_not_me", Path: NotMePath, Methods: []string{http.MethodGet, http.MethodPost}, Serve: e.notMe, ErrorWriter: e.Pages.WriteError,
	})
}

// signInsData is what the page of the last sign-ins shows.
type signInsData struct{ SignIns []shownSignIn }

// shownSignIn is a sign-in with the text of its method.
type shownSignIn struct {
	SignIn
	How page.Message
}

func (e *RecentSignIns) serve(w http.ResponseWriter, r *endpoint.Request, current *authorize.CurrentSession) error {
	if r.Method == http.MethodPost {
		return e.report(w, r, current)
	}
	list, err := e.LastSignIns(r, current.User, current.Record.ID)
	if err != nil {
		return err
	}
	var data signInsData
	for _, s := range list {
		data.SignIns = append(data.SignIns, shownSignIn{s, methodText(s.Method)})
	}
	return e.Pages.Render(w, r, page.Page{Template: "sign_ins", Title: page.Text("sign_ins.title"), Wide: true, Zoneinfo: current.User.Profile.Zoneinfo, Data: data})
}

// report handles the button "that was not me".
func (e *RecentSignIns) report(w http.ResponseWriter, r *endpoint.Request, current *authorize.CurrentSession) error {
	form, err := e.Pages.CSRF.ReadForm(r)
	if err != nil {
		return err
	}
	err = e.ReportSignIn(r, current.User, form.Get("sign_in"))
	if errors.Is(err, identity.ErrUnknownMethod) {
		return page.Redirect(w, r, signInsPath)
	}
	if err != nil {
		return err
	}
	return e.showNextSteps(w, r, current.User)
}

// showNextSteps shows what a user should do after a sign-in by another person.
func (e *RecentSignIns) showNextSteps(w http.ResponseWriter, r *endpoint.Request, user storage.User) error {
	next := &page.Link{Text: page.Text("not_me.account"), Path: endpoint.AccountPath}
	if user.Password != "" {
		next = &page.Link{Text: page.Text("account.change.password"), Path: passwordPath}
	}
	return e.Pages.Render(w, r, page.Page{Template: "message", Title: page.Text("not_me.done.title"), Data: MessageData{
		Text: page.Text("not_me.done.text"), Link: next,
		More: []page.Message{page.Text("not_me.next.password"), page.Text("not_me.next.methods"), page.Text("not_me.next.apps"), page.Text("not_me.next.everywhere")},
	}})
}

// methodTexts are the sign-in methods with a text.
func methodTexts() []string {
	return []string{
		authorize.MethodPassword, authorize.MethodPasskey, authorize.MethodScan, authorize.MethodLink, authorize.MethodHandOff, authorize.MethodWebsite,
		authorize.MethodOfficialAccount, storage.SignInPhoneCode, storage.SignInEmailCode, "mini-program", "native-app",
	}
}

// methodText describes a sign-in method.
func methodText(method string) page.Message {
	if !slices.Contains(methodTexts(), method) {
		return page.Text("method.name.other")
	}
	return page.Text("method.name." + method)
}

// notMeProof is the content of the link in a mail about a sign-in.
type notMeProof struct {
	User    string `json:"u"`
	Session string `json:"s"`
	Ends    int64  `json:"t"`
}

// notMeLink returns the link with which the recipient of a mail ends a session, without signing in.
func (s *SignIns) notMeLink(r *endpoint.Request, session storage.Session) (string, error) {
	text, err := json.Marshal(notMeProof{session.User, session.ID, s.Now().Add(notMeLife).Unix()})
	if err != nil {
		return "", err
	}
	sealed, err := s.Sealer.Seal(r.Context(), r.Issuer, purposeNotMe, text)
	return NotMePath + "?" + tokenOfMail + "=" + sealed, err
}

// notMe is /account/not-me. A GET request changes nothing, because mail scanners follow links too.
func (e *RecentSignIns) notMe(w http.ResponseWriter, r *endpoint.Request) error {
	proof, err := e.notMeProof(r)
	if errors.Is(err, endpoint.ErrInvalidEnvelope) {
		return e.notMeOver(w, r)
	}
	if err != nil {
		return err
	}
	entry, err := storage.Get[storage.Session](r.Context(), e.Engine, storage.Key(r.Issuer.Directory.ID, proof.Session))
	if errors.Is(err, storage.ErrNotFound) || err == nil && entry.Record.User != proof.User {
		return e.notMeOver(w, r)
	}
	if err != nil {
		return err
	}
	user, err := e.Users.User(r.Context(), r.Issuer.Directory.ID, proof.User)
	if errors.Is(err, identity.ErrUnknownUser) || err == nil && user.Record.ID != proof.User {
		return e.notMeOver(w, r)
	}
	if err != nil {
		return err
	}
	if r.Method != http.MethodPost {
		session := entry.Record
		shown := page.Text("account.sessions.unknown")
		if session.Browser != "" {
			shown = page.Text("not_me.browser", session.Browser)
		}
		return e.Pages.Render(w, r, page.Page{Template: "form", Title: page.Text("not_me.title"), Zoneinfo: user.Record.Profile.Zoneinfo, Data: page.Form{
			ID: "end", Lead: page.Text("not_me.lead", shown, session.AuthTime), Submit: page.Text("not_me.submit"),
		}})
	}
	if _, err := e.Pages.CSRF.ReadForm(r); err != nil {
		return err
	}
	if err := e.reportSession(r, user.Record, proof.Session); err != nil {
		return err
	}
	return e.showNextSteps(w, r, user.Record)
}

func (e *RecentSignIns) notMeProof(r *endpoint.Request) (notMeProof, error) {
	text, err := e.Sealer.Open(r.Context(), r.Issuer, purposeNotMe, r.URL.Query().Get(tokenOfMail))
	if err != nil {
		return notMeProof{}, err
	}
	var proof notMeProof
	if json.Unmarshal(text, &proof) != nil || storage.IsOver(time.Unix(proof.Ends, 0), notMeLife, e.Now()) {
		return notMeProof{}, endpoint.ErrInvalidEnvelope
	}
	return proof, nil
}

func (e *RecentSignIns) notMeOver(w http.ResponseWriter, r *endpoint.Request) error {
	return e.Pages.Render(w, r, page.Page{
		Template: "message", Title: page.Text("link.stale.title"), Status: http.StatusBadRequest, Failed: true,
		Data: MessageData{Text: page.Text("not_me.over"), Link: &page.Link{Text: page.Text("not_me.account"), Path: signInsPath}},
	})
}
