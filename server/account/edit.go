package account

import (
	"net/http"
	"net/url"

	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
)

// editPage is a page with a form that changes the account.
type editPage struct {
	title page.Message
	// form returns the form with values: at first those of stored, later those that the end-user submitted.
	form   func(values url.Values) page.Form
	stored url.Values
	// change applies the submitted values.
	change func(values url.Values) error
	// changed writes the response after a change.
	changed func(values url.Values) error
}

// serveEdit shows the form, or applies a submitted one. After an error it shows the submitted values again.
func (a *Account) serveEdit(w http.ResponseWriter, r *endpoint.Request, edit editPage) error {
	shown := page.Page{Template: "form", Title: edit.title}
	if r.Method != http.MethodPost {
		shown.Data = edit.form(edit.stored)
		return a.Pages.Render(w, r, shown)
	}
	submitted, err := a.Pages.CSRF.ReadForm(r)
	if err != nil {
		return err
	}
	if err := edit.change(submitted); err != nil {
		return a.showError(w, r, shown, edit.form(submitted), err)
	}
	return edit.changed(submitted)
}
