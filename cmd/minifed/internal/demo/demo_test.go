package demo

import (
	"bytes"
	"crypto/rand"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/cmd/minifed/internal/console"
	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/server/admin"
)

func TestStart_UsesFreePorts(t *testing.T) {
	start(t)
	second, printed := start(t)
	if err := second.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(printed.String(), "Port 8093 is in use by another program") || !strings.Contains(printed.String(), second.page) {
		t.Errorf("printed %s", printed)
	}
}

func TestRun_FailsWhenAStepFails(t *testing.T) {
	d, printed := start(t)
	blocked, err := http.Post(d.control+"/block?appid=wxsimshop&user=alice", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	blocked.Body.Close()
	if err := d.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "step 2 failed") || !strings.Contains(printed.String(), "✗") {
		t.Errorf("error %v", err)
	}
}

func TestSteps_CommandsWorkAtAnyTime(t *testing.T) {
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath("curl"); err != nil {
		t.Fatal("the commands that the demo prints need curl: ", err)
	}
	d, out := start(t)
	if err := d.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	printed := out.String()
	for i, step := range d.steps() {
		t.Run(strconv.Itoa(i+1)+" "+string(step.title), func(t *testing.T) {
			snippet := step.request.shell(d, "")
			if !strings.Contains(printed, indent(snippet, "     ")) {
				t.Error("this is not what was printed")
			}
			for range 2 {
				// Pasted with the spaces that the demo puts in front.
				command := exec.CommandContext(t.Context(), shell, "-c", indent(snippet, "     "))
				command.Env = append(os.Environ(), "http_proxy=http://127.0.0.1:9", "no_proxy=") // a dead proxy
				body, err := command.Output()
				if err != nil {
					t.Fatalf("%v\n%s", err, snippet)
				}
				if _, err := step.check(t.Context(), body); err != nil {
					t.Errorf("%v\n%s", err, snippet)
				}
			}
		})
	}
}

func TestRelyingParty_AcceptsOnlyItsAccessTokens(t *testing.T) {
	d, _ := start(t)
	idToken := member{d.exchange(parameter{"audience", text("orders")}), "id_token"}
	foreign := member{d.exchange(), "access_token"}
	for name, bearer := range map[string]value{"none": nil, "no token": text("x"), "an ID token": idToken, "of another audience": foreign} {
		status, body, err := request{method: http.MethodGet, url: d.party, bearer: bearer}.send(t.Context(), d)
		if err != nil || status != http.StatusUnauthorized {
			t.Errorf("%s: %d %s, error %v", name, status, body, err)
		}
	}
}

// start starts a demonstration, and stops it when the test ends. It returns the demonstration and its output.
func start(t *testing.T) (*Demo, *bytes.Buffer) {
	t.Helper()
	printed := new(bytes.Buffer)
	c := &console.Console{In: strings.NewReader(""), Out: printed, Err: io.Discard, Now: time.Now, Random: rand.Reader, Path: "minifed", Texts: locale.In(locale.English)}
	d, err := Start(t.Context(), c, "", func(admin.Person) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Stop(); err != nil {
			t.Error(err)
		}
	})
	return d, printed
}
