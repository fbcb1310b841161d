package upgradetest

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/audit/audittest"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/server"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat"
)

// deployment is a server of this version on the store, and what its clients hold.
type deployment struct {
	*testing.T
	known   map[string]string
	now     time.Time
	engine  storage.Engine
	handler http.Handler
}

func newDeployment(t *testing.T, engine storage.Engine) *deployment {
	t.Helper()
	d := &deployment{T: t, known: known(t), now: Now(t), engine: engine}
	api := httptest.NewServer(http.HandlerFunc(fakeWeChat))
	t.Cleanup(api.Close)
	calls, err := wechat.New(wechat.Config{BaseURL: api.URL, Proxy: func(*http.Request) (*url.URL, error) { return nil, nil }})
	check(t, err)
	t.Cleanup(calls.CloseIdleConnections)
	master, err := keys.ParseMaster(MasterKey(t), rand.Reader)
	check(t, err)
	check(t, keys.CheckMaster(t.Context(), engine, master))
	now, logger := func() time.Time { return d.now }, slog.New(slog.DiscardHandler)
	config := keys.Config{Engine: engine, Master: master, Now: now, Random: rand.Reader, Logger: logger}
	ring, err := keys.NewRing(config)
	check(t, err)
	secrets, err := keys.NewSecrets(config)
	check(t, err)
	check(t, ring.Load(t.Context()))
	check(t, secrets.Load(t.Context()))
	d.handler, err = server.New(server.Config{
		PublicURL: PublicURL, DefaultDirectory: "default", Engine: engine, Audit: audittest.New(t, engine, now), Keys: ring, Secrets: secrets, Master: master, WeChat: calls,
		Now: now, Rand: rand.Reader, Logger: logger,
	})
	check(t, err)
	return d
}

// value returns something that a client holds.
func (d *deployment) value(name string) string {
	d.Helper()
	value := d.known[name]
	if value == "" {
		d.Fatalf("nothing is known as %q", name)
	}
	return value
}

// apiResponse is an HTTP response with its JSON.
type apiResponse struct {
	status   int
	location *url.URL
	body     map[string]any
	raw      string
}

func (a apiResponse) text(member string) string { text, _ := a.body[member].(string); return text }

func (d *deployment) send(request *http.Request) apiResponse {
	d.Helper()
	recorder := httptest.NewRecorder()
	d.handler.ServeHTTP(recorder, request)
	response := recorder.Result()
	raw, err := io.ReadAll(response.Body)
	check(d, err)
	a := apiResponse{status: response.StatusCode, raw: string(raw)}
	a.location, _ = response.Location()
	_ = json.Unmarshal(raw, &a.body)
	return a
}

// post sends a form as a client, with the secret that it has.
func (d *deployment) post(client, address string, form url.Values) apiResponse {
	d.Helper()
	secret := d.known["secret of "+client]
	if secret == "" && !form.Has("client_assertion") {
		form.Set("client_id", client)
	}
	request := httptest.NewRequestWithContext(d.Context(), http.MethodPost, address, strings.NewReader(form.Encode()))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if secret != "" {
		request.SetBasicAuth(url.QueryEscape(client), url.QueryEscape(secret))
	}
	return d.send(request)
}

// authorize sends an authorization request from the browser of a user.
func (d *deployment) authorize(user, issuer string, parameters url.Values) apiResponse {
	d.Helper()
	request := httptest.NewRequestWithContext(d.Context(), http.MethodGet, issuer+"/oauth2/authorize?"+parameters.Encode(), nil)
	var cookies map[string]string
	check(d, json.Unmarshal([]byte(d.value("cookies of "+user)), &cookies))
	for name, value := range cookies {
		request.Header.Add("Cookie", name+"="+value)
	}
	return d.send(request)
}

// claims reads the claims of a JWT without verifying it.
func (d *deployment) claims(token string) map[string]any {
	d.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		d.Fatalf("not a JWT: %q", token)
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	check(d, err)
	var all map[string]any
	check(d, json.Unmarshal(payload, &all))
	return all
}
