package account

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/storage"
)

// Export is /account/export, where a user downloads all data of the account as JSON. It needs a recent sign-in.
type Export struct{ *Account }

const (
	exportPath = endpoint.AccountPath + "/export"
	// exportPage is how many records of a list are read at once, and maxExportPages bounds a list.
	exportPage     = 200
	maxExportPages = 100
)

// Mount implements endpoint.Endpoint.
func (e *Export) Mount(t *endpoint.RouteTable) {
	e.page(t, "account_export", exportPath, e.serve, http.MethodGet, http.MethodPost)
}

func (e *Export) serve(w http.ResponseWriter, r *endpoint.Request, current *authorize.CurrentSession) error {
	if !e.fresh(current) {
		return e.askToSignInAgain(w, r)
	}
	if r.Method != http.MethodPost {
		return e.Pages.Render(w, r, page.Page{Template: "form", Title: page.Text("export.title"), Data: page.Form{
			ID: "export", Back: backToAccount(), Lead: page.Text("export.lead"), Submit: page.Text("export.submit"),
		}})
	}
	if _, err := e.Pages.CSRF.ReadForm(r); err != nil {
		return err
	}
	w.Header().Set("Content-Disposition", `attachment; filename="account.json"`)
	return e.WriteExport(w, r, current.User)
}

// WriteExport writes all data of a user as JSON, list after list, and notifies the user. If the store fails after the first byte, it ends
// the connection, so that an incomplete file does not look like a complete one.
func (a *Account) WriteExport(w http.ResponseWriter, r *endpoint.Request, user storage.User) error {
	if err := a.Users.RecordExport(r.Context(), user, identity.Self(user.ID)); err != nil {
		return err
	}
	head, err := a.exportHead(r, user)
	if err != nil {
		return err
	}
	if err := a.Notifications.Notify(r.Context(), r, user, "mail.exported"); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	out := &exportWriter{w: w}
	out.member("{", "user", head)
	exportList(r.Context(), a.Engine, user, out, "sessions", func(s storage.Session) (any, bool) { return exportedSession{viewSession(s, false), s.EndedAt}, true })
	exportList(r.Context(), a.Engine, user, out, "grants", func(g storage.Grant) (any, bool) { return viewGrant(g), g.State != storage.GrantPending })
	exportList(r.Context(), a.Engine, user, out, "consents", func(c storage.Consent) (any, bool) { return viewConsent(c), true })
	out.text("}\n")
	if out.err != nil {
		panic(http.ErrAbortHandler) // The client sees that the file is not complete.
	}
	return nil
}

// exportHead is the data of a user that is not in lists of unknown length.
type exportHead struct {
	Sub           string              `json:"sub"`
	ExportedAt    time.Time           `json:"exported_at,omitzero"`
	CreatedAt     time.Time           `json:"created_at,omitzero"`
	UpdatedAt     time.Time           `json:"updated_at,omitzero"`
	Username      string              `json:"username,omitempty"`
	Email         string              `json:"email,omitempty"`
	EmailVerified bool                `json:"email_verified,omitempty"`
	Phone         string              `json:"phone_number,omitempty"`
	Profile       storage.Profile     `json:"profile,omitzero"`
	Groups        []string            `json:"groups,omitempty"`
	Attributes    map[string][]string `json:"attributes,omitempty"`
	MergedSubs    []string            `json:"merged_subs,omitempty"`
	Identities    []exportedIdentity  `json:"identities"`
	Methods       []Method            `json:"methods"`
	SignIns       []SignIn            `json:"sign_ins"`
	Terms         AcceptedTerms       `json:"terms"`
}

// exportedIdentity is an identity with its value, which is an OpenID or a UnionID for WeChat.
type exportedIdentity struct {
	Type       storage.IdentityType `json:"type"`
	Namespace  string               `json:"namespace,omitempty"`
	Value      string               `json:"value"`
	VerifiedAt time.Time            `json:"verified_at,omitzero"`
	CreatedAt  time.Time            `json:"created_at,omitzero"`
}

