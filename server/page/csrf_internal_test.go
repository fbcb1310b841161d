package page

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// zeroReader reads zeros instead of random bytes.
type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestCSRF_UnknownGenerationIsForged(t *testing.T) {
	browsers := endpoint.BrowserIDs{Random: zeroReader{}, Now: time.Now}
	guard := CSRF{oneGeneration{}, browsers}
	issuer := &oauth2.Issuer{Directory: storage.Directory{ID: "default"}, URL: "https://id.example"}
	request := func(form url.Values) *endpoint.Request {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/login", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", endpoint.FormMediaType)
		r.AddCookie(&http.Cookie{Name: "__Host-mf-default.browser", Value: strings.Repeat("A", 43)})
		return &endpoint.Request{Request: r, ID: "request", Issuer: issuer}
	}
	token, err := guard.token(httptest.NewRecorder(), request(nil))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := guard.ReadForm(request(url.Values{"csrf": {token}})); err != nil {
		t.Errorf("a valid form: %v", err)
	}
	for name, bad := range map[string]string{"another generation": "AAAAAg" + token[6:], "another MAC": token[:len(token)-4] + "AAAA", "none": ""} {
		_, err := guard.ReadForm(request(url.Values{"csrf": {bad}}))
		if problem, ok := errors.AsType[*grants.Error](err); !ok || problem.Reason != reasonCSRF {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// oneGeneration derives MACs from their inputs only; only generation 1 is known.
type oneGeneration struct{}

func (oneGeneration) Generation(context.Context, string) (current, previous uint32, err error) {
	return 1, 1, nil
}

func (oneGeneration) MAC(_ context.Context, directory string, generation uint32, purpose string, message []byte) ([]byte, error) {
	if generation != 1 {
		return nil, storage.ErrNotFound
	}
	mac := hmac.New(sha256.New, fmt.Appendf(nil, "%s/%d/%s", directory, generation, purpose))
	mac.Write(message)
	return mac.Sum(nil), nil
}
