package remote

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/minifed/minifed/audit"
	"github.com/minifed/minifed/identity/userfile"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// maxLine bounds a line of a download.
const maxLine = 1 << 20

// ImportUsers does what admin.Service.ImportUsers does. The server imports a file of at most 64 MB, and reports no progress.
func (c *Client) ImportUsers(ctx context.Context, directory string, job admin.UserImport) (report admin.UserImportReport, err error) {
	file, err := job.Open()
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	query := url.Values{}
	for name, set := range map[string]bool{"dry_run": job.DryRun, "update": job.Update, "fast": job.Fast} {
		if set {
			query.Set(name, "true")
		}
	}
	media := "application/x-ndjson"
	if job.Format == userfile.CSV {
		media = "text/csv"
	}
	sent := request{method: http.MethodPost, path: path("directories", directory, "users", "import"), query: query, content: io.NopCloser(file), media: media}
	if _, err := c.call(ctx, sent, &report); err != nil {
		return report, err
	}
	if report.Invalid > 0 {
		return report, admin.ErrImportFile
	}
	return report, nil
}

// ExportUsers does what admin.Service.ExportUsers does.
func (c *Client) ExportUsers(ctx context.Context, directory string, out io.Writer, progress func(int)) (count int, err error) {
	err = c.lines(ctx, request{method: http.MethodPost, path: path("directories", directory, "users", "export")}, func(line []byte) error {
		if _, err := fmt.Fprintf(out, "%s\n", line); err != nil {
			return err
		}
		count++
		progress(count)
		return nil
	})
	return count, err
}

// ExportInstallation writes the archive of all records, and returns its size.
func (c *Client) ExportInstallation(ctx context.Context, out io.Writer) (int64, error) {
	response, err := c.send(ctx, request{method: http.MethodPost, path: "/export", long: true})
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	size, err := io.Copy(out, response.Body)
	if err != nil {
		return size, fmt.Errorf("the download ended early: %w", unreachable(c.server, err))
	}
	return size, nil
}

// ExportAudit does what admin.Service.ExportAudit does.
func (c *Client) ExportAudit(ctx context.Context, directory string, filter audit.Filter, visit func(storage.AuditEntry) error) error {
	sent := request{method: http.MethodGet, path: path("directories", directory, "audit", "export"), query: auditQuery(filter)}
	if directory == storage.Everywhere {
		sent.path = "/audit/export"
	}
	return c.lines(ctx, sent, func(line []byte) error {
		var entry storage.AuditEntry
		if err := json.Unmarshal(line, &entry); err != nil {
			return err
		}
		return visit(entry)
	})
}

// AuditTrail does what admin.Service.AuditTrail does.
func (c *Client) AuditTrail(ctx context.Context, directory string, filter audit.Filter, asked admin.Page) ([]storage.AuditEntry, string, error) {
	found, err := listBy[storage.AuditEntry](ctx, c, asked, request{method: http.MethodGet, path: path("directories", directory, "audit"), query: auditQuery(filter)})
	return found.Items, found.Next, err
}

// VerifyAudit does what admin.Service.VerifyAudit does. The server reports no progress.
func (c *Client) VerifyAudit(ctx context.Context, _ func(int)) (report audit.Report, err error) {
	_, err = c.call(ctx, request{method: http.MethodPost, path: "/audit/verify", long: true}, &report)
	return report, err
}

func auditQuery(filter audit.Filter) url.Values {
	query := url.Values{}
	for name, value := range map[string]string{"actor": filter.Actor, "action": filter.Action, "target": filter.Target} {
		if value != "" {
			query.Set(name, value)
		}
	}
	for name, at := range map[string]time.Time{"from": filter.From, "until": filter.Until} {
		if !at.IsZero() {
			query.Set(name, at.Format(time.RFC3339Nano))
		}
	}
	return query
}

// lines reads a download line by line. A download that ends early is an error.
func (c *Client) lines(ctx context.Context, asked request, visit func([]byte) error) error {
	asked.long = true
	response, err := c.send(ctx, asked)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	scanner := bufio.NewScanner(response.Body)
	scanner.Buffer(nil, maxLine)
	for scanner.Scan() {
		if err := visit(scanner.Bytes()); err != nil {
			return err
		}
	}
	if err := scanner.Err(); err != nil {
		return fmt.Errorf("the download ended early: %w", unreachable(c.server, err))
	}
	return nil
}
