package console

import (
	"net/http"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// confirmation is the page before an act that has consequences.
type confirmation struct {
	directory string
	act       admin.Act
	title     message
	// lead says what the act does.
	lead message
	// typed is a text that the operator must type; empty for none.
	typed string
	// hidden are values that the form sends.
	hidden [][2]string
	// cancel is the page to return to.
	cancel string
	tab    string
	// wrong says that another text was typed.
	wrong bool
}

// confirmData is what the page shows.
type confirmData struct {
	Lead   message
	Typed  *field
	Hidden [][2]string
	Submit message
	Cancel string
}

// confirm shows the page. An act that cannot be undone is allowed only after a new sign-in, from which the operator comes back here.
func (c *Console) confirm(w http.ResponseWriter, r *request, directory *storage.Directory, asked confirmation) error {
	if err := r.service.Allowed(asked.directory, asked.act); err != nil {
		return err
	}
	data := confirmData{Lead: asked.lead, Hidden: asked.hidden, Submit: asked.title, Cancel: asked.cancel}
	if asked.typed != "" {
		data.Typed = &field{
			Name: "typed", Type: "text", Label: text("confirm.typed", asked.typed), Required: true, Focus: asked.wrong,
		}
	}
	shown := page{Template: "confirm", Title: asked.title, Directory: directory, Tab: asked.tab, Data: data}
	if asked.wrong {
		wrong, err := r.locale.text("confirm.typed.wrong", asked.typed)
		if err != nil {
			return err
		}
		data.Typed.Wrong = []string{wrong}
		shown.Status, shown.Alert = http.StatusBadRequest, text("alert.confirm")
	}
	shown.Data = data
	return c.render(w, r, shown)
}
