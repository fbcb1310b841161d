package api

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"time"

	"github.com/minifed/minifed/identity/userfile"
	"github.com/minifed/minifed/server/admin"
)

// maxImportFile bounds a file of users: about 200,000 of them. Larger files can be split, or imported by the command line.
const maxImportFile = 64 << 20

// transferTime is how long an import or export may take.
const transferTime = time.Hour

// transferRoutes are the import and export of users.
func transferRoutes() []route {
	const tag, list = "Import and export", "/directories/{directory}/users"
	return []route{
		{
			id: "importUsers", method: http.MethodPost, path: list + "/import", tag: tag, status: http.StatusOK,
			summary: "Import users", text: "The body is a file of at most 64 MB, as CSV or JSON lines. It is checked as a whole; with an unacceptable row nothing is imported, and the report has invalid greater than 0. Rows in conflict with users who exist are left out and reported. The same file again, as after an interruption, completes the import and changes nothing else.",
			act: admin.ActUsersImport, media: []string{mediaCSV, mediaLines}, reply: typeOf[admin.UserImportReport](),
			query: []parameter{
				{name: "dry_run", text: "true reports what the import would do, and writes nothing.", boolean: true},
				{name: "update", text: "true replaces values of users from an earlier import with other values.", boolean: true},
				{name: "fast", text: "true imports without rests, for a store in which no user signs in.", boolean: true},
			},
			serve: importUsers,
		},
		{
			id: "exportUsers", method: http.MethodPost, path: list + "/export", tag: tag, status: http.StatusOK,
			summary: "Export users", text: "The response has a line of JSON for each user, as the import reads it. It contains password hashes, phone numbers and WeChat identities. Merged and deleted users are left out.",
			act: admin.ActUsersExport, replyMedia: []string{mediaLines}, serve: exportUsers,
		},
		{
			id: "exportInstallation", method: http.MethodPost, path: "/export", tag: tag, status: http.StatusOK,
			summary: "Export the installation", text: "The response is the archive that `minifed export` writes: all records, sealed by the master key. `minifed import` reads it into an empty store; the API does not import, because a store with a running server is not empty.",
			act: admin.ActInstallationExport, replyMedia: []string{mediaBytes}, serve: exportInstallation,
		},
	}
}

func importUsers(c *call) (done reply, err error) {
	c.extend()
	file, err := c.spool()
	if err != nil {
		return reply{}, err
	}
	defer func() { err = errors.Join(err, file.Close(), os.Remove(file.Name())) }()
	format := userfile.JSONLines
	if media, _, _ := mime.ParseMediaType(c.Header.Get("Content-Type")); media == mediaCSV {
		format = userfile.CSV
	}
	report, err := c.service.ImportUsers(c.Context(), c.directory(), admin.UserImport{
		Open:   func() (io.ReadCloser, error) { return os.Open(file.Name()) },
		Format: format, DryRun: c.flag("dry_run"), Update: c.flag("update"), Fast: c.flag("fast"),
	})
	if errors.Is(err, admin.ErrImportFile) {
		return reply{body: report}, nil
	}
	if broken := (*userfile.Error)(nil); errors.As(err, &broken) {
		return reply{}, newProblem(problemInvalid, "%v", broken)
	}
	return reply{body: report}, err
}

// spool writes the body to a file that only this process may read: an import reads it several times.
func (c *call) spool() (*os.File, error) {
	file, err := os.CreateTemp("", "minifed-import-*")
	if err != nil {
		return nil, err
	}
	_, err = io.Copy(file, http.MaxBytesReader(c.writer, c.Body, maxImportFile))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		err = newProblem(problemTooLarge, "the file is larger than %d MB: split it, or import it by `minifed user import`", maxImportFile>>20)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close(), os.Remove(file.Name()))
	}
	return file, nil
}

func exportUsers(c *call) (reply, error) {
	c.extend()
	return reply{stream: func(out io.Writer) error {
		_, err := c.service.ExportUsers(c.Context(), c.directory(), out, nil)
		return err
	}}, nil
}

func exportInstallation(c *call) (reply, error) {
	c.extend()
	return reply{stream: func(out io.Writer) error { return c.service.ExportInstallation(c.Context(), out) }}, nil
}

// extend gives a request the time of a transfer, instead of that of a short response.
func (c *call) extend() {
	until := c.api.config.Now().Add(transferTime)
	controller := http.NewResponseController(c.writer)
	if err := errors.Join(controller.SetReadDeadline(until), controller.SetWriteDeadline(until)); err != nil {
		c.api.config.Logger.DebugContext(context.WithoutCancel(c.Context()), "admin API: the server sets no deadlines for a transfer", "error", err)
	}
}
