package console

import (
	"net/http"

	"github.com/minifed/minifed/server/admin"
)

// directoryDisabling and directoryDeletion are the pages before both acts.
func directoryDisabling(id string) confirmation {
	return confirmation{
		directory: id, act: admin.ActDirectoryDisable, title: text("directory.disable"), lead: text("directory.disable.lead"),
		cancel: directoryPath(id, ""), tab: "nav.directory",
	}
}

func directoryDeletion(id string) confirmation {
	return confirmation{
		directory: id, act: admin.ActDirectoryDelete, title: text("directory.delete"), lead: text("directory.delete.lead"), typed: id,
		cancel: directoryPath(id, ""), tab: "nav.directory",
	}
}

func (c *Console) askDirectoryDisable(w http.ResponseWriter, r *request) error {
	entry, err := c.directoryOf(r)
	if err != nil {
		return err
	}
	return c.confirm(w, r, &entry.Record, directoryDisabling(entry.Record.ID))
}

func (c *Console) disableDirectory(w http.ResponseWriter, r *request) error {
	if _, err := r.service.DisableDirectory(r.Context(), r.vars["directory"]); err != nil {
		return err
	}
	return redirect(w, directoryPath(r.vars["directory"], "?done=disabled"))
}

func (c *Console) enableDirectory(w http.ResponseWriter, r *request) error {
	if _, err := r.service.EnableDirectory(r.Context(), r.vars["directory"]); err != nil {
		return err
	}
	return redirect(w, directoryPath(r.vars["directory"], "?done=enabled"))
}

func (c *Console) askDirectoryDelete(w http.ResponseWriter, r *request) error {
	entry, err := c.directoryOf(r)
	if err != nil {
		return err
	}
	return c.confirm(w, r, &entry.Record, directoryDeletion(entry.Record.ID))
}

func (c *Console) deleteDirectory(w http.ResponseWriter, r *request) error {
	entry, err := c.directoryOf(r)
	if err != nil {
		return err
	}
	asked := directoryDeletion(entry.Record.ID)
	if asked.wrong = r.form.Get("typed") != asked.typed; asked.wrong {
		return c.confirm(w, r, &entry.Record, asked)
	}
	if err := r.service.DeleteDirectory(r.Context(), entry.Record.ID); err != nil {
		return err
	}
	return redirect(w, Base+"?done=deleted")
}
