//go:build interop

package interop

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/minifed/minifed/server/admin/relyingparty"
)

// node installs the npm packages of all programs for Node.js into one folder, and returns the folder of a program in it.
func node(name string) func(t *testing.T) string {
	return func(t *testing.T) string {
		t.Helper()
		folder := cache(t, "node")
		if changed(t, "node/package-lock.json", folder) {
			copyFile(t, "node/package.json", folder)
			copyFile(t, "node/package-lock.json", folder)
			t.Log("npm ci")
			output(t, folder, "npm", "ci", "--no-audit", "--no-fund", "--legacy-peer-deps")
			installed(t, "node/package-lock.json", folder)
		}
		copyFile(t, "node/serve.js", folder)
		return cache(t, "node", name)
	}
}

// python installs the packages of all programs in Python into one virtual environment, and returns the folder of a program.
func python(name string) func(t *testing.T) string {
	return func(t *testing.T) string {
		t.Helper()
		folder := cache(t, "python")
		if changed(t, "python/requirements.txt", folder) {
			t.Log("pip install")
			output(t, folder, "python3", "-m", "venv", "venv")
			copyFile(t, "python/requirements.txt", folder)
			output(t, folder, "venv/bin/pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary=:all:", "-r", "requirements.txt")
			installed(t, "python/requirements.txt", folder)
		}
		return cache(t, "python", name)
	}
}

// maven returns the folder of a program in Java. Maven has a cache of its own.
func maven(name string) func(t *testing.T) string { return folder("java", name) }

// folder returns the folder of a program whose build installs what it needs.
func folder(toolchain, name string) func(t *testing.T) string {
	return func(t *testing.T) string {
		t.Helper()
		return cache(t, toolchain, name)
	}
}

// mavenPackage builds a program in Java.
func mavenPackage(goals ...string) []string {
	return append([]string{"mvn", "--batch-mode", "--quiet", "package"}, goals...)
}

// goProgram installs a program in Go, such as example.com/program@v1.2.3.
func goProgram(name, program string) func(t *testing.T) string {
	return func(t *testing.T) string {
		t.Helper()
		command := exec.CommandContext(t.Context(), "go", "install", program)
		command.Env = append(os.Environ(), "GOBIN="+cache(t, "go", "bin"))
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("go install %s: %v\n%s", program, err, out)
		}
		return cache(t, "go", name)
	}
}

// debian installs packages of Debian, unless a file of theirs is present, and returns the folder of a program.
func debian(name, file string, packages ...string) func(t *testing.T) string {
	return func(t *testing.T) string {
		t.Helper()
		if _, err := os.Stat(file); err != nil {
			t.Logf("apt-get install %v", packages)
			output(t, ".", append([]string{"apt-get", "install", "--quiet", "--yes", "--no-install-recommends"}, packages...)...)
		}
		return cache(t, "debian", name)
	}
}

// django starts a Django project on an empty store.
func django() []string {
	return []string{"sh", "-c", "rm -f store.sqlite3; export DJANGO_SETTINGS_MODULE=settings PYTHONPATH=.; " +
		"../venv/bin/django-admin migrate && exec ../venv/bin/django-admin runserver --noreload localhost:$PORT"}
}

// checkVersion compares the version of the row with what is installed: the table must not name another one.
func checkVersion(t *testing.T, party party, row relyingparty.Party) {
	t.Helper()
	installed := party.version
	if party.debianPackage != "" {
		installed = output(t, ".", "dpkg-query", "--showformat=${Version}", "--show", party.debianPackage)
	}
	for _, pattern := range []string{"node/package.json", "python/requirements.txt", filepath.Join("parties", party.name, "*")} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			content, _ := os.ReadFile(file) // A folder has no pins.
			installed += string(content)
		}
	}
	if version := regexp.MustCompile(`\d+\.\d+[.\d]*`).FindString(row.Version); version == "" || !strings.Contains(installed, version) {
		t.Errorf("the table says that %s was run in version %s, but another one is installed", party.name, row.Version)
	}
}

// changed reports whether a list of dependencies differs from the one that was installed into a folder.
func changed(t *testing.T, list, folder string) bool {
	t.Helper()
	wanted, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	present, err := os.ReadFile(filepath.Join(folder, "installed"))
	return err != nil || string(present) != string(wanted)
}

// installed notes that the dependencies of a list are installed.
func installed(t *testing.T, list, folder string) {
	t.Helper()
	content, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "installed"), content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func copyFile(t *testing.T, file, folder string) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, filepath.Base(file)), content, 0o600); err != nil {
		t.Fatal(err)
	}
}
