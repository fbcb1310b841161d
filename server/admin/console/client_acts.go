package console

import (
	"errors"
	"net/http"
	"strings"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat"
)

// askSecret shows the page before a new secret of a client.
func (c *Console) askSecret(w http.ResponseWriter, r *request) error {
	directory, entry, err := c.clientOf(r)
	if err != nil {
		return err
	}
	if err := r.service.Allowed(directory.ID, admin.ActClientSecret); err != nil {
		return err
	}
	alone := r.URL.Query().Get("alone") != ""
	if err := r.service.Allowed(directory.ID, admin.ActClientSecretAlone); alone && err != nil {
		return err
	}
	return c.render(w, r, page{
		Template: "rotate", Title: text("client.rotate"), Directory: directory, Tab: "nav.clients", Back: backToClient(directory.ID, entry.Record),
		Data: struct {
			Client   storage.Client
			Alone    bool
			MayAlone bool
		}{entry.Record, alone, r.allows(directory.ID, admin.ActClientSecretAlone)},
	})
}

// backToClient is the link to the page of a client.
func backToClient(directory string, client storage.Client) *link {
	name := client.Name
	if name == "" {
		name = client.ID
	}
	return &link{Path: clientPath(directory, client.ID, ""), Text: text("verbatim", name)}
}

// rotateSecret creates a secret, and shows it.
func (c *Console) rotateSecret(w http.ResponseWriter, r *request) error {
	directory, entry, err := c.clientOf(r)
	if err != nil {
		return err
	}
	secret, err := r.service.RotateClientSecret(r.Context(), directory.ID, entry.Record.ID, "", r.form.Get("alone") != "")
	if err != nil {
		return err
	}
	return c.showSecret(w, r, directory, entry.Record, secret, text("client.rotated"))
}

// askAppSecret shows the form of a mini-program's AppSecret.
func (c *Console) askAppSecret(w http.ResponseWriter, r *request) error {
	directory, entry, err := c.clientOf(r)
	if err != nil {
		return err
	}
	return c.appSecretForm(w, r, directory, entry.Record, nil)
}

func (c *Console) appSecretForm(w http.ResponseWriter, r *request, directory *storage.Directory, client storage.Client, problems []admin.Problem) error {
	if err := r.service.Allowed(directory.ID, admin.ActClientAppSecret); err != nil {
		return err
	}
	shown := page{
		Template: "form", Title: text("client.app_secret"), Directory: directory, Tab: "nav.clients", Back: backToClient(directory.ID, client),
		Data: formData{Before: []field{clientSecretField(problems)}, Submit: text("client.app_secret"), Cancel: clientPath(directory.ID, client.ID, "")},
	}
	return c.render(w, r, withProblems(shown, problems, false))
}

// setAppSecret replaces the AppSecret of a mini-program.
func (c *Console) setAppSecret(w http.ResponseWriter, r *request) error {
	directory, entry, err := c.clientOf(r)
	if err != nil {
		return err
	}
	secret := wechat.AppSecret(strings.TrimSpace(r.form.Get("app_secret")))
	err = r.service.SetAppSecret(r.Context(), directory.ID, entry.Record.ID, secret)
	if invalid := (*admin.Invalid)(nil); errors.As(err, &invalid) {
		return c.appSecretForm(w, r, directory, entry.Record, invalid.Problems)
	}
	if err != nil {
		return err
	}
	return redirect(w, clientPath(directory.ID, entry.Record.ID, "")+"?done=app_secret")
}

func (c *Console) askClientDisable(w http.ResponseWriter, r *request) error {
	return c.askClient(w, r, admin.ActClientDisable, "client.disable")
}

func (c *Console) askClientDelete(w http.ResponseWriter, r *request) error {
	return c.askClient(w, r, admin.ActClientDelete, "client.delete")
}

// askClient shows the page before an act on a client.
func (c *Console) askClient(w http.ResponseWriter, r *request, act admin.Act, key string) error {
	directory, entry, err := c.clientOf(r)
	if err != nil {
		return err
	}
	return c.confirm(w, r, directory, confirmation{
		directory: directory.ID, act: act, title: text(key), lead: text(key+".lead", entry.Record.ID),
		cancel: clientPath(directory.ID, entry.Record.ID, ""), tab: "nav.clients",
	})
}

func (c *Console) disableClient(w http.ResponseWriter, r *request) error {
	if _, err := r.service.DisableClient(r.Context(), r.vars["directory"], r.vars["client"]); err != nil {
		return err
	}
	return redirect(w, clientPath(r.vars["directory"], r.vars["client"], "")+"?done=disabled")
}

func (c *Console) enableClient(w http.ResponseWriter, r *request) error {
	if _, err := r.service.EnableClient(r.Context(), r.vars["directory"], r.vars["client"]); err != nil {
		return err
	}
	return redirect(w, clientPath(r.vars["directory"], r.vars["client"], "")+"?done=enabled")
}

func (c *Console) deleteClient(w http.ResponseWriter, r *request) error {
	if err := r.service.DeleteClient(r.Context(), r.vars["directory"], r.vars["client"]); err != nil {
		return err
	}
	return redirect(w, directoryPath(r.vars["directory"], "clients?done=deleted"))
}
