package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/minifed/minifed/cmd/minifed/porttest"
)

// quickStart is docs/miniprogram.md as a reader follows it: the built programs, in an empty folder, on ports of the test.
type quickStart struct {
	folder      string
	environment []string
	ports       *strings.Replacer
	// simulator has the flags that move the simulator to the ports of the test.
	simulator []string
}

// codeBlock is a block of a document.
type codeBlock struct{ language, text string }

func codeBlocks(text string) (found []codeBlock) {
	for _, block := range regexp.MustCompile("(?ms)^ *```(\\w*)\n(.*?)^ *```$").FindAllStringSubmatch(text, -1) {
		found = append(found, codeBlock{block[1], block[2]})
	}
	return found
}

// TestQuickStart_CommandsReturnWhatThePageShows runs every shell block of docs/miniprogram.md in order. A JSON block after a shell
// block has the members of the last response of that block.
func TestQuickStart_CommandsReturnWhatThePageShows(t *testing.T) {
	blocks := codeBlocks(pages(t)["docs/miniprogram.md"])
	if len(blocks) < 15 {
		t.Fatalf("only %d blocks were found", len(blocks))
	}
	reader := newQuickStart(t)
	reader.start(t, blocks[0].text)
	script, shown := "set -eu\n", map[int]string{}
	for i, block := range blocks[1:] {
		switch block.language {
		case "sh":
			script += fmt.Sprintf("echo\necho '--- %d'\n%s", i, block.text)
		case "json":
			shown[i-1] = block.text
		}
	}
	printed := reader.run(t, script)
	if len(shown) < 7 {
		t.Errorf("only %d responses were found", len(shown))
	}
	for i, response := range shown {
		_, after, _ := strings.Cut(printed, fmt.Sprintf("\n--- %d\n", i))
		after, _, _ = strings.Cut(after, "\n--- ")
		got, want := lastResponse(t, after), lastResponse(t, strings.Join(strings.Fields(response), " "))
		if g, w := members(got), members(want); !slices.Equal(g, w) {
			t.Errorf("block %d returns the members %v, and the page shows %v", i, g, w)
		}
		for _, name := range []string{"error", "reason", "error_description", "scope"} {
			if got[name] != want[name] {
				t.Errorf("block %d returns %s %q, and the page shows %q", i, name, got[name], want[name])
			}
		}
	}
}

func newQuickStart(t *testing.T) *quickStart {
	t.Helper()
	api, control, public, admin := porttest.Address(t), porttest.Address(t), porttest.Address(t), porttest.Address(t)
	buildProgram(t, "../wechatsim")
	binaries := filepath.Dir(buildProgram(t, "."))
	return &quickStart{
		folder: t.TempDir(),
		environment: append(os.Environ(), "PATH="+binaries+string(os.PathListSeparator)+os.Getenv("PATH"),
			"MINIFED_PUBLIC_URL=http://"+public, "MINIFED_LISTEN_ADDRESS="+public, "MINIFED_LISTEN_ADMIN_ADDRESS="+admin,
			"MINIFED_LISTEN_DRAIN_DELAY=0s", "NO_PROXY=127.0.0.1"),
		ports:     strings.NewReplacer("127.0.0.1:8091", control, "127.0.0.1:8090", api, "localhost:8080", public),
		simulator: []string{"-listen", api, "-control", control},
	}
}

// start runs the block that starts the simulator and the server, each line as a program of its own.
func (q *quickStart) start(t *testing.T, block string) {
	t.Helper()
	for line := range strings.Lines(q.ports.Replace(block)) {
		words := splitShell(strings.TrimSuffix(strings.TrimSpace(line), " &"))
		switch words[0] {
		case "export":
			q.environment = append(q.environment, words[1])
		case "wechatsim":
			startProgram(t, q.environment, q.shell(append(words, q.simulator...))...).line(t, "control")
		case "minifed":
			startProgram(t, q.environment, q.shell(words)...).line(t, "msg=serving")
		default:
			t.Fatalf("an unknown program: %q", line)
		}
	}
}

// shell returns a command that runs a program of the reader's PATH in the reader's folder.
func (q *quickStart) shell(words []string) []string {
	return append([]string{"sh", "-c", `cd "$0" && PATH="$1" && shift && exec "$@"`, q.folder, q.variable("PATH")}, words...)
}

func (q *quickStart) variable(name string) (value string) {
	for _, each := range q.environment {
		if assigned, ok := strings.CutPrefix(each, name+"="); ok {
			value = assigned
		}
	}
	return value
}

func (q *quickStart) run(t *testing.T, script string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "bash", "-c", q.ports.Replace(script))
	command.Dir, command.Env, command.Stderr = q.folder, q.environment, os.Stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// lastResponse returns the last JSON object, which is on a line of its own.
func lastResponse(t *testing.T, printed string) map[string]any {
	t.Helper()
	var last map[string]any
	for line := range strings.Lines(printed) {
		if strings.HasPrefix(line, "{") {
			last = nil
			if err := json.Unmarshal([]byte(line), &last); err != nil {
				t.Fatalf("%v: %s", err, line)
			}
		}
	}
	return last
}

// members returns the names of the members, those of nested objects with their path.
func members(object map[string]any) (names []string) {
	for _, name := range slices.Sorted(maps.Keys(object)) {
		names = append(names, name)
		if nested, ok := object[name].(map[string]any); ok {
			for _, each := range members(nested) {
				names = append(names, name+"."+each)
			}
		}
	}
	return names
}
