package logout

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

func TestLogoutPage_NamesClientAndUser(t *testing.T) {
	browsers := endpoint.BrowserIDs{Random: rand.Reader, Now: time.Now}
	p, err := page.New(page.CSRF{Secrets: noSecrets{}, Browsers: browsers}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	issuer := &oauth2.Issuer{Directory: storage.Directory{ID: "default", Name: "Default"}, URL: "https://id.example"}
	show := func(client *storage.Client) string {
		r := &endpoint.Request{Request: httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/oauth2/logout", nil), ID: "request", Issuer: issuer}
		w := httptest.NewRecorder()
		wanda := storage.User{Username: "wanda"}
		if err := confirmLogout(p, w, r, client, wanda, []string{"zh-CN"}); err != nil {
			t.Fatal(err)
		}
		if policy := w.Header().Get("Content-Security-Policy"); strings.Contains(policy, "form-action") {
			t.Errorf("%s", policy)
		}
		return w.Body.String()
	}
	full := show(&storage.Client{ID: "shop", Name: "Tea & Co"})
	for _, want := range []string{
		`<html lang="zh-CN">`, "<bdi>Tea &amp; Co</bdi>", "<bdi>wanda</bdi>", `id="logout" name="decision" value="logout"`, `name="everywhere"`, `name="csrf"`,
	} {
		if !strings.Contains(full, want) {
			t.Errorf("no %s in\n%s", want, full)
		}
	}
	if bare := show(nil); strings.Contains(bare, "<bdi>Tea") || !strings.Contains(bare, "<bdi>wanda</bdi>") {
		t.Errorf("%s", bare)
	}
}

// noSecrets returns the same MAC for all inputs.
type noSecrets struct{}

func (noSecrets) Generation(context.Context, string) (current, previous uint32, err error) {
	return 1, 1, nil
}

func (noSecrets) MAC(context.Context, string, uint32, string, []byte) ([]byte, error) {
	return make([]byte, 32), nil
}
