package console

import (
	"errors"
	"net/http"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/server/admin/setting"
	"github.com/minifed/minifed/storage"
)

// listedDirectory is a directory in the list.
type listedDirectory struct {
	storage.Directory
	Path, IssuerURL string
	Picture         any
}

// directories lists the directories.
func (c *Console) directories(w http.ResponseWriter, r *request) error {
	found, next, err := r.service.Directories(r.Context(), admin.Page{After: r.URL.Query().Get("after")})
	if err != nil {
		return err
	}
	var rows []listedDirectory
	for _, each := range found {
		rows = append(rows, listedDirectory{each, directoryPath(each.ID, ""), r.service.IssuerOf(each), pictureURL(each.Branding.Logo)})
	}
	fresh, mayStart, err := c.isFresh(r)
	if err != nil {
		return err
	}
	return c.render(w, r, page{
		Template: "directories", Title: text("directories.title"), Tab: "nav.directories", Notice: done(r),
		Data: struct {
			Rows      []listedDirectory
			Next      string
			MayCreate bool
			// Fresh says that the default directory has no clients, and MayStart that the operator can use the wizard.
			Fresh, MayStart bool
		}{rows, nextPage(r, next), r.service.Allowed(storage.Everywhere, admin.ActDirectoryCreate) == nil, fresh, mayStart},
	})
}

// isFresh reports whether the default directory has no clients, and whether the operator may use the wizard.
func (c *Console) isFresh(r *request) (fresh, mayStart bool, err error) {
	if !r.allows(c.config.DefaultDirectory, admin.ActClientCreate) {
		return false, false, nil
	}
	clients, _, err := r.service.Clients(r.Context(), c.config.DefaultDirectory, admin.Page{Limit: 1})
	return len(clients) == 0, true, err
}

// nextPage returns the address of the next page of a list, or an empty text.
func nextPage(r *request, next string) string {
	if next == "" {
		return ""
	}
	query := r.URL.Query()
	query.Set("after", next)
	return r.URL.Path + "?" + query.Encode()
}

// done returns the notice about what the form before did. A link of another site can only choose one of the notices.
func done(r *request) message {
	key := "done." + r.URL.Query().Get("done")
	if !r.locale.has(key) {
		return message{}
	}
	return text(key)
}

// directoryForm is the form of a directory's settings.
func directoryForm() form[storage.Directory] {
	return form[storage.Directory]{"directory", setting.Directory(), []setting.Section{setting.General, setting.Look, setting.SignIn}}
}

// formData is what a page with the form of a record shows.
type formData struct {
	Sections []section
	// Revision is that of the record; Unplaced are problems that belong to no field.
	Revision string
	Unplaced []string
	// Before are fields above the sections, and Submit is the text of the button; without it the form only shows the record.
	Before []field
	Submit message
	Cancel string
	// Upload says that the form has files.
	Upload bool
}

// newDirectory shows the form of a new directory.
func (c *Console) newDirectory(w http.ResponseWriter, r *request) error {
	if err := r.service.Allowed(storage.Everywhere, admin.ActDirectoryCreate); err != nil {
		return err
	}
	return c.newDirectoryForm(w, r, storage.Directory{}, nil)
}

func (c *Console) newDirectoryForm(w http.ResponseWriter, r *request, record storage.Directory, problems []admin.Problem) error {
	form := directoryForm()
	form.open = []setting.Section{setting.General, setting.Look}
	data := formData{
		Before: []field{{
			Name: "id", Type: "text", Label: text("directory.field.id"), Hint: text("directory.field.id.hint"), Value: record.ID, Required: true,
			Wrong: problemsOf("id", problems), Focus: len(problemsOf("id", problems)) > 0,
		}},
		Sections: form.sections(r, &record, nil, problems), Submit: text("directory.create"), Cancel: Base, Upload: true,
	}
	data.Unplaced = unplaced(append(data.Sections, section{Fields: data.Before}), problems)
	shown := page{
		Template: "form", Title: text("directory.new"), Tab: "nav.directories", Data: data,
		Back: &link{Path: Base, Text: text("nav.directories")},
	}
	if len(problems) > 0 {
		shown.Status, shown.Alert = http.StatusBadRequest, text("alert.invalid")
	}
	return c.render(w, r, shown)
}

// createDirectory creates a directory.
func (c *Console) createDirectory(w http.ResponseWriter, r *request) error {
	if err := r.service.Allowed(storage.Everywhere, admin.ActDirectoryCreate); err != nil {
		return err
	}
	record := storage.Directory{ID: r.form.Get("id")}
	problems := directoryForm().apply(r, &record)
	if record.ID == "" { // The service would generate one, and the ID is a part of the issuer.
		problems = append(problems, admin.Problem{Field: "id", Text: admin.CheckID("").Error()})
	}
	if len(problems) > 0 {
		return c.newDirectoryForm(w, r, record, problems)
	}
	if record.Name == "" {
		record.Name = record.ID
	}
	entry, err := r.service.CreateDirectory(r.Context(), record)
	if invalid := (*admin.Invalid)(nil); errors.As(err, &invalid) {
		return c.newDirectoryForm(w, r, record, invalid.Problems)
	}
	if errors.Is(err, admin.ErrExists) {
		return c.newDirectoryForm(w, r, record, []admin.Problem{{Field: "id", Text: admin.ErrExists.Error()}})
	}
	if err != nil {
		return err
	}
	return redirect(w, directoryPath(entry.Record.ID, "?done=created"))
}

