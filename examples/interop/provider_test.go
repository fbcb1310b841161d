//go:build interop

package interop

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/minifed/minifed/cmd/minifed/porttest"
	"github.com/minifed/minifed/examples/exampletest"
)

// bareUser is a user of WeChat without a name and an e-mail address, who signs in by a scan.
const bareUser = "bare"

// provider is minifed with the simulator as WeChat, and two users.
type provider struct {
	minifed     *exampletest.Minifed
	wechat      *exampletest.WeChat
	miniProgram exampletest.Client
	metrics     string
	// secure is the address of a proxy in front of minifed with a certificate that no program trusts.
	secure                   string
	fullSubject, bareSubject string
}

func startProvider(t *testing.T) *provider {
	t.Helper()
	admin := porttest.Address(t)
	p := &provider{wechat: exampletest.StartWeChat(t), metrics: "http://" + admin + "/metrics"}
	p.minifed = exampletest.StartMinifed(t, p.wechat.API, "MINIFED_LISTEN_ADMIN_ADDRESS="+admin)
	p.miniProgram = p.minifed.CreateClient(t, exampletest.AppSecret, "--kind", "wechat_miniapp", "--id", "shop", "--app-id", exampletest.AppID,
		"--app-secret-stdin", "--starts-sessions")
	p.minifed.CLI(t, "", "directory", "update", "default", "--scan-mini-program", p.miniProgram.ID, "--scan-page", "pages/scan/scan",
		"--sign-in-method", "scan", "--sign-in-method", "password")
	var created struct {
		ID string `json:"id"`
	}
	out := p.minifed.CLI(t, password, "user", "create", username, "--name", fullName, "--email", email, "--password-stdin", "--output", "json")
	if err := json.Unmarshal(out, &created); err != nil || created.ID == "" {
		t.Fatalf("user create printed %s", out)
	}
	p.fullSubject = created.ID
	target, err := url.Parse(p.minifed.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewTLSServer(httputil.NewSingleHostReverseProxy(target))
	t.Cleanup(proxy.Close)
	p.secure = proxy.URL
	p.bareSubject = p.wechat.SignIn(t, p.minifed, p.miniProgram, bareUser, "", "").Profile.Subject
	return p
}

// refreshes returns how many refreshes were successful.
func (p *provider) refreshes(t *testing.T) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.metrics, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, line := range regexp.MustCompile(`(?m)^minifed_requests_total\{.*\} .*$`).FindAllString(string(exampletest.Do(t, request)), -1) {
		if strings.Contains(line, `grant="refresh_token"`) && strings.Contains(line, `status="200"`) {
			count, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64)
			if err != nil {
				t.Fatal(err)
			}
			total += int(count)
		}
	}
	return total
}

// output returns what a command prints.
func output(t *testing.T, folder string, command ...string) string {
	t.Helper()
	program := exec.CommandContext(t.Context(), command[0], command[1:]...)
	program.Dir = folder
	out, err := program.CombinedOutput()
	if err != nil {
		const longest = 4000
		t.Fatalf("%s: %v\n%s", strings.Join(command, " "), err, out[max(0, len(out)-longest):])
	}
	return string(out)
}
