package console

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/server/admin/setting"
	"github.com/minifed/minifed/storage"
)

// resourcePath returns the path of the page of a resource, by its ID.
func resourcePath(directory, id string) string {
	return directoryPath(directory, "resources/"+url.PathEscape(id))
}

// resources lists the resources of a directory.
func (c *Console) resources(w http.ResponseWriter, r *request) error {
	entry, err := c.directoryOf(r)
	if err != nil {
		return err
	}
	id := entry.Record.ID
	found, next, err := r.service.Resources(r.Context(), id, admin.Page{After: r.URL.Query().Get("after")})
	if err != nil {
		return err
	}
	return c.render(w, r, page{
		Template: "resources", Title: text("resources.title"), Directory: &entry.Record, Tab: "nav.clients", Notice: done(r),
		Back: &link{Path: directoryPath(id, "clients"), Text: text("nav.clients")},
		Data: struct {
			Rows   []storage.Resource
			Next   string
			MayAdd bool
		}{found, nextPage(r, next), r.allows(id, admin.ActResourceCreate)},
	})
}

// resourceForm is the form of the settings that can change.
func resourceForm() form[storage.Resource] {
	return form[storage.Resource]{"resource", setting.Resource(), []setting.Section{setting.General, setting.Permissions}}
}

// newResource shows the form of a new resource.
func (c *Console) newResource(w http.ResponseWriter, r *request) error {
	entry, err := c.directoryOf(r)
	if err != nil {
		return err
	}
	if err := r.service.Allowed(entry.Record.ID, admin.ActResourceCreate); err != nil {
		return err
	}
	return c.newResourceForm(w, r, &entry.Record, storage.Resource{}, nil)
}

func (c *Console) newResourceForm(w http.ResponseWriter, r *request, directory *storage.Directory, record storage.Resource, problems []admin.Problem) error {
	wrong := problemsOf("identifier", problems)
	identifier := field{
		Name: "identifier", Type: "text", Label: text("resource.field.identifier"), Hint: text("resource.field.identifier.hint"), Value: record.Identifier,
		Required: true, Suggest: "https://api.example.com", Wrong: wrong, Focus: len(wrong) > 0,
	}
	list := directoryPath(directory.ID, "resources")
	data := formData{Before: []field{identifier}, Submit: text("resource.create"), Cancel: list, Upload: true}
	data.Sections = resourceForm().sections(r, &record, nil, problems)
	data.Unplaced = unplaced(append(data.Sections, section{Fields: data.Before}), problems)
	shown := page{
		Template: "form", Title: text("resource.new"), Directory: directory, Tab: "nav.clients", Data: data,
		Back: &link{Path: list, Text: text("resources.title")},
	}
	return c.render(w, r, withProblems(shown, problems, false))
}

// createResource creates a resource.
func (c *Console) createResource(w http.ResponseWriter, r *request) error {
	entry, err := c.directoryOf(r)
	if err != nil {
		return err
	}
	record := storage.Resource{Directory: entry.Record.ID, Identifier: strings.TrimSpace(r.form.Get("identifier"))}
	problems := resourceForm().apply(r, &record)
	if len(problems) > 0 {
		return c.newResourceForm(w, r, &entry.Record, record, problems)
	}
	created, err := r.service.CreateResource(r.Context(), record)
	if invalid := (*admin.Invalid)(nil); errors.As(err, &invalid) {
		return c.newResourceForm(w, r, &entry.Record, record, invalid.Problems)
	}
	if err != nil {
		return err
	}
	return redirect(w, resourcePath(record.Directory, created.Record.ID)+"?done=created")
}

// resourceOf returns the directory and the resource of the page.
func (c *Console) resourceOf(r *request) (*storage.Directory, *storage.Entry[storage.Resource], error) {
	entry, err := c.directoryOf(r)
	if err != nil {
		return nil, nil, err
	}
	resource, err := r.service.Resource(r.Context(), entry.Record.ID, r.vars["resource"])
	return &entry.Record, resource, err
}

