package console

import (
	"errors"
	"net/http"
	"strings"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// askDirectoryKey returns the page with the form of a key of a directory.
func (c *Console) askDirectoryKey(which admin.DirectoryKey) func(http.ResponseWriter, *request) error {
	return func(w http.ResponseWriter, r *request) error {
		entry, err := c.directoryOf(r)
		if err != nil {
			return err
		}
		return c.directoryKeyForm(w, r, entry.Record, which, nil)
	}
}

func (c *Console) directoryKeyForm(w http.ResponseWriter, r *request, directory storage.Directory, which admin.DirectoryKey, problems []admin.Problem) error {
	if err := r.service.Allowed(directory.ID, admin.ActDirectoryKey); err != nil {
		return err
	}
	name, hint, wrong := "directory.sms_key", "directory.sms_key.hint", problemsOf("key", problems)
	if which == admin.CaptchaKey {
		name, hint = "directory.captcha_key", "directory.captcha_key.hint"
	}
	shown := page{
		Template: "form", Title: text(name), Directory: &directory, Tab: "nav.settings", Back: &link{Path: directoryPath(directory.ID, ""), Text: text("nav.directory")},
		Data: formData{
			Before: []field{{Name: "key", Type: "secret", Label: text(name), Hint: text(hint), Wrong: wrong, Focus: len(wrong) > 0}},
			Submit: text("form.save"), Cancel: directoryPath(directory.ID, ""),
		},
	}
	return c.render(w, r, withProblems(shown, problems, false))
}

// setDirectoryKey returns the handler of that form. An empty key removes the stored one.
func (c *Console) setDirectoryKey(which admin.DirectoryKey) func(http.ResponseWriter, *request) error {
	return func(w http.ResponseWriter, r *request) error {
		entry, err := c.directoryOf(r)
		if err != nil {
			return err
		}
		err = r.service.SetDirectoryKey(r.Context(), entry.Record.ID, which, strings.TrimSpace(r.form.Get("key")))
		if invalid := (*admin.Invalid)(nil); errors.As(err, &invalid) {
			return c.directoryKeyForm(w, r, entry.Record, which, invalid.Problems)
		}
		if err != nil {
			return err
		}
		return redirect(w, directoryPath(entry.Record.ID, "?done=directory_key"))
	}
}
