package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// build builds the programs of a platform in both clones, and returns the files of the first. The second clone has an empty build cache.
func (r *release) build(ctx context.Context, work string, p platform) (map[string]string, error) {
	binaries := map[string]string{}
	cache, err := os.MkdirTemp(work, "cache-")
	if err != nil {
		return nil, err
	}
	for _, program := range programs() {
		first := filepath.Join(work, "built", p.String(), program)
		second := filepath.Join(work, "again", p.String(), program)
		if err := compile(ctx, r.source, p, program, first); err != nil {
			return nil, err
		}
		if err := compile(ctx, r.again, p, program, second, "GOCACHE="+cache); err != nil {
			return nil, err
		}
		sums := [2]string{}
		for i, file := range []string{first, second} {
			if sums[i], err = checksum(file); err != nil {
				return nil, err
			}
		}
		if sums[0] != sums[1] {
			return nil, fmt.Errorf("two builds of %s differ: %s and %s", program, sums[0], sums[1])
		}
		fmt.Fprintf(r.progress, "%s %s: built twice, %s\n", p, program, sums[0][:16])
		binaries[program] = first
	}
	return binaries, os.RemoveAll(cache)
}

// compile builds a static binary without the paths of this machine.
func compile(ctx context.Context, source string, p platform, program, to string, variables ...string) error {
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=true", "-ldflags=-s -w", "-o", to, "./cmd/"+program)
	command.Dir = source
	command.Env = slices.Concat(os.Environ(), []string{"CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off", "GOOS=" + p.os, "GOARCH=" + p.arch}, variables)
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("go build ./cmd/%s: %w\n%s", program, err, out)
	}
	return nil
}

func checksum(file string) (sum string, err error) {
	opened, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	hash := sha256.New()
	if _, err := io.Copy(hash, opened); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// writeChecksums writes the file that sha256sum --check reads.
func (r *release) writeChecksums() error {
	entries, err := os.ReadDir(r.out)
	if err != nil {
		return err
	}
	var lines strings.Builder
	for _, entry := range entries { // by name
		sum, err := checksum(filepath.Join(r.out, entry.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&lines, "%s  %s\n", sum, entry.Name())
	}
	return os.WriteFile(filepath.Join(r.out, "SHA256SUMS"), []byte(lines.String()), 0o644)
}
