package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/minifed/minifed/cmd/minifed/internal/demo"
)

func TestDemoOnce_CompletesAllSteps(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	printed := newCLI(t).run(t, "demo", "--once")
	steps := regexp.MustCompile(`(?m)^(\d+)\. `).FindAllStringSubmatch(printed, -1)
	for i, step := range steps {
		if step[1] != strconv.Itoa(i+1) {
			t.Errorf("step %d is numbered %s", i+1, step[1])
		}
	}
	if len(steps) != 19 || strings.Count(printed, "✓") != len(steps) || strings.Count(printed, "curl -sS --noproxy '*'") < 11 {
		t.Errorf("%d steps, %d succeeded", len(steps), strings.Count(printed, "✓"))
	}
	for _, want := range []string{"go-oidc", `amr          ["wechat_miniapp"]`, "registration_required", "Alice in Shanghai", "wechat_openid wxsimshop", "wechat_unionid acme", `["wechat_scan"]`, `["wechat_link"]`, "number_wrong", "scene_used", "All 19 steps succeeded"} {
		if !strings.Contains(printed, want) {
			t.Errorf("printed without %q", want)
		}
	}
	if regexp.MustCompile(`eyJ[\w-]+\.[\w-]+\.`).MatchString(printed) {
		t.Error("a whole token is printed")
	}
	left, err := os.ReadDir(os.Getenv("TMPDIR"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestREADME_ShowsStepsOfTheDemo compares the steps that README shows with the demo's output, without the values that each run has.
func TestREADME_ShowsStepsOfTheDemo(t *testing.T) {
	printed := withoutDemoValues(newCLI(t).run(t, "demo", "--once"))
	for _, file := range []string{"../../README.md", "../../README.zh-CN.md"} {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, number := range []string{"2. ", "15. "} {
			_, shown, found := strings.Cut(string(content), "```\n"+number)
			shown, _, closed := strings.Cut(number+shown, "```")
			if !found || !closed {
				t.Fatalf("%s does not show step %s of the demo", file, number)
			}
			if step := withoutDemoValues(shown); !strings.Contains(printed, "\n"+step) {
				t.Errorf("%s shows\n%s\nthe demo prints\n%s", file, step, printed)
			}
		}
	}
}

// withoutDemoValues replaces the client secrets, ports and tokens of a run.
func withoutDemoValues(text string) string {
	text = regexp.MustCompile(`-u (\w+):\S+`).ReplaceAllString(text, "-u $1:SECRET")
	text = regexp.MustCompile(`sub  [a-z2-7]{26}`).ReplaceAllString(text, "sub  SUB")
	text = regexp.MustCompile(`127\.0\.0\.1:\d+`).ReplaceAllString(text, "127.0.0.1:PORT")
	return regexp.MustCompile(`(eyJ|mf_rt_)\S+…\S+ \(\d+ characters\)`).ReplaceAllString(text, "$1…")
}

func TestDemo_UsesTheNamedStoreAndTheLanguageOfTheEnvironment(t *testing.T) {
	store := "sqlite:" + filepath.Join(t.TempDir(), "demo.db")
	s := newCLI(t)
	s.run(t, "demo", "--once", "--store", store)
	printed := s.with("LANG=zh_CN.UTF-8").run(t, "demo", "--once", "--store", store)
	for _, want := range []string{"/d/demo-2", "19 个步骤全部成功", "手机上输入的数字不符"} {
		if !strings.Contains(printed, want) {
			t.Errorf("the second time, in Chinese, without %q:\n%s", want, printed)
		}
	}
	users := s.with("MINIFED_STORAGE_URI="+store, "MINIFED_KEYS_MASTER_KEY="+demo.MasterKey()).run(t, "user", "list", "--directory", "demo")
	if !strings.Contains(users, "Alice in Shanghai") {
		t.Errorf("users: %s", users)
	}
	real := newCLIWithStore(t)
	real.mustFail(t, exitFailed, []string{"this is not the store's master key"}, "demo", "--once", "--store", "sqlite:"+filepath.Join(real.folder, "minifed.db"))
}

func TestBinary(t *testing.T) {
	binary := buildProgram(t, ".")
	t.Run("demo --once ends with 0", func(t *testing.T) {
		command := exec.CommandContext(t.Context(), binary, "demo", "--once")
		command.Dir = t.TempDir()
		if out, err := command.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
	t.Run("demo cleans up when its reader goes away", func(t *testing.T) {
		folder := t.TempDir()
		command := exec.CommandContext(t.Context(), "sh", "-c", `"$0" demo | head -n 1`, binary)
		command.Env = append(os.Environ(), "TMPDIR="+folder)
		if out, err := command.Output(); err != nil || !bytes.HasPrefix(out, []byte("minifed demo")) {
			t.Errorf("%v\n%s", err, out)
		}
		if left, err := os.ReadDir(folder); err != nil || len(left) != 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	})
	t.Run("a usage error ends with 2", func(t *testing.T) {
		var exit *exec.ExitError
		if err := exec.CommandContext(t.Context(), binary, "nonsense").Run(); !errors.As(err, &exit) || exit.ExitCode() != exitUsage {
			t.Errorf("error %v", err)
		}
	})
	t.Run("serve starts unedited and ends with 0 on SIGTERM", func(t *testing.T) {
		command := exec.CommandContext(t.Context(), binary, "serve", "--config", mustAbs(t, shippedConfig))
		command.Dir = t.TempDir()
		command.Env = append(os.Environ(), "MINIFED_LISTEN_ADDRESS=127.0.0.1:0", "MINIFED_LISTEN_ADMIN_ADDRESS=off")
		logs := newOutputBuffer()
		command.Stderr = logs
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		waitFor(t, logs, "msg=serving")
		if err := command.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := command.Wait(); err != nil {
			t.Errorf("%v\n%s", err, logs)
		}
	})
	t.Run("demo stays up until it is told to stop, and lets the operator in", func(t *testing.T) {
		command := exec.CommandContext(t.Context(), binary, "demo")
		folder := t.TempDir()
		command.Env = append(os.Environ(), "TMPDIR="+folder)
		printed := newOutputBuffer()
		command.Stdout = printed
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		waitFor(t, printed, "client create --kind")
		snippet := regexp.MustCompile(`(?m)^  (MINIFED_DATA_DIR=.*)$`).FindStringSubmatch(printed.String())
		if snippet == nil {
			t.Fatalf("no command for the operator in\n%s", printed)
		}
		users, err := exec.CommandContext(t.Context(), "sh", "-c", snippet[1]).CombinedOutput()
		if err != nil || !bytes.Contains(users, []byte("Alice in Shanghai")) {
			t.Errorf("%s: %v\n%s", snippet[1], err, users)
		}
		if err := command.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		if err := command.Wait(); err != nil {
			t.Errorf("%v\n%s", err, printed)
		}
		if left, err := os.ReadDir(folder); err != nil || len(left) != 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	})
}

func mustAbs(t *testing.T, path string) string {
	t.Helper()
	absolute, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return absolute
}
