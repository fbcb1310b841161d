package exampletest

import (
	"bytes"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/minifed/minifed/wechat"
	"github.com/minifed/minifed/wechat/wechattest"
)

// AppID and AppSecret are the mini-program that the simulator knows.
const (
	AppID     = "wxsimexample"
	AppSecret = "s1mul4ted"
)

// WeChat is a running simulator with one mini-program.
type WeChat struct {
	// API is the replacement of https://api.weixin.qq.com, and Control is the simulator's control API.
	API, Control string
	app          *wechattest.App
}

// StartWeChat starts the simulator.
func StartWeChat(t *testing.T) *WeChat {
	t.Helper()
	simulator := new(wechattest.Server)
	app, err := simulator.AddApp(wechat.App{ID: AppID, Secret: AppSecret})
	if err != nil {
		t.Fatal(err)
	}
	api, control := httptest.NewServer(simulator), httptest.NewServer(simulator.Control())
	t.Cleanup(api.Close)
	t.Cleanup(control.Close)
	return &WeChat{API: api.URL, Control: control.URL, app: app}
}

// SignedIn is the response to a mini-program's backend for a user.
type SignedIn struct {
	AccessToken string `json:"access_token"`
	Profile     struct {
		Subject string `json:"sub"`
	} `json:"profile"`
}

// Login returns a new login code of a user of the mini-program.
func (w *WeChat) Login(user string) string { return w.app.Login(user) }

// SignIn signs a user of the mini-program in, by the endpoint for mini-programs. scope may be empty, and profile is the "user"
// object as JSON.
func (w *WeChat) SignIn(t *testing.T, m *Minifed, client Client, user, scope, profile string) SignedIn {
	t.Helper()
	form := url.Values{"code": {w.app.Login(user)}, "user": {profile}}
	if scope != "" {
		form.Set("scope", scope)
	}
	request := Form(t, m.Issuer+"/federation/wechat/miniapp/profile", form)
	request.SetBasicAuth(url.QueryEscape(client.ID), url.QueryEscape(client.Secret))
	var answer SignedIn
	if err := json.Unmarshal(Do(t, request), &answer); err != nil || answer.Profile.Subject == "" {
		t.Fatalf("unexpected response of profile: %v", err)
	}
	return answer
}

// Scan reads the picture of a mini-program code as a phone does, and returns its scene.
func (w *WeChat) Scan(t *testing.T, picture []byte) string {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	file, err := form.CreateFormFile("picture", "picture.png")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = file.Write(picture) // To memory.
	_ = form.Close()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.Control+"/scan", &body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", form.FormDataContentType())
	return strings.TrimSpace(string(Do(t, request)))
}

// Form returns a POST request with a form.
func Form(t *testing.T, address string, form url.Values) *http.Request {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return request
}

// Do sends a request, requires status 200, and returns the body.
func Do(t *testing.T, request *http.Request) []byte {
	t.Helper()
	response, err := new(http.Client).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s %s %v", request.Method, request.URL.Path, response.Status, body, err)
	}
	return body
}
