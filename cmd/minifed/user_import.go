package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/minifed/minifed/cmd/minifed/internal/explain"
	"github.com/minifed/minifed/identity/userfile"
	"github.com/minifed/minifed/server/admin"
)

// maxShownProblems bounds the problems that an import prints as text; JSON has all that the report has.
const maxShownProblems = 20

func newUserImport(d *operatorEnv) *cobra.Command {
	job, format := admin.UserImport{}, ""
	command := &cobra.Command{
		Use:     "import FILE",
		Example: "  minifed user import users.csv --dry-run\n  minifed user import users.csv\n  minifed user import export.jsonl --update --output json",
		Args:    exactly("argument.user_file"),
	}
	flags := command.Flags()
	flags.StringVar(&format, "format", "", "")
	flags.BoolVar(&job.DryRun, "dry-run", false, "")
	flags.BoolVar(&job.Update, "update", false, "")
	flags.BoolVar(&job.Fast, "fast", false, "")
	command.RunE = d.operation(func(ctx context.Context, service operations, path string) error {
		var known bool
		if job.Format, known = userfile.Format(format), format != ""; !known {
			job.Format, known = userfile.FormatOf(path)
		}
		if !known || job.Format != userfile.CSV && job.Format != userfile.JSONLines {
			return wrongUsage("usage.user_format")
		}
		job.Open = func() (io.ReadCloser, error) { return os.Open(path) }
		next := d.Now().Add(progressEvery)
		job.Progress = func(report admin.UserImportReport) {
			if now := d.Now(); !now.Before(next) {
				next = now.Add(progressEvery)
				done := report.Created + report.Completed + report.Updated + report.Unchanged + report.Differing + report.Conflicts
				d.Notef("%d of %d rows\n", done, report.Rows)
			}
		}
		report, err := service.ImportUsers(ctx, d.directory, job)
		if err != nil && !errors.Is(err, admin.ErrImportFile) {
			return fmt.Errorf("%s: %w", path, err)
		}
		if shown := d.showImport(path, job, report); shown != nil {
			return shown
		}
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", path, err)
		case report.Conflicts > 0:
			return fmt.Errorf("%s: %d rows conflict with users who exist, and are not imported", path, report.Conflicts)
		default:
			return nil
		}
	})
	return command
}

// importedView is the result of an import as JSON.
type importedView struct {
	File   string `json:"file"`
	DryRun bool   `json:"dry_run,omitempty"`
	admin.UserImportReport
}

func (d *operatorEnv) showImport(path string, job admin.UserImport, report admin.UserImportReport) error {
	return d.say(importedView{path, job.DryRun, report}, func() {
		for n, problem := range report.Problems {
			if n == maxShownProblems {
				d.Printf("and more: --output json lists %d\n", len(report.Problems))
				break
			}
			d.Printf("%s\n", explain.Text(d.Texts, problem.String()))
		}
		if report.Invalid > 0 {
			return
		}
		verb := "imported"
		if job.DryRun {
			verb = "would be imported (dry run)"
		}
		d.Printf("%d rows %s: %d users created, %d completed, %d updated, %d unchanged, %d in conflict.\n",
			report.Rows, verb, report.Created, report.Completed, report.Updated, report.Unchanged, report.Conflicts)
		if report.Differing > 0 {
			d.Printf("%d users differ from their rows; --update changes them.\n", report.Differing)
		}
		if report.Unverified > 0 {
			d.Printf("%d e-mail addresses and phone numbers are not verified, and are left out.\n", report.Unverified)
		}
		if report.ExternalIDs > 0 {
			d.Printf("%d rows have an external_id. `minifed directory update %s --claim external_id@profile` returns it to clients.\n", report.ExternalIDs, d.directory)
		}
	})
}

// exportedView is the result of an export as JSON.
type exportedView struct {
	File  string `json:"file"`
	Users int    `json:"users"`
}

func newUserExport(d *operatorEnv) *cobra.Command {
	return &cobra.Command{
		Use:     "export FILE",
		Example: "  minifed user export users.jsonl",
		Args:    exactly("argument.new_file"),
		RunE: d.operation(func(ctx context.Context, service operations, path string) error {
			count, err := d.exportUsers(ctx, service, path)
			if err != nil {
				return err
			}
			return d.done(exportedView{path, count}, "%d users are in %s. The file contains personal data and password hashes.", count, path)
		}),
	}
}

// exportUsers writes users to a new file.
func (d *operatorEnv) exportUsers(ctx context.Context, service operations, path string) (count int, err error) {
	next := d.Now().Add(progressEvery)
	err = writeNewFile(path, func(out io.Writer) error {
		count, err = service.ExportUsers(ctx, d.directory, out, func(count int) {
			if now := d.Now(); !now.Before(next) {
				next = now.Add(progressEvery)
				d.Notef("%d users\n", count)
			}
		})
		return err
	})
	return count, err
}