type exportedSession struct {
	Session
	EndedAt time.Time `json:"ended_at,omitzero"`
}

func (a *Account) exportHead(r *endpoint.Request, user storage.User) (exportHead, error) {
	head := exportHead{
		Sub: user.ID, ExportedAt: storage.Instant(a.Now()), CreatedAt: user.CreatedAt, UpdatedAt: user.UpdatedAt, Username: user.Username, Email: user.Email,
		EmailVerified: user.EmailVerified, Phone: user.Phone, Profile: user.Profile, Groups: user.Groups, Attributes: user.Attributes, MergedSubs: user.Aliases,
		Identities: []exportedIdentity{}, Terms: a.TermsOf(r, user),
	}
	links, err := a.Users.Identities(r.Context(), user)
	if err != nil {
		return exportHead{}, err
	}
	for _, entry := range links {
		link := entry.Record
		head.Identities = append(head.Identities, exportedIdentity{link.Type, link.Namespace, link.Value, link.VerifiedAt, link.CreatedAt})
	}
	if head.Methods, err = a.MethodsOf(r, user); err != nil {
		return exportHead{}, err
	}
	head.SignIns, err = a.LastSignIns(r, user, "")
	return head, err
}

// exportedGrant is a grant without what its tokens derive from.
type exportedGrant struct {
	ClientID  string    `json:"client_id"`
	State     string    `json:"state"`
	Scopes    []string  `json:"scopes,omitempty"`
	Audience  []string  `json:"audience,omitempty"`
	AMR       []string  `json:"amr,omitempty"`
	AuthTime  time.Time `json:"auth_time,omitzero"`
	CreatedAt time.Time `json:"created_at,omitzero"`
	RevokedAt time.Time `json:"revoked_at,omitzero"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

func viewGrant(g storage.Grant) exportedGrant {
	return exportedGrant{g.Client, string(g.State), g.Scopes, g.Audience, g.AMR, g.AuthTime, g.CreatedAt, g.RevokedAt, g.ExpiresAt}
}

type exportedConsent struct {
	ClientID  string    `json:"client_id"`
	Scopes    []string  `json:"scopes,omitempty"`
	Declined  []string  `json:"declined,omitempty"`
	CreatedAt time.Time `json:"created_at,omitzero"`
	UpdatedAt time.Time `json:"updated_at,omitzero"`
}

func viewConsent(c storage.Consent) exportedConsent {
	return exportedConsent{c.Client, c.Scopes, c.Declined, c.CreatedAt, c.UpdatedAt}
}

// exportWriter writes JSON. After an error it writes nothing.
type exportWriter struct {
	w   io.Writer
	err error
}

func (o *exportWriter) text(text string) {
	if o.err == nil {
		_, o.err = io.WriteString(o.w, text)
	}
}

// member writes a member of an object after before.
func (o *exportWriter) member(before, name string, value any) {
	o.text(before + "\n\"" + name + "\": ")
	o.value(value)
}

func (o *exportWriter) value(value any) {
	raw, err := json.Marshal(value)
	if o.err == nil {
		o.err = err
	}
	o.text(string(raw))
}

// exportList writes the list of all records of a kind, a page at a time.
func exportList[R storage.Record](ctx context.Context, engine storage.Engine, user storage.User, out *exportWriter, name string, view func(R) (any, bool)) {
	out.text(",\n\"" + name + "\": [")
	query := storage.Query{Order: storage.ByCreatedDescending, Owner: storage.Key(user.Directory, user.ID), Limit: exportPage}
	separator := "\n"
	for range maxExportPages {
		entries, next, err := storage.List[R](ctx, engine, query)
		if err != nil && out.err == nil {
			out.err = err
		}
		if out.err != nil {
			return
		}
		for _, entry := range entries {
			if shown, ok := view(entry.Record); ok {
				out.text(separator)
				out.value(shown)
				separator = ",\n"
			}
		}
		if query.After = next; next == "" {
			break
		}
	}
	out.text("]")
}