// directoryOf returns the directory of the page.
func (c *Console) directoryOf(r *request) (*storage.Entry[storage.Directory], error) {
	return r.service.Directory(r.Context(), r.vars["directory"])
}

// directory shows a directory with its addresses and what can be done with it.
func (c *Console) directory(w http.ResponseWriter, r *request) error {
	entry, err := c.directoryOf(r)
	if err != nil {
		return err
	}
	directory := entry.Record
	clients, more, err := r.service.Clients(r.Context(), directory.ID, admin.Page{Limit: overviewClients})
	if err != nil && !errors.Is(err, admin.ErrForbidden) {
		return err
	}
	data := directoryData{Issuer: r.service.IssuerOf(directory), Clients: clients, More: more}
	data.MayAdd, data.MayRead = r.allows(directory.ID, admin.ActClientCreate), r.allows(directory.ID, admin.ActUserRead)
	data.MayDisable = !directory.Disabled && directory.ID != c.config.DefaultDirectory && r.allows(directory.ID, admin.ActDirectoryDisable)
	data.MaySetKeys = r.allows(directory.ID, admin.ActDirectoryKey)
	data.MayEnable = directory.Disabled && r.allows(directory.ID, admin.ActDirectoryEnable)
	data.MayClear = directory.Disabled && r.allows(directory.ID, admin.ActDirectoryDelete)
	if data.Files, err = filesOf(r, directory.ID); err != nil {
		return err
	}
	if data.Apart, err = r.separations(directory.ID, ""); err != nil {
		return err
	}
	if data.Scan, err = r.scanProblems(directory.ID); err != nil {
		return err
	}
	return c.render(w, r, page{
		Template: "directory", Title: text("verbatim", directory.Name), Directory: &directory, Tab: "nav.directory", Notice: done(r), Data: data,
	})
}

// directoryData is what the page of a directory shows.
type directoryData struct {
	Issuer  string
	Clients []storage.Client
	More    string
	// These say what the operator may do.
	MayAdd, MayRead, MaySetKeys, MayDisable, MayEnable, MayClear bool
	// Scan are the problems of the mini-program that confirms sign-ins. Apart are the WeChat apps with users of their own.
	Scan  []scanProblem
	Apart []separation
	// Files is nil if no file describes the directory.
	Files *filesData
}

// overviewClients is how many clients the page of a directory lists.
const overviewClients = 8

// allows reports whether the operator may do an act, perhaps after signing in again.
func (r *request) allows(directory string, act admin.Act) bool {
	err := r.service.Allowed(directory, act)
	return err == nil || errors.Is(err, admin.ErrSignInAgain)
}

// directorySettings shows the form of a directory's settings.
func (c *Console) directorySettings(w http.ResponseWriter, r *request) error {
	entry, err := c.directoryOf(r)
	if err != nil {
		return err
	}
	return c.directoryForm(w, r, entry, entry.Record, nil, nil)
}

// directoryForm shows the form of a directory with the values of a record. conflict is what another operator stored meanwhile.
func (c *Console) directoryForm(w http.ResponseWriter, r *request, entry *storage.Entry[storage.Directory], record storage.Directory, conflict *storage.Directory, problems []admin.Problem) error {
	data := formData{
		Sections: directoryForm().sections(r, &record, conflict, problems), Revision: entry.Revision(),
		Cancel: directoryPath(entry.Record.ID, ""), Upload: true,
	}
	if r.allows(entry.Record.ID, admin.ActDirectoryUpdate) {
		data.Submit = text("form.save")
	}
	data.Unplaced = unplaced(data.Sections, problems)
	shown := page{
		Template: "form", Title: text("directory.settings"), Directory: &entry.Record, Tab: "nav.settings", Notice: done(r), Data: data,
	}
	return c.render(w, r, withProblems(shown, problems, conflict != nil))
}

// withProblems adds status and alert to a form that was not saved.
func withProblems(shown page, problems []admin.Problem, changed bool) page {
	switch {
	case changed:
		shown.Status, shown.Alert = http.StatusConflict, text("alert.changed")
	case len(problems) > 0:
		shown.Status, shown.Alert = http.StatusBadRequest, text("alert.invalid")
	}
	return shown
}

// saveDirectory changes a directory's settings.
func (c *Console) saveDirectory(w http.ResponseWriter, r *request) error {
	entry, err := c.directoryOf(r)
	if err != nil {
		return err
	}
	form, record := directoryForm(), entry.Record
	if problems := form.apply(r, &record); len(problems) > 0 {
		return c.directoryForm(w, r, entry, record, nil, problems)
	}
	_, err = r.service.UpdateDirectory(r.Context(), entry.Record.ID, r.form.Get("revision"), func(directory *storage.Directory) { form.apply(r, directory) })
	if invalid := (*admin.Invalid)(nil); errors.As(err, &invalid) {
		return c.directoryForm(w, r, entry, record, nil, invalid.Problems)
	}
	if errors.Is(err, admin.ErrChanged) {
		return c.directoryForm(w, r, entry, record, &entry.Record, nil)
	}
	if err != nil {
		return err
	}
	return redirect(w, directoryPath(entry.Record.ID, "settings?done=saved"))
}
