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

// pushOwner is a client or a connection with a push URL.
type pushOwner struct {
	// id is the ID of the client, or the AppID of the connection.
	id, path string
	act      admin.Act
	back     *link
	set      func(r *request, push admin.PushKeys) error
}

// clientPushOwner returns the client of the page.
func (c *Console) clientPushOwner(r *request) (*storage.Directory, pushOwner, error) {
	directory, entry, err := c.clientOf(r)
	if err != nil {
		return nil, pushOwner{}, err
	}
	id := entry.Record.ID
	return directory, pushOwner{
		id: id, path: clientPath(directory.ID, id, ""), act: admin.ActClientPushKeys, back: backToClient(directory.ID, entry.Record),
		set: func(r *request, push admin.PushKeys) error {
			return r.service.SetPushKeys(r.Context(), directory.ID, id, push)
		},
	}, nil
}

// connectionPushOwner returns the connection of the page.
func (c *Console) connectionPushOwner(r *request) (*storage.Directory, pushOwner, error) {
	directory, entry, err := c.connectionOf(r)
	if err != nil {
		return nil, pushOwner{}, err
	}
	appID := entry.Record.AppID
	return directory, pushOwner{
		id: appID, path: connectionPath(directory.ID, appID), act: admin.ActConnectionPushKeys, back: &link{Path: connectionPath(directory.ID, appID), Text: text("verbatim", appID)},
		set: func(r *request, push admin.PushKeys) error {
			return r.service.SetConnectionPushKeys(r.Context(), directory.ID, appID, push)
		},
	}, nil
}

// askPushKeys returns the handler that shows the form of the keys of a message push.
func (c *Console) askPushKeys(owner func(*request) (*storage.Directory, pushOwner, error)) func(http.ResponseWriter, *request) error {
	return func(w http.ResponseWriter, r *request) error {
		directory, of, err := owner(r)
		if err != nil {
			return err
		}
		return c.pushKeysForm(w, r, directory, of, nil)
	}
}

func (c *Console) pushKeysForm(w http.ResponseWriter, r *request, directory *storage.Directory, of pushOwner, problems []admin.Problem) error {
	if err := r.service.Allowed(directory.ID, of.act); err != nil {
		return err
	}
	data := pushData{URL: r.service.IssuerOf(*directory) + admin.PushPath(of.id)}
	for _, name := range []string{"push_token", "encoding_aes_key"} {
		wrong := problemsOf(name, problems)
		data.Before = append(data.Before, field{
			Name: name, Type: "secret", Label: text("client.field." + name), Hint: text("client.field." + name + ".hint"), Wrong: wrong, Focus: len(wrong) > 0,
		})
	}
	data.Submit, data.Cancel = text("client.push_keys.save"), of.path
	shown := page{Template: "push", Title: text("client.push_keys"), Directory: directory, Tab: "nav.clients", Back: of.back, Data: data}
	return c.render(w, r, withProblems(shown, problems, false))
}

// setPushKeys returns the handler that replaces the keys of a message push; empty ones remove them.
func (c *Console) setPushKeys(owner func(*request) (*storage.Directory, pushOwner, error)) func(http.ResponseWriter, *request) error {
	return func(w http.ResponseWriter, r *request) error {
		directory, of, err := owner(r)
		if err != nil {
			return err
		}
		push := admin.PushKeys{Token: strings.TrimSpace(r.form.Get("push_token")), EncodingAESKey: strings.TrimSpace(r.form.Get("encoding_aes_key"))}
		err = of.set(r, push)
		if invalid := (*admin.Invalid)(nil); errors.As(err, &invalid) {
			return c.pushKeysForm(w, r, directory, of, invalid.Problems)
		}
		if err != nil {
			return err
		}
		result := "push_keys"
		if push == (admin.PushKeys{}) {
			result = "push_keys_removed"
		}
		return redirect(w, of.path+"?done="+result)
	}
}
