// Command release writes the files of a release of the commit that is checked out: binaries that anyone can build again, images for
// docker load, SBOMs, the licences of all dependencies, and checksums. It runs what it built for this machine.
//
// It builds from two clones in different folders, with different build caches, and compares the results.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

func main() {
	root := flag.String("root", "../..", "the repository")
	out := flag.String("out", "../../dist", "the folder of the release, which is emptied")
	only := flag.String("only", "", "build for this platform alone, such as linux_amd64")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *root, *out, *only); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// platform is an operating system and a processor, as Go names them.
type platform struct{ os, arch string }

func (p platform) String() string { return p.os + "_" + p.arch }

// platforms are those of a release.
func platforms() []platform {
	return []platform{
		{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "amd64"}, {"darwin", "arm64"}, {"windows", "amd64"}, {"windows", "arm64"},
	}
}

// programs are the binaries of an image. Archives have the first one.
func programs() []string { return []string{"minifed", "wechatsim"} }

// release is a release that is written.
type release struct {
	// source and again are two clones of the same commit.
	source, again string
	out           string
	version       string
	committed     time.Time
	// progress gets a line for each step.
	progress io.Writer
}

func run(ctx context.Context, root, out, only string) (err error) {
	work, err := os.MkdirTemp("", "minifed-release-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	r, err := newRelease(ctx, root, out, work)
	if err != nil {
		return err
	}
	fmt.Fprintln(r.progress, "release", r.version, "of", r.committed.Format(time.RFC3339))
	if only != "" && !slices.ContainsFunc(platforms(), func(p platform) bool { return p.String() == only }) {
		return fmt.Errorf("no platform is named %s: an example is %s", only, platforms()[0])
	}
	for _, p := range platforms() {
		if only != "" && p.String() != only {
			continue
		}
		if err := r.writePlatform(ctx, work, p); err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
	}
	if err := r.writeChecksums(); err != nil {
		return err
	}
	if err := r.smoke(ctx, work, platform{runtime.GOOS, runtime.GOARCH}); err != nil {
		return fmt.Errorf("what was built does not run: %w", err)
	}
	fmt.Fprintln(r.progress, "written to", r.out)
	return nil
}

func newRelease(ctx context.Context, root, out, work string) (*release, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	if out, err = filepath.Abs(out); err != nil {
		return nil, err
	}
	r := &release{source: filepath.Join(work, "first", "minifed"), again: filepath.Join(work, "second", "elsewhere"), out: out, progress: os.Stdout}
	if changes, err := output(ctx, root, "git", "status", "--porcelain"); err != nil {
		return nil, err
	} else if changes != "" {
		fmt.Fprintln(r.progress, "note: changes that are not committed are not part of the release")
	}
	for _, clone := range []string{r.source, r.again} {
		if _, err := output(ctx, root, "git", "clone", "--quiet", "--shared", root, clone); err != nil {
			return nil, err
		}
	}
	if r.version, err = output(ctx, r.source, "git", "describe", "--tags", "--always"); err != nil {
		return nil, err
	}
	stamp, err := output(ctx, r.source, "git", "log", "-1", "--format=%cI")
	if err != nil {
		return nil, err
	}
	if r.committed, err = time.Parse(time.RFC3339, stamp); err != nil {
		return nil, err
	}
	r.committed = r.committed.UTC()
	return r, errors.Join(os.RemoveAll(out), os.MkdirAll(out, 0o755))
}

// writePlatform builds the programs of a platform twice, and writes its files.
func (r *release) writePlatform(ctx context.Context, work string, p platform) error {
	binaries, err := r.build(ctx, work, p)
	if err != nil {
		return err
	}
	modules, err := modulesOf(ctx, r.source, binaries["minifed"])
	if err != nil {
		return err
	}
	licences, err := licenceFiles(modules)
	if err != nil {
		return err
	}
	if err := r.writeArchive(p, binaries["minifed"], licences); err != nil {
		return err
	}
	if err := r.writeSBOM(ctx, p, binaries["minifed"]); err != nil {
		return err
	}
	if p.os != "linux" {
		return nil
	}
	return r.writeImage(p, binaries, licences)
}

// name returns the path of a file of the release.
func (r *release) name(p platform, suffix string) string {
	return filepath.Join(r.out, fmt.Sprintf("minifed_%s_%s%s", r.version, p, suffix))
}

// output runs a command and returns what it prints.
func output(ctx context.Context, folder, name string, args ...string) (string, error) {
	command := exec.CommandContext(ctx, name, args...)
	command.Dir = folder
	var failed strings.Builder
	command.Stderr = &failed
	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, failed.String())
	}
	return strings.TrimSpace(string(out)), nil
}
