package version

import (
	"runtime"
	"runtime/debug"
	"strings"
)

// Release is the newest version in CHANGELOG.md.
const Release = "v0.1.0"

// Info says what this binary was built from.
type Info struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Time     string `json:"time,omitempty"`
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// Build is what the Go linker wrote into this binary; nil when there is nothing.
func Build() *debug.BuildInfo {
	info, _ := debug.ReadBuildInfo()
	return info
}

// Of returns the version of a binary; build is nil when the Go linker wrote nothing. A build of a tag has the tag's version.
// Any other build is a development state of the newest version in CHANGELOG.md, and its revision identifies it.
func Of(build *debug.BuildInfo) Info {
	info := Info{Version: Release + "-devel", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if build == nil {
		return info
	}
	if tagged(build.Main.Version) {
		info.Version = build.Main.Version
	}
	for _, setting := range build.Settings {
		switch setting.Key {
		case "vcs.revision":
			info.Revision = setting.Value
		case "vcs.time":
			info.Time = setting.Value
		case "vcs.modified":
			info.Modified = setting.Value == "true"
		}
	}
	return info
}

// tagged reports whether a module version is that of a tag or follows one. The Go command writes v0.0.0-… or (devel) without tag.
func tagged(version string) bool {
	return strings.HasPrefix(version, "v") && !strings.HasPrefix(version, "v0.0.0-")
}
