package main

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// dataOwner is the user of the image.
const dataOwner = 65532

// writeImage writes an image for docker load: the programs, the CA certificates of Mozilla, the licences, and the settings of the
// Dockerfile.
func (r *release) writeImage(p platform, binaries map[string]string, licences map[string][]byte) error {
	files, err := imageFiles(binaries, licences)
	if err != nil {
		return err
	}
	var archive bytes.Buffer
	if err := writeTar(&archive, files, r.committed); err != nil {
		return err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(archive.Bytes())), nil })
	if err != nil {
		return err
	}
	dockerfile, err := os.ReadFile(filepath.Join(r.source, "Dockerfile"))
	if err != nil {
		return err
	}
	config, err := settingsOf(string(dockerfile))
	if err != nil {
		return err
	}
	image, err := assemble(layer, p, config, r.committed)
	if err != nil {
		return err
	}
	tag, err := name.NewTag("minifed:" + strings.ReplaceAll(r.version, "+", "-"))
	if err != nil {
		return err
	}
	return tarball.WriteToFile(r.name(p, "_image.tar"), tag, image)
}

func assemble(layer v1.Layer, p platform, config v1.Config, at time.Time) (v1.Image, error) {
	image, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return nil, err
	}
	described, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	described = described.DeepCopy()
	described.OS, described.Architecture, described.Config, described.Created = p.os, p.arch, config, v1.Time{Time: at}
	return mutate.ConfigFile(image, described)
}

// imageFiles returns the files of the image. A volume starts with the owner of the folder that it is mounted over.
func imageFiles(binaries map[string]string, licences map[string][]byte) ([]file, error) {
	files := []file{{name: "bin/", mode: 0o755, folder: true}}
	for _, program := range programs() {
		content, err := os.ReadFile(binaries[program])
		if err != nil {
			return nil, err
		}
		files = append(files, file{name: "bin/" + program, content: content, mode: 0o755})
	}
	files = append(files,
		file{name: "data/", mode: 0o755, uid: dataOwner, folder: true},
		file{name: "etc/ssl/certs/ca-certificates.crt", content: certificates(), mode: 0o644})
	for _, one := range textFiles(licences) {
		one.name = "usr/share/doc/minifed/" + one.name
		files = append(files, one)
	}
	return files, nil
}

// certificates returns Mozilla's root certificates, of the version in go.mod, as PEM.
func certificates() []byte {
	var all bytes.Buffer
	for root := range bundle.Roots() {
		_ = pem.Encode(&all, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}) // A buffer has no errors.
	}
	return all.Bytes()
}

// settingsOf returns the settings of the last stage of a Dockerfile, so that both ways to the image give the same one.
func settingsOf(dockerfile string) (v1.Config, error) {
	config := v1.Config{ExposedPorts: map[string]struct{}{}, Volumes: map[string]struct{}{}}
	lines := strings.Split(strings.ReplaceAll(dockerfile, "\\\n", " "), "\n")
	for _, line := range lines {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		rest = strings.TrimSpace(rest)
		var err error
		switch word {
		case "FROM":
			config = v1.Config{ExposedPorts: map[string]struct{}{}, Volumes: map[string]struct{}{}}
		case "ENV":
			config.Env = append(config.Env, strings.Fields(rest)...)
		case "USER":
			config.User = rest
		case "WORKDIR":
			config.WorkingDir = rest
		case "EXPOSE":
			config.ExposedPorts[rest+"/tcp"] = struct{}{}
		case "VOLUME":
			config.Volumes[rest] = struct{}{}
		case "ENTRYPOINT":
			err = json.Unmarshal([]byte(rest), &config.Entrypoint)
		case "CMD":
			err = json.Unmarshal([]byte(rest), &config.Cmd)
		case "HEALTHCHECK":
			config.Healthcheck, err = healthcheck(rest)
		case "", "#", "COPY", "RUN", "ARG":
		default:
			if !strings.HasPrefix(word, "#") {
				err = errors.New("unknown instruction")
			}
		}
		if err != nil {
			return config, fmt.Errorf("dockerfile: %s: %w", line, err)
		}
	}
	return config, nil
}

// healthcheck parses the rest of a HEALTHCHECK instruction.
func healthcheck(text string) (*v1.HealthConfig, error) {
	options, command, found := strings.Cut(text, "CMD ")
	if !found {
		return nil, errors.New("no CMD")
	}
	check := &v1.HealthConfig{Test: []string{"CMD"}}
	var words []string
	if err := json.Unmarshal([]byte(command), &words); err != nil {
		return nil, err
	}
	check.Test = append(check.Test, words...)
	for option := range strings.FieldsSeq(options) {
		key, value, _ := strings.Cut(option, "=")
		duration, err := time.ParseDuration(value)
		if err != nil {
			return nil, err
		}
		switch key {
		case "--interval":
			check.Interval = duration
		case "--timeout":
			check.Timeout = duration
		case "--start-period":
			check.StartPeriod = duration
		default:
			return nil, fmt.Errorf("unknown option %s", key)
		}
	}
	return check, nil
}
