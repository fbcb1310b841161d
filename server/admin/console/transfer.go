package console

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/minifed/minifed/identity/userfile"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

const (
	// maxImportFile bounds a file of users: about 15,000 of them. The browser waits for the import, and the file is in memory.
	maxImportFile = 8 << 20
	// shownProblems is how many problems of a file the page lists.
	shownProblems = 100
	// transferTime is how long an import or export may take.
	transferTime = time.Hour
)

// The errors of files of users, which are shown at the field.
var (
	errNoFile      = errors.New("must be a file that is not empty")
	errFileFormat  = errors.New("must be a .csv, .jsonl or .ndjson file")
	errOtherFile   = errors.New("must be the file that was checked; it was checked now, so look at the report first")
	errImportLarge = errors.New("must have at most 8 MB; use minifed user import for larger files")
)

// importData is what the page of the import shows.
type importData struct {
	Fields []field
	// Digest is the SHA-256 of the file that was checked. The form with it imports that file, and no other one.
	Digest string
	// Report is that of the check or, if Done, of the import; nil before.
	Report *admin.UserImportReport
	Done   bool
	// Shown are the first problems of the report.
	Shown  []admin.UserImportProblem
	Cancel string
}

// MayImport reports whether the form with Digest is shown.
func (d importData) MayImport() bool { return d.Digest != "" && !d.Done }

// extend gives a request the time of a transfer, instead of that of a page.
func (c *Console) extend(w http.ResponseWriter, r *request) {
	until := c.config.Now().Add(transferTime)
	controller := http.NewResponseController(w)
	if err := errors.Join(controller.SetReadDeadline(until), controller.SetWriteDeadline(until)); err != nil {
		c.config.Logger.DebugContext(context.WithoutCancel(r.Context()), "console: the server sets no deadlines for a transfer", "error", err)
	}
}

// askImport shows the form of an import.
func (c *Console) askImport(w http.ResponseWriter, r *request) error {
	entry, err := c.directoryOf(r)
	if err != nil {
		return err
	}
	if err := r.service.Allowed(entry.Record.ID, admin.ActUsersImport); err != nil {
		return err
	}
	return c.importPage(w, r, &entry.Record, importData{}, nil)
}

func (c *Console) importPage(w http.ResponseWriter, r *request, directory *storage.Directory, data importData, problems []admin.Problem) error {
	data.Fields = labelled([]field{
		{Name: "file", Type: "users", Hint: text("user.field.file.hint"), Required: true},
		{Name: "update", Type: "toggle", Checked: r.form.Get("update") == "true", Hint: text("user.field.update.hint")},
	}, problems)
	data.Cancel = directoryPath(directory.ID, "users")
	if data.Report != nil {
		data.Shown = data.Report.Problems[:min(len(data.Report.Problems), shownProblems)]
	}
	shown := page{
		Template: "import", Title: text("users.import"), Directory: directory, Tab: "nav.users", Data: data,
		Back: &link{Path: data.Cancel, Text: text("nav.users")},
	}
	if shown = withProblems(shown, problems, false); len(problems) > 0 {
		shown.Alert = text("users.import.alert")
	}
	return c.render(w, r, shown)
}

// importUsers checks a file, or imports the file that was checked.
func (c *Console) importUsers(w http.ResponseWriter, r *request) error {
	entry, err := c.directoryOf(r)
	if err != nil {
		return err
	}
	directory := &entry.Record
	if err := r.service.Allowed(directory.ID, admin.ActUsersImport); err != nil {
		return err
	}
	file, format, err := r.usersFile()
	if err != nil {
		return c.importPage(w, r, directory, importData{}, []admin.Problem{{Field: "file", Text: err.Error()}})
	}
	sum := sha256.Sum256(file)
	digest, checked := hex.EncodeToString(sum[:]), r.form.Get("digest")
	data, problems := importData{Digest: digest, Done: checked == digest}, []admin.Problem(nil)
	if checked != "" && !data.Done {
		problems = []admin.Problem{{Field: "file", Text: errOtherFile.Error()}}
	}
	report, err := r.service.ImportUsers(r.Context(), directory.ID, admin.UserImport{
		Open:   func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(file)), nil },
		Format: format, DryRun: !data.Done, Update: r.form.Get("update") == "true",
	})
	if broken := (*userfile.Error)(nil); errors.As(err, &broken) {
		return c.importPage(w, r, directory, importData{}, []admin.Problem{{Field: "file", Text: broken.Error()}})
	}
	if data.Report = &report; errors.Is(err, admin.ErrImportFile) {
		data.Digest, data.Done = "", false
		return c.importPage(w, r, directory, data, problems)
	}
	if err != nil {
		return err
	}
	return c.importPage(w, r, directory, data, problems)
}

// usersFile returns the file of users that a form sent.
func (r *request) usersFile() ([]byte, userfile.Format, error) {
	files := r.files["file"]
	if len(files) != 1 {
		return nil, "", errNoFile
	}
	if len(files[0].content) > maxImportFile {
		return nil, "", errImportLarge
	}
	format, known := userfile.FormatOf(files[0].name)
	if !known {
		return nil, "", errFileFormat
	}
	return files[0].content, format, nil
}

// askExport shows the page before an export: the file has secrets.
func (c *Console) askExport(w http.ResponseWriter, r *request) error {
	entry, err := c.directoryOf(r)
	if err != nil {
		return err
	}
	return c.confirm(w, r, &entry.Record, confirmation{
		directory: entry.Record.ID, act: admin.ActUsersExport, title: text("users.export"), lead: text("users.export.lead"),
		cancel: directoryPath(entry.Record.ID, "users"), tab: "nav.users",
	})
}

// exportUsers sends the users of a directory as JSON Lines.
func (c *Console) exportUsers(w http.ResponseWriter, r *request) error {
	directory := r.vars["directory"]
	out := &download{w: w, name: "users-" + directory + ".jsonl"}
	_, err := r.service.ExportUsers(r.Context(), directory, out, nil)
	if err == nil {
		_, err = out.Write(nil) // There are no users.
	}
	if err == nil || !out.begun {
		return err
	}
	c.config.Logger.ErrorContext(r.Context(), "console: the export of users ended early", "error", err, "request_id", r.actor.RequestID)
	panic(http.ErrAbortHandler) // It ends the connection, as net/http documents: the browser sees that the file is incomplete.
}

// download writes the headers of a file before its first part, so that an error before it is a page.
type download struct {
	w     http.ResponseWriter
	name  string
	begun bool
}

// Write implements io.Writer.
func (d *download) Write(part []byte) (int, error) {
	if !d.begun {
		d.begun = true
		d.w.Header().Set("Content-Type", "application/jsonl")
		d.w.Header().Set("Content-Disposition", `attachment; filename="`+d.name+`"`)
		d.w.Header().Set("Cache-Control", "no-store")
	}
	return d.w.Write(part)
}
