package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/minifed/minifed/cmd/minifed/internal/input"
	"github.com/minifed/minifed/cmd/minifed/internal/version"
)

// everyCommand visits all commands.
func everyCommand(t *testing.T, visit func(*cobra.Command)) {
	t.Helper()
	var walk func(*cobra.Command)
	walk = func(command *cobra.Command) {
		visit(command)
		for _, child := range command.Commands() {
			walk(child)
		}
	}
	walk(newRoot(newCLI(t).Console))
}

func TestHelp_LeadsFromTheDemoToTheOwnAppID(t *testing.T) {
	help := newCLI(t).run(t, "--help")
	golden := filepath.Join("testdata", "help.txt")
	if os.Getenv("MINIFED_TEST_UPDATE") != "" {
		writeFile(t, golden, help)
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if help != string(want) {
		t.Errorf("MINIFED_TEST_UPDATE=1 go test writes the new text, if it is right:\n%s", help)
	}
	at := 0
	for _, command := range []string{"1. minifed demo", "2. minifed serve", "3. minifed client create --kind wechat_miniapp --app-id", "4. curl", "5. minifed user list"} {
		found := strings.Index(help[at:], command)
		if found < 0 {
			t.Fatalf("%q is not there in its place", command)
		}
		at += found
	}
}

func TestHelp_ExamplesOfEveryCommandParse(t *testing.T) {
	count := 0
	everyCommand(t, func(command *cobra.Command) {
		count++
		if command.Short == "" || command.Long == "" {
			t.Errorf("%s: no explanation", command.CommandPath())
		}
		if command.HasSubCommands() {
			return
		}
		if command.Example == "" {
			t.Errorf("%s: no example", command.CommandPath())
		}
		for line := range strings.Lines(command.Example) {
			for part := range strings.SplitSeq(line, "&&") {
				checkExample(t, part)
			}
		}
	})
	if count < 30 {
		t.Errorf("only %d commands were looked at", count)
	}
}

// checkExample checks the command, the flags and the number of arguments of a command line.
func checkExample(t *testing.T, line string) {
	t.Helper()
	line, _, _ = strings.Cut(line, " < ")
	args := splitShell(strings.TrimSpace(line))
	for len(args) > 0 && strings.Contains(args[0], "=") {
		args = args[1:]
	}
	if len(args) == 0 || args[0] != "minifed" {
		t.Errorf("example %q does not call minifed", line)
		return
	}
	command, rest, err := newRoot(newCLI(t).Console).Find(args[1:])
	if err != nil {
		t.Errorf("example %q: %v", line, err)
		return
	}
	if err := command.ParseFlags(rest); err != nil {
		t.Errorf("example %q: %v", line, err)
		return
	}
	if err := command.ValidateArgs(command.Flags().Args()); err != nil {
		t.Errorf("example %q: %v", line, err)
	}
}

// splitShell splits a simple command line into words, quotes removed.
func splitShell(line string) []string {
	words := []string{}
	for _, match := range regexp.MustCompile(`(?:[^\s"']+|"[^"]*"|'[^']*')+`).FindAllString(line, -1) {
		words = append(words, strings.NewReplacer(`"`, "", `'`, "").Replace(match))
	}
	return words
}

func TestFlags_HaveTextsAndTakeNoSecrets(t *testing.T) {
	everyCommand(t, func(command *cobra.Command) {
		command.LocalFlags().VisitAll(func(flag *pflag.Flag) {
			if flag.Usage == "" {
				t.Errorf("%s --%s: no explanation", command.CommandPath(), flag.Name)
			}
			if slices.Contains([]string{"secret", "app-secret", "password", "master-key"}, flag.Name) {
				t.Errorf("%s --%s would put a secret on the command line", command.CommandPath(), flag.Name)
			}
		})
	})
}

func TestCommandLine_RejectsWrongUsage(t *testing.T) {
	s := newCLI(t)
	tests := []struct {
		args string
		says string
	}{
		{"clinet list", `the nearest one is "client"`},
		{"client lst", `the nearest one is "list"`},
		{"client list extra", `"extra"`},
		{"client show", "needs the client's ID"},
		{"client create", "--kind is missing"},
		{"client create --kind wechat_miniapp", "--app-id is missing"},
		{"client list --frobnicate", "--frobnicate"},
		{"client create --knd spa", "the nearest one is --kind"},
		{"client list --limit 0", "must be 1 to 500"},
		{"client list --output xml", "--output xml"},
		{"demo --once --output json", "only text"},
		{"directory create", "needs an ID"},
		{"directory create x --phone-fresh soon", "30d"},
		{"user merge users one", "needs one user's ID, username or e-mail address and the other's"},
		{"keys rotate", "--alg is missing"},
		{"keys secrets turn", `the nearest one is "rotate"`},
	}
	for _, test := range tests {
		s.mustFail(t, exitUsage, []string{"minifed: ", test.says, "--help"}, strings.Fields(test.args)...)
	}
}

func TestCommands_NameTheMissingStore(t *testing.T) {
	s := newCLI(t)
	for _, args := range [][]string{{"client", "list"}, {"user", "list"}, {"keys", "list"}, {"directory", "list"}} {
		s.mustFail(t, exitFailed, []string{"there is no store at " + s.folder, "minifed serve", "--config"}, args...)
	}
	if _, err := os.Stat(s.folder); !os.IsNotExist(err) {
		t.Errorf("a command made the data folder: %v", err)
	}
}

func TestCommands_ReportAllProblemsOfTheConfiguration(t *testing.T) {
	s := newCLI(t, "MINIFED_LOG_LEVEL=loud", "MINIFED_PUBLIC_URL=ftp://x")
	for _, args := range [][]string{{"serve"}, {"client", "list"}} {
		s.mustFail(t, exitFailed, []string{"2 problems", "MINIFED_LOG_LEVEL: must be one of", "MINIFED_PUBLIC_URL: "}, args...)
	}
	s.mustFail(t, exitFailed, []string{"nowhere.yaml"}, "client", "list", "--config", "/nonexistent/nowhere.yaml")
}

func TestVersion_IdentifiesTheBuild(t *testing.T) {
	info := version.Of(&debug.BuildInfo{
		Main:     debug.Module{Version: "v1.2.3"},
		Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.time", Value: "2026-01-01T00:00:00Z"}, {Key: "vcs.modified", Value: "true"}},
	})
	if info.Version != "v1.2.3" || info.Revision != "abc" || !info.Modified || info.Time == "" || !strings.HasPrefix(info.Go, "go1.") {
		t.Errorf("got %+v", info)
	}
	for _, build := range []*debug.BuildInfo{
		nil, {}, {Main: debug.Module{Version: "(devel)"}}, {Main: debug.Module{Version: "v0.0.0-20261130104549-3e2ffd9c0ffe+dirty"}},
	} {
		if info := version.Of(build); info.Version != version.Release+"-devel" {
			t.Errorf("without a tag: %+v", info)
		}
	}
	changes, err := os.ReadFile("../../CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	if _, newest, _ := strings.Cut(string(changes), "\n## "); !strings.HasPrefix(newest, strings.TrimPrefix(version.Release, "v")+"\n") {
		t.Errorf("CHANGELOG.md does not begin with %s", version.Release)
	}
	s := newCLI(t)
	if text := s.run(t, "version"); !strings.Contains(text, "go1.") {
		t.Errorf("printed %q", text)
	}
	if decoded := s.runJSON(t, "version"); decoded["version"] == "" {
		t.Errorf("printed %v", decoded)
	}
}

func TestCompletion_WorksInEveryShell(t *testing.T) {
	s := newCLI(t)
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if text := s.run(t, "completion", shell); !strings.Contains(text, "minifed") {
			t.Errorf("%s: %q", shell, text)
		}
	}
	const noFiles, files = ":4\n", ":0\n"
	tests := []struct {
		typed string
		shows []string
	}{
		{"client cr", []string{"create", noFiles}},
		{"client create --kind ", []string{"wechat_miniapp\nspa\nnative\nweb\nservice\n", noFiles}},
		{"client update x --provisioning ", []string{"auto\nbind\n", noFiles}},
		{"user list --output ", []string{"text\njson\n", noFiles}},
		{"client show ", []string{noFiles}},
		{"client create --name ", []string{noFiles}},
		{"client create --logo ", []string{files}},
		{"client create --app-secret-file ", []string{files}},
		{"serve --config ", []string{files}},
		{"backup ", []string{files}},
	}
	for _, test := range tests {
		text := s.run(t, append([]string{"__complete"}, strings.Split(test.typed, " ")...)...)
		for _, want := range test.shows {
			if !strings.Contains(text, want) {
				t.Errorf("%q is completed as %q, without %q", test.typed, text, want)
			}
		}
	}
}

