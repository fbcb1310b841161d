package console

import (
	"errors"
	"net/http"
	"strings"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// pushData is what the form of the keys of a message push shows.
type pushData struct {
	formData
	// URL is what the operator enters in WeChat's console.
	URL string
}

// askPushKeys shows the form of the keys of a mini-program's message push.
func (c *Console) askPushKeys(w http.ResponseWriter, r *request) error {
	directory, entry, err := c.clientOf(r)
	if err != nil {
		return err
	}
	return c.pushKeysForm(w, r, directory, entry.Record, nil)
}

func (c *Console) pushKeysForm(w http.ResponseWriter, r *request, directory *storage.Directory, client storage.Client, problems []admin.Problem) error {
	if err := r.service.Allowed(directory.ID, admin.ActClientPushKeys); err != nil {
		return err
	}
	data := pushData{URL: r.service.IssuerOf(*directory) + admin.PushPath(client.ID)}
	for _, name := range []string{"push_token", "encoding_aes_key"} {
		wrong := problemsOf(name, problems)
		data.Before = append(data.Before, field{
			Name: name, Type: "secret", Label: text("client.field." + name), Hint: text("client.field." + name + ".hint"), Wrong: wrong, Focus: len(wrong) > 0,
		})
	}
	data.Submit, data.Cancel = text("client.push_keys.save"), clientPath(directory.ID, client.ID, "")
	shown := page{
		Template: "push", Title: text("client.push_keys"), Directory: directory, Tab: "nav.clients", Back: backToClient(directory.ID, client), Data: data,
	}
	return c.render(w, r, withProblems(shown, problems, false))
}

// setPushKeys replaces the keys of a mini-program's message push; empty ones remove them.
func (c *Console) setPushKeys(w http.ResponseWriter, r *request) error {
	directory, entry, err := c.clientOf(r)
	if err != nil {
		return err
	}
	push := admin.PushKeys{Token: strings.TrimSpace(r.form.Get("push_token")), EncodingAESKey: strings.TrimSpace(r.form.Get("encoding_aes_key"))}
	err = r.service.SetPushKeys(r.Context(), directory.ID, entry.Record.ID, push)
	if invalid := (*admin.Invalid)(nil); errors.As(err, &invalid) {
		return c.pushKeysForm(w, r, directory, entry.Record, invalid.Problems)
	}
	if err != nil {
		return err
	}
	result := "push_keys"
	if push == (admin.PushKeys{}) {
		result = "push_keys_removed"
	}
	return redirect(w, clientPath(directory.ID, entry.Record.ID, "")+"?done="+result)
}
