package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// file is a file of an archive or an image.
type file struct {
	name    string
	content []byte
	mode    int64
	// uid is the owner of a folder in an image.
	uid    int
	folder bool
}

// shipped are the files of the repository that an archive has next to the binary.
func shipped() []string {
	return []string{"LICENSE", "README.md", "README.zh-CN.md", "CHANGELOG.md", "config.yaml", "deploy", "docs"}
}

// archiveFiles returns the files of the archive of a binary, by name.
func (r *release) archiveFiles(p platform, binary string, licences map[string][]byte) ([]file, error) {
	program, err := os.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	name := "minifed"
	if p.os == "windows" {
		name += ".exe"
	}
	files := append(textFiles(licences), file{name: name, content: program, mode: 0o755})
	for _, top := range shipped() {
		err := filepath.WalkDir(filepath.Join(r.source, top), func(path string, entry os.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			relative, err := filepath.Rel(r.source, path)
			files = append(files, file{name: filepath.ToSlash(relative), content: content, mode: 0o644})
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.name, b.name) })
	return files, nil
}

func textFiles(texts map[string][]byte) []file {
	files := []file{}
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		files = append(files, file{name: name, content: texts[name], mode: 0o644})
	}
	return files
}

// writeArchive writes the archive that an operator downloads.
func (r *release) writeArchive(p platform, binary string, licences map[string][]byte) error {
	files, err := r.archiveFiles(p, binary, licences)
	if err != nil {
		return err
	}
	folder := "minifed_" + r.version + "/"
	for i := range files {
		files[i].name = folder + files[i].name
	}
	var archive bytes.Buffer
	if p.os == "windows" {
		if err := writeZip(&archive, files, r.committed); err != nil {
			return err
		}
		return os.WriteFile(r.name(p, ".zip"), archive.Bytes(), 0o644)
	}
	compressed := gzip.NewWriter(&archive)
	if err := errors.Join(writeTar(compressed, files, r.committed), compressed.Close()); err != nil {
		return err
	}
	return os.WriteFile(r.name(p, ".tar.gz"), archive.Bytes(), 0o644)
}

// writeTar writes files that belong to root, or to their owner, with one time for all.
func writeTar(to io.Writer, files []file, at time.Time) error {
	archive := tar.NewWriter(to)
	for _, one := range files {
		header := &tar.Header{
			Typeflag: tar.TypeReg, Name: one.name, Size: int64(len(one.content)), Mode: one.mode, Uid: one.uid, Gid: one.uid, ModTime: at, Format: tar.FormatPAX,
		}
		if one.folder {
			header.Typeflag = tar.TypeDir
		}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		if _, err := archive.Write(one.content); err != nil {
			return err
		}
	}
	return archive.Close()
}

func writeZip(to io.Writer, files []file, at time.Time) error {
	archive := zip.NewWriter(to)
	for _, one := range files {
		header := &zip.FileHeader{Name: one.name, Method: zip.Deflate, Modified: at}
		header.SetMode(os.FileMode(one.mode))
		entry, err := archive.CreateHeader(header)
		if err != nil {
			return err
		}
		if _, err := entry.Write(one.content); err != nil {
			return err
		}
	}
	return archive.Close()
}
