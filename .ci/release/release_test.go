package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// TestImage_HasTheSettingsOfTheDockerfile writes an image of small files, twice.
func TestImage_HasTheSettingsOfTheDockerfile(t *testing.T) {
	folder := t.TempDir()
	binaries := map[string]string{}
	for _, program := range programs() {
		binaries[program] = filepath.Join(folder, program)
		if err := os.WriteFile(binaries[program], []byte(program), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	linux, sums := platform{"linux", "arm64"}, []string{}
	for range 2 {
		r := &release{source: "../..", out: t.TempDir(), version: "v0.0.1", committed: time.Unix(1_700_000_000, 0)}
		if err := r.writeImage(linux, binaries, map[string][]byte{"licences/x/LICENSE": []byte("text")}); err != nil {
			t.Fatal(err)
		}
		sum, err := checksum(r.name(linux, "_image.tar"))
		if err != nil {
			t.Fatal(err)
		}
		sums = append(sums, sum)
		image, err := tarball.ImageFromPath(r.name(linux, "_image.tar"), nil)
		if err != nil {
			t.Fatal(err)
		}
		described, err := image.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		config := described.Config
		if described.Architecture != "arm64" || described.OS != "linux" || config.User != "65532:65532" || !slices.Equal(config.Entrypoint, []string{"/bin/minifed"}) ||
			!slices.Equal(config.Cmd, []string{"serve"}) || config.Healthcheck.Interval != 10*time.Second || len(config.Env) != 3 || len(config.Volumes) != 1 {
			t.Errorf("%+v", described)
		}
	}
	if sums[0] != sums[1] {
		t.Error("two images of the same files differ")
	}
}

func TestSettingsOf_RejectsWhatItDoesNotKnow(t *testing.T) {
	for _, line := range []string{"STOPSIGNAL SIGINT", "HEALTHCHECK --retries=3 CMD [\"x\"]", "HEALTHCHECK NONE", "CMD serve"} {
		if _, err := settingsOf("FROM scratch\n" + line); err == nil {
			t.Errorf("%s is ignored", line)
		}
	}
}

func TestCertificates_AreMozillas(t *testing.T) {
	if n := strings.Count(string(certificates()), "BEGIN CERTIFICATE"); n < 100 {
		t.Errorf("%d certificates", n)
	}
}

func TestArchives_AreReproducible(t *testing.T) {
	files, at := []file{{name: "a", content: []byte("1"), mode: 0o755}, {name: "b", content: []byte("2"), mode: 0o644}}, time.Unix(1_700_000_000, 0)
	var tars, zips [2]bytes.Buffer
	for i := range 2 {
		if err := writeTar(&tars[i], files, at); err != nil {
			t.Fatal(err)
		}
		if err := writeZip(&zips[i], files, at); err != nil {
			t.Fatal(err)
		}
	}
	if tars[0].String() != tars[1].String() || zips[0].String() != zips[1].String() {
		t.Error("two archives of the same files differ")
	}
}

func TestLicences_OnlyAcceptedOnesAreShipped(t *testing.T) {
	apache, err := os.ReadFile("../../LICENSE")
	if err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		text []byte
		want bool
	}{
		"Apache-2.0": {apache, true},
		"unknown":    {[]byte("All rights reserved. " + strings.Repeat("You may not use this. ", 50)), false},
		"GPL":        {[]byte("SPDX-License-Identifier: GPL-3.0-only"), false},
	} {
		folder := t.TempDir()
		if err := os.WriteFile(filepath.Join(folder, "LICENSE"), row.text, 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := licenceFiles(map[string]module{"example.com/x": {"example.com/x", "v1.0.0", folder}})
		if (err == nil) != row.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := licenceFiles(map[string]module{"example.com/x": {"example.com/x", "v1.0.0", t.TempDir()}}); err == nil {
		t.Error("a module without a licence is shipped")
	}
}

// TestREADME_NamesTheFilesOfARelease compares the names that an operator downloads with those that are written.
func TestREADME_NamesTheFilesOfARelease(t *testing.T) {
	r, linux := &release{version: "${VERSION}"}, platform{"linux", "amd64"}
	for _, file := range []string{"../../README.md", "../../README.zh-CN.md"} {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.NewReplacer("${PLATFORM}", linux.String(), "$PLATFORM", linux.String()).Replace(string(content))
		for _, name := range []string{r.name(linux, ".tar.gz"), r.name(linux, "_image.tar"), "PLATFORM=linux_amd64"} {
			if !strings.Contains(text, name) {
				t.Errorf("%s does not name %s", file, name)
			}
		}
	}
}
