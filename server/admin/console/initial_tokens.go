package console

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// initialTokensPath returns the path of the page of initial access tokens.
func initialTokensPath(directory string) string { return directoryPath(directory, "initial-tokens") }

// initialTokensData is what the page shows.
type initialTokensData struct {
	Rows []storage.InitialToken
	Next string
	// Fields are the form of a new token; nil if the operator may not create one.
	Fields []field
	// Token is a new token, which is shown once.
	Token string
}

// initialTokens lists the tokens by which programs register clients.
func (c *Console) initialTokens(w http.ResponseWriter, r *request) error {
	return c.initialTokensPage(w, r, "", nil)
}

func (c *Console) initialTokensPage(w http.ResponseWriter, r *request, token string, problems []admin.Problem) error {
	entry, err := c.directoryOf(r)
	if err != nil {
		return err
	}
	found, next, err := r.service.InitialTokens(r.Context(), entry.Record.ID, admin.Page{After: r.URL.Query().Get("after")})
	if err != nil {
		return err
	}
	data := initialTokensData{Rows: found, Next: nextPage(r, next), Token: token}
	if r.allows(entry.Record.ID, admin.ActInitialTokenCreate) {
		in := r.serviceInput()
		if in.expires == "" {
			in.expires = c.config.Now().Add(admin.UsualTokenLife).Format(dateLayout)
		}
		data.Fields = []field{
			{Name: "name", Type: "text", Label: text("client.field.name"), Value: in.name, Wrong: problemsOf("name", problems)},
			{Name: "expires_at", Type: "date", Label: text("service.expires"), Value: in.expires, Required: true, Wrong: problemsOf("expires_at", problems)},
		}
	}
	shown := page{
		Template: "initial_tokens", Title: text("initial_tokens.title"), Directory: &entry.Record, Tab: "nav.clients", Notice: done(r), Data: data,
		Back: &link{Path: directoryPath(entry.Record.ID, "clients"), Text: text("nav.clients")},
	}
	return c.render(w, r, withProblems(shown, problems, false))
}

// createInitialToken creates a token, and shows it once.
func (c *Console) createInitialToken(w http.ResponseWriter, r *request) error {
	in := r.serviceInput()
	_, token, err := r.service.CreateInitialToken(r.Context(), admin.NewInitialToken{Directory: r.vars["directory"], Name: strings.TrimSpace(in.name), ExpiresAt: in.expiresAt()})
	if invalid := (*admin.Invalid)(nil); errors.As(err, &invalid) {
		return c.initialTokensPage(w, r, "", invalid.Problems)
	}
	if err != nil {
		return err
	}
	return c.initialTokensPage(w, r, token, nil)
}

// revokeInitialToken revokes a token.
func (c *Console) revokeInitialToken(w http.ResponseWriter, r *request) error {
	directory := r.vars["directory"]
	id, err := url.PathUnescape(r.vars["token"])
	if err != nil {
		return errNoPage
	}
	if err := r.service.RevokeInitialToken(r.Context(), directory, id); err != nil {
		return err
	}
	return redirect(w, initialTokensPath(directory)+"?done=deleted")
}