// fullDisk is an output that rejects all writes, for this reason.
type fullDisk struct{ reason error }

func (f fullDisk) Write([]byte) (int, error) { return 0, f.reason }

func TestCommands_FailWhenTheOutputFails(t *testing.T) {
	s := newCLIWithStore(t)
	commands := []string{
		"client create --kind service", "client list", "client list --output json", "user merge candidates", "keys secrets rotate", "version",
	}
	for _, command := range commands {
		s.Out = fullDisk{syscall.ENOSPC}
		s.mustFail(t, exitFailed, []string{"no space left"}, strings.Fields(command)...)
	}
	s.Out = fullDisk{&os.PathError{Op: "write", Path: "|1", Err: syscall.EPIPE}}
	s.run(t, "client", "list") // as with head
}

func TestDurations_AcceptDays(t *testing.T) {
	for text, want := range map[string]string{"30d": "30d", "10m": "10m0s", "24h": "1d", "90s": "1m30s", "0": "", "0d": ""} {
		value := new(days)
		if err := value.Set(text); err != nil || value.String() != want {
			t.Errorf("%q: %q, %v", text, value, err)
		}
	}
	for _, text := range []string{"", "d", "-1d", "-10m", "1.5s", "1500ms", "tomorrow", "70000d"} {
		if err := new(days).Set(text); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}

func TestSecretSource_ReadsStdinFileOrPrompt(t *testing.T) {
	folder := t.TempDir()
	writeFile(t, filepath.Join(folder, "good"), "from file\r\n")
	writeFile(t, filepath.Join(folder, "empty"), "\n")
	writeFile(t, filepath.Join(folder, "long"), strings.Repeat("x", input.MaxSecret+1))
	c := newCLI(t).Console
	asked := ""
	c.Ask = func(_ context.Context, prompt string) (string, error) {
		asked = prompt
		return "typed", nil
	}
	tests := []struct {
		name   string
		source secretSource
		stdin  string
		want   string
		wrong  string
	}{
		{"stdin", secretSource{name: "secret", stdin: true}, "from stdin\n", "from stdin", ""},
		{"stdin keeps what is not the line's end", secretSource{stdin: true}, " a b \n", " a b ", ""},
		{"file", secretSource{name: "secret", file: filepath.Join(folder, "good")}, "", "from file", ""},
		{"prompt", secretSource{name: "secret"}, "", "typed", ""},
		{"both", secretSource{name: "secret", stdin: true, file: "x"}, "", "", "exclude each other"},
		{"nothing on stdin", secretSource{name: "secret", stdin: true}, "", "", "empty"},
		{"nothing in the file", secretSource{name: "secret", file: filepath.Join(folder, "empty")}, "", "", "empty"},
		{"too much", secretSource{name: "secret", file: filepath.Join(folder, "long")}, "", "", "more than"},
		{"no file", secretSource{name: "secret", file: filepath.Join(folder, "none")}, "", "", "no such file"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c.In = strings.NewReader(test.stdin)
			got, err := test.source.read(t.Context(), c, "Secret: ")
			if got != test.want || (err == nil) != (test.wrong == "") || err != nil && !strings.Contains(err.Error(), test.wrong) {
				t.Errorf("read %q, error %v", got, err)
			}
		})
	}
	if asked != "Secret: " {
		t.Errorf("asked %q", asked)
	}
	c.Ask = nil
	if _, err := (&secretSource{name: "secret"}).read(t.Context(), c, ""); err == nil || !strings.Contains(err.Error(), "--secret-stdin") {
		t.Errorf("without a terminal: error %v", err)
	}
}

func TestOutputJSON_IsOneDocument(t *testing.T) {
	s := newCLIWithStore(t)
	for _, args := range [][]string{
		{"directory", "list"},
		{"client", "list"},
		{"user", "list"},
		{"keys", "list"},
		{"user", "merge", "candidates"},
		{"version"},
		{"directory", "show", "default"},
	} {
		printed := s.run(t, append(args, "--output", "json")...)
		decoder := json.NewDecoder(strings.NewReader(printed))
		var value map[string]any
		if err := decoder.Decode(&value); err != nil || decoder.More() {
			t.Errorf("%v: %v\n%s", args, err, printed)
		}
		if list, isList := value["items"]; isList && list == nil {
			t.Errorf("%v: an empty list is null", args)
		}
	}
}
