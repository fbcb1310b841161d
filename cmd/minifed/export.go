package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/minifed/minifed/cmd/minifed/internal/archive"
	"github.com/minifed/minifed/cmd/minifed/internal/console"
	"github.com/minifed/minifed/cmd/minifed/internal/deployment"
	"github.com/minifed/minifed/cmd/minifed/internal/manifest"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/server/admin/apply"
	"github.com/minifed/minifed/storage"
)

// moved is the JSON output of an export or an import.
type moved struct {
	File string `json:"file"`
	archive.Contents
}

func newExport(c *console.Console, flags *settings) *cobra.Command {
	d := &operatorEnv{Console: c, settings: flags}
	asFiles := false
	command := &cobra.Command{
		Use: "export FILE",
		Example: "  minifed export /var/backups/minifed-2026-01-31.export\n  MINIFED_STORAGE_URI=sqlite:/var/lib/minifed/minifed.db minifed export store.export\n" +
			"  minifed export --as-files ./minifed",
		Args: exactly("argument.new_file"),
		RunE: func(command *cobra.Command, args []string) error {
			if asFiles {
				return d.operate(command.Context(), func(ctx context.Context, service operations) error { return d.exportFiles(ctx, service, args[0]) })
			}
			if server := d.serverURL(); server != "" {
				return d.download(command.Context(), server, args[0])
			}
			return d.open(command.Context(), func(ctx context.Context, opened *deployment.Deployment) error {
				held, err := exportTo(ctx, c, opened, args[0])
				if err != nil {
					return err
				}
				return d.done(moved{args[0], held}, "%d documents are in %s (SHA-256 of all: %s). `minifed import` requires the same master key.",
					held.Documents, args[0], held.Digest)
			})
		},
	}
	command.Flags().BoolVar(&asFiles, "as-files", false, "")
	return command
}

// writtenFiles is the JSON output of an export as files.
type writtenFiles struct {
	Folder string   `json:"folder"`
	Files  []string `json:"files"`
}

// add writes the files of a directory.
func (w *writtenFiles) add(directory string, documents []apply.Document) error {
	files, err := manifest.Write(w.Folder, directory, documents)
	w.Files = append(w.Files, files...)
	return err
}

// exportFiles writes the files that `minifed apply` reads to a new folder.
func (d *operatorEnv) exportFiles(ctx context.Context, service operations, folder string) error {
	if exists, err := manifest.Exists(folder); err != nil || exists {
		return errors.Join(err, wrongUsage("usage.file_exists", folder))
	}
	directories, _, err := collect(paging{limit: storage.MaxPage, all: true}, func(page admin.Page) ([]storage.Directory, string, error) {
		return service.Directories(ctx, page)
	})
	if err != nil {
		return err
	}
	written := writtenFiles{Folder: folder, Files: []string{}}
	for _, directory := range append(directories, storage.Directory{ID: storage.OperatorsDirectory}) {
		documents, err := service.FilesOf(ctx, directory.ID)
		if err != nil {
			return err
		}
		if err := written.add(directory.ID, documents); err != nil {
			return err
		}
	}
	return d.done(written, "%d files are in %s. They have no secrets.", len(written.Files), folder)
}

// exportTo writes the store to a new file.
func exportTo(ctx context.Context, c *console.Console, opened *deployment.Deployment, path string) (held archive.Contents, err error) {
	reported := newProgress(c, "exported")
	err = writeNewFile(path, func(out io.Writer) error {
		held, err = opened.Archive(ctx, c.Random, out, reported.step)
		return err
	})
	return held, err
}

// writeNewFile writes a file that does not exist and syncs it to the disk. It removes an incomplete file.
func writeNewFile(path string, write func(io.Writer) error) (err error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return wrongUsage("usage.file_exists", path)
	}
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, file.Close()); err != nil {
			err = errors.Join(err, os.Remove(path))
		}
	}()
	buffered := bufio.NewWriterSize(file, archive.SealedChunk)
	if err := write(buffered); err != nil {
		return err
	}
	return errors.Join(buffered.Flush(), file.Sync())
}

// downloaded is the JSON output of an export that a server wrote.
type downloaded struct {
	File  string `json:"file"`
	Bytes int64  `json:"bytes"`
}

// download writes the export of a server to a new file.
func (d *operatorEnv) download(ctx context.Context, server, path string) error {
	client, err := d.remote(server)
	if err != nil {
		return err
	}
	written := downloaded{File: path}
	err = writeNewFile(path, func(out io.Writer) error {
		written.Bytes, err = client.ExportInstallation(ctx, out)
		return err
	})
	if err != nil {
		return err
	}
	return d.done(written, "%d bytes are in %s. `minifed import` requires the master key of the server.", written.Bytes, path)
}

// progress reports on standard error how far a long job is.
type progress struct {
	*console.Console
	verb  string
	count int
	next  time.Time
}

// progressEvery is the interval of the reports.
const progressEvery = 2 * time.Second

func newProgress(c *console.Console, verb string) *progress {
	return &progress{Console: c, verb: verb, next: c.Now().Add(progressEvery)}
}

// step counts one document.
func (p *progress) step(kind storage.Kind) {
	p.count++
	if now := p.Now(); !now.Before(p.next) {
		p.next = now.Add(progressEvery)
		p.Notef("%s %d documents, now %s\n", p.verb, p.count, kind)
	}
}