// resource shows a resource.
func (c *Console) resource(w http.ResponseWriter, r *request) error {
	directory, entry, err := c.resourceOf(r)
	if err != nil {
		return err
	}
	return c.resourcePage(w, r, directory, entry, entry.Record, nil, nil)
}

// resourceData is what the page of a resource shows.
type resourceData struct {
	formData
	Resource storage.Resource
	Path     string
	// These say what the operator may do.
	MaySave, MayDisable, MayDelete bool
}

func (c *Console) resourcePage(
	w http.ResponseWriter, r *request, directory *storage.Directory, entry *storage.Entry[storage.Resource], record storage.Resource,
	conflict *storage.Resource, problems []admin.Problem,
) error {
	stored, id := entry.Record, directory.ID
	data := resourceData{
		Resource: stored, Path: resourcePath(id, stored.ID),
		MaySave: r.allows(id, admin.ActResourceUpdate), MayDisable: r.allows(id, admin.ActResourceDisable), MayDelete: r.allows(id, admin.ActResourceDelete),
	}
	data.Sections = resourceForm().sections(r, &record, conflict, problems)
	data.Revision, data.Unplaced = entry.Revision(), unplaced(data.Sections, problems)
	name := stored.Name
	if name == "" {
		name = stored.Identifier
	}
	shown := page{
		Template: "resource", Title: text("verbatim", name), Directory: directory, Tab: "nav.clients", Notice: done(r), Data: data,
		Back: &link{Path: directoryPath(id, "resources"), Text: text("resources.title")},
	}
	return c.render(w, r, withProblems(shown, problems, conflict != nil))
}

// saveResource changes the settings of a resource.
func (c *Console) saveResource(w http.ResponseWriter, r *request) error {
	directory, entry, err := c.resourceOf(r)
	if err != nil {
		return err
	}
	form, record := resourceForm(), entry.Record
	if problems := form.apply(r, &record); len(problems) > 0 {
		return c.resourcePage(w, r, directory, entry, record, nil, problems)
	}
	_, err = r.service.UpdateResource(r.Context(), directory.ID, record.ID, r.form.Get("revision"), func(resource *storage.Resource) { form.apply(r, resource) })
	if invalid := (*admin.Invalid)(nil); errors.As(err, &invalid) {
		return c.resourcePage(w, r, directory, entry, record, nil, invalid.Problems)
	}
	if errors.Is(err, admin.ErrChanged) {
		return c.resourcePage(w, r, directory, entry, record, &entry.Record, nil)
	}
	if err != nil {
		return err
	}
	return redirect(w, resourcePath(directory.ID, record.ID)+"?done=saved")
}

// resourceActs are the acts on a resource that are confirmed.
func resourceActs() map[string]recordAct {
	return map[string]recordAct{
		"disable": {admin.ActResourceDisable, "resource.disable", func(r *request, directory, id string) error {
			_, err := r.service.DisableResource(r.Context(), directory, id)
			return err
		}, "disabled", false},
		"enable": {admin.ActResourceEnable, "resource.enable", func(r *request, directory, id string) error {
			_, err := r.service.EnableResource(r.Context(), directory, id)
			return err
		}, "enabled", false},
		"delete": {admin.ActResourceDelete, "resource.delete", func(r *request, directory, id string) error {
			return r.service.DeleteResource(r.Context(), directory, id)
		}, "deleted", true},
	}
}

func (c *Console) askResource(w http.ResponseWriter, r *request) error {
	asked, ok := resourceActs()[r.vars["act"]]
	if !ok {
		return errNoPage
	}
	directory, entry, err := c.resourceOf(r)
	if err != nil {
		return err
	}
	return c.confirm(w, r, directory, confirmation{
		directory: directory.ID, act: asked.act, title: text(asked.key), lead: text(asked.key+".lead", entry.Record.Identifier),
		cancel: resourcePath(directory.ID, entry.Record.ID), tab: "nav.clients",
	})
}

func (c *Console) actOnResource(w http.ResponseWriter, r *request) error {
	directory, id := r.vars["directory"], r.vars["resource"]
	return act(w, r, resourceActs(), id, directoryPath(directory, "resources"), resourcePath(directory, id))
}
