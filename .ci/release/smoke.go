package main

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// smoke runs the demonstration, which signs users in at a simulated WeChat: with the binary of the archive for this machine, and with
// that of the image, as far as this machine runs it.
func (r *release) smoke(ctx context.Context, work string, p platform) error {
	archive := r.name(p, ".tar.gz")
	if _, err := os.Stat(archive); err != nil {
		fmt.Fprintln(r.progress, "note: nothing was built for this machine, so nothing was run")
		return nil
	}
	folder := filepath.Join(work, "unpacked")
	if err := unpackFile(archive, folder); err != nil {
		return err
	}
	program := filepath.Join(folder, "minifed_"+r.version, "minifed")
	shown, err := output(ctx, folder, program, "version")
	if err != nil {
		return err
	}
	if commit, err := output(ctx, r.source, "git", "rev-parse", "HEAD"); err != nil || !strings.Contains(shown, commit) {
		return errors.Join(fmt.Errorf("the binary does not name its commit:\n%s", shown), err)
	}
	if _, err := output(ctx, folder, program, "demo", "--once"); err != nil {
		return err
	}
	fmt.Fprintln(r.progress, p, "archive: the demonstration succeeds")
	if p.os != "linux" {
		return nil
	}
	return r.smokeImage(ctx, filepath.Join(work, "image"), p)
}

// smokeImage runs the demonstration in the unpacked image. Root also changes to the image's file system and user.
func (r *release) smokeImage(ctx context.Context, folder string, p platform) error {
	image, err := tarball.ImageFromPath(r.name(p, "_image.tar"), nil)
	if err != nil {
		return err
	}
	files := mutate.Extract(image)
	if err := errors.Join(unpack(files, folder), files.Close()); err != nil {
		return err
	}
	described, err := image.ConfigFile()
	if err != nil {
		return err
	}
	command := exec.CommandContext(ctx, filepath.Join(folder, described.Config.Entrypoint[0]), "demo", "--once")
	command.Env, command.Dir = []string{"TMPDIR=" + filepath.Join(folder, "data")}, folder
	where := "as this user"
	if os.Geteuid() == 0 {
		command = exec.CommandContext(ctx, described.Config.Entrypoint[0], "demo", "--once")
		command.Env, command.Dir, command.SysProcAttr = []string{"TMPDIR=/data"}, "/", inside(folder, dataOwner)
		where = "in its file system, as its user"
	}
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("the image: %w\n%s", err, out)
	}
	fmt.Fprintln(r.progress, p, "image: the demonstration succeeds", where)
	return nil
}

func unpackFile(archive, folder string) (err error) {
	opened, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	expanded, err := gzip.NewReader(opened)
	if err != nil {
		return err
	}
	return unpack(expanded, folder)
}

// unpack writes the files of an archive below a folder. The archive is ours: it has only files and folders.
func unpack(archive io.Reader, folder string) error {
	for reader := tar.NewReader(archive); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		path := filepath.Join(folder, filepath.FromSlash(header.Name))
		if err := unpackOne(header, reader, path); err != nil {
			return err
		}
		if os.Geteuid() == 0 {
			if err := os.Lchown(path, header.Uid, header.Gid); err != nil {
				return err
			}
		}
	}
}

func unpackOne(header *tar.Header, from io.Reader, path string) error {
	if header.Typeflag == tar.TypeDir {
		return os.MkdirAll(path, 0o755)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	to, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, header.FileInfo().Mode())
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return errors.Join(err, to.Close())
}
