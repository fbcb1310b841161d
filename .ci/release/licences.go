package main

import (
	"context"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

// The licences are read by a program of our own: no version of go-licenses is a module that can be pinned with the Go of this
// repository, and cyclonedx-gomod reads them only for a main module that a registry serves.

// module is a module in a binary, with the folder of its source.
type module struct{ Path, Version, Dir string }

// modulesOf returns the modules in a binary by path, and Go's standard library.
func modulesOf(ctx context.Context, source, binary string) (map[string]module, error) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	paths := []string{}
	for _, dependency := range info.Deps {
		if dependency.Replace != nil {
			return nil, fmt.Errorf("%s is replaced", dependency.Path)
		}
		paths = append(paths, dependency.Path)
	}
	listed, err := output(ctx, source, "go", append([]string{"list", "-m", "-json"}, paths...)...)
	if err != nil {
		return nil, err
	}
	goroot, err := output(ctx, source, "go", "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	modules := map[string]module{"std": {"std", info.GoVersion, goroot}}
	for decoder := json.NewDecoder(strings.NewReader(listed)); ; {
		var one module
		if err := decoder.Decode(&one); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		modules[one.Path] = one
	}
	if len(modules) != len(paths)+1 {
		return nil, fmt.Errorf("%d of %d modules were found", len(modules)-1, len(paths))
	}
	return modules, nil
}

// accepted are the licences that a binary under Apache-2.0 may include.
func accepted() []string {
	return []string{"Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MPL-2.0", "Unlicense", "CC0-1.0", "0BSD", "blessing", "GooglePatentsFile", "FTL"}
}

// chosen are the files of the licence that we chose, for modules that offer a choice.
func chosen() map[string]string {
	return map[string]string{"github.com/golang/freetype": "licenses/ftl.txt"} // the other is GPL-2.0-or-later
}

// leastCoverage is the part of a file, in percent, that a known licence must be.
const leastCoverage = 75

// licenceFiles returns the licence and notice files of modules by their names in an archive. It fails for a module whose licence is
// missing, unknown or not accepted.
func licenceFiles(modules map[string]module) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, path := range slices.Sorted(maps.Keys(modules)) {
		one := modules[path]
		found, err := textsOf(one)
		if err != nil {
			return nil, err
		}
		known := false
		for name, text := range found {
			ids := licencesIn(text)
			for _, id := range ids {
				if !slices.Contains(accepted(), id) {
					return nil, fmt.Errorf("%s has the licence %s in %s", path, id, name)
				}
			}
			known = known || len(ids) > 0
			files["licences/"+path+"@"+one.Version+"/"+name] = text
		}
		if !known {
			return nil, fmt.Errorf("the licence of %s %s is unknown", path, one.Version)
		}
	}
	return files, nil
}

// textsOf returns the licence files in the top folder of a module.
func textsOf(one module) (map[string][]byte, error) {
	entries, err := os.ReadDir(one.Dir)
	if err != nil {
		return nil, err
	}
	names := regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents|copyright)`)
	texts := map[string][]byte{}
	for _, entry := range entries {
		if !names.MatchString(entry.Name()) || !entry.Type().IsRegular() || strings.HasSuffix(entry.Name(), ".go") {
			continue
		}
		if texts[entry.Name()], err = os.ReadFile(filepath.Join(one.Dir, entry.Name())); err != nil {
			return nil, err
		}
	}
	if file := chosen()[one.Path]; file != "" {
		if texts[filepath.Base(file)], err = os.ReadFile(filepath.Join(one.Dir, filepath.FromSlash(file))); err != nil {
			return nil, err
		}
	}
	return texts, nil
}

// licencesIn returns the SPDX identifiers of the licences that a text consists of; none for another text, such as a notice.
func licencesIn(text []byte) []string {
	coverage := licensecheck.Scan(text)
	if coverage.Percent < leastCoverage {
		return nil
	}
	ids := []string{}
	for _, match := range coverage.Match {
		ids = append(ids, match.ID)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
