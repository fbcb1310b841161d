package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat"
	"github.com/minifed/minifed/wechat/wechattest"
)

// programClient is a program that uses the admin API of a running server.
type programClient struct {
	t     *testing.T
	url   string
	token string
}

// addServiceClient stores a service client of the admin API, whose secret is "secret".
func (s *cliHarness) addServiceClient(t *testing.T, id string, assignments ...storage.Assignment) {
	t.Helper()
	sum := sha256.Sum256([]byte("secret"))
	s.withStore(t, func(ctx context.Context, engine storage.Engine) error {
		directory, err := storage.Get[storage.Directory](ctx, engine, storage.OperatorsDirectory)
		if err != nil {
			return err
		}
		_, err = storage.Insert(ctx, engine, storage.Client{
			Directory: storage.OperatorsDirectory, DirectoryIncarnation: directory.Record.Incarnation, ID: id, Kind: storage.ClientService, Incarnation: "i",
			Secrets: []string{"sha256:" + base64.RawURLEncoding.EncodeToString(sum[:])}, GrantTypes: []string{"client_credentials"}, IDTokenAlgorithm: "ES256",
			Assignments: assignments, ExpiresAt: time.Now().Add(time.Hour), CreatedAt: time.Now(),
		})
		return err
	})
}

// form posts a form with the client's credential, and returns the JSON of the response.
func form(t *testing.T, address, id, secret string, values url.Values) map[string]any {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(values.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(id, secret)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return decode(t, string(body))
}

// send sends a request and returns the status and the JSON of the response.
func (c *programClient) send(method, path string, body any) (int, map[string]any) {
	c.t.Helper()
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			c.t.Fatal(err)
		}
	}
	request, err := http.NewRequestWithContext(c.t.Context(), method, c.url+"/admin/v1"+path, bytes.NewReader(text))
	if err != nil {
		c.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		c.t.Fatal(err)
	}
	content, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		c.t.Fatal(err)
	}
	members := map[string]any{}
	if len(content) > 0 {
		members = decode(c.t, string(content))
	}
	return response.StatusCode, members
}

func TestAdminAPI_FromServiceClientToUser(t *testing.T) {
	simulator := new(wechattest.Server)
	app, err := simulator.AddApp(wechat.App{ID: "wxsim0000000000000001"})
	if err != nil {
		t.Fatal(err)
	}
	weChat := httptest.NewServer(simulator)
	t.Cleanup(weChat.Close)
	server := newCLIWithStore(t).startServer(t, "MINIFED_WECHAT_BASE_URL="+weChat.URL)
	server.addServiceClient(t, "ci", storage.Assignment{Directory: storage.Everywhere, Role: "owner"})
	tokens := form(t, server.adminURL+"/oauth2/token", "ci", "secret", url.Values{
		"grant_type": {"client_credentials"}, "resource": {server.adminURL + "/admin/v1"},
	})
	token, _ := tokens["access_token"].(string)
	program := &programClient{t, server.adminURL, token}
	if status, _ := (&programClient{t, server.adminURL, "none"}).send(http.MethodGet, "/directories", nil); status != http.StatusUnauthorized {
		t.Errorf("a wrong token: status %d", status)
	}

	// 1. A mini-program, tested at WeChat.
	status, created := program.send(http.MethodPost, "/directories/default/clients", map[string]any{
		"kind": "wechat_miniapp", "id": "shop", "federation": map[string]any{"app_id": "wxsim0000000000000001"}, "app_secret": string(app.Credential().Secret),
	})
	if status != http.StatusCreated {
		t.Fatalf("client: %d %v, token response %v", status, created, tokens)
	}
	if status, result := program.send(http.MethodPost, "/directories/default/clients/shop/test", nil); status != http.StatusOK || result["valid"] != true {
		t.Errorf("test: %d %v", status, result)
	}

	// 2. A login of it.
	secret, _ := created["secret"].(string)
	login := form(t, server.url+"/oauth2/token", "shop", secret, url.Values{
		"grant_type":         {"urn:ietf:params:oauth:grant-type:token-exchange"},
		"subject_token_type": {"urn:minifed:params:oauth:token-type:wechat-miniapp-code"}, "subject_token": {app.Login("alice")},
	})
	refresh, _ := login["refresh_token"].(string)
	if refresh == "" {
		t.Fatalf("login: %v", login)
	}
	openID := string(app.OpenID("alice"))

	// 3. The user: found by OpenID, with the grant, and disabled.
	_, found := program.send(http.MethodPost, "/directories/default/users/search", map[string]any{"open_id": openID})
	items, _ := found["items"].([]any)
	if len(items) != 1 {
		t.Fatalf("search: %v", found)
	}
	id, _ := items[0].(map[string]any)["id"].(string)
	if _, grants := program.send(http.MethodGet, "/directories/default/users/"+id+"/grants", nil); !strings.Contains(toJSON(t, grants), `"active"`) {
		t.Errorf("grants: %v", grants)
	}
	if status, user := program.send(http.MethodPost, "/directories/default/users/"+id+"/disable", nil); status != http.StatusOK || user["status"] != "disabled" {
		t.Errorf("disable: %d %v", status, user)
	}
	refreshed := form(t, server.url+"/oauth2/token", "shop", secret, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}})
	if refreshed["error"] == nil {
		t.Errorf("a disabled user refreshes: %v", refreshed)
	}

	// 4. A token of another issuer is worth nothing here.
	if _, exchanged := program.send(http.MethodGet, "/directories", nil); exchanged["items"] == nil {
		t.Errorf("directories: %v", exchanged)
	}
	foreign, _ := login["access_token"].(string)
	if status, _ := (&programClient{t, server.adminURL, foreign}).send(http.MethodGet, "/directories", nil); status != http.StatusUnauthorized {
		t.Errorf("a token of the directory: status %d", status)
	}
	if logs := server.err.String(); strings.Contains(logs, token) || strings.Contains(logs, openID) {
		t.Error("the log has a token or an OpenID")
	}
}

func toJSON(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
