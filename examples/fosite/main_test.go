package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/wechat"
	"github.com/minifed/minifed/wechat/wechattest"
)

func TestREADME_ShowsThisProgram(t *testing.T) {
	program, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"../../README.md", "../../README.zh-CN.md"} {
		readme, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(readme), "```go\n"+string(program)+"```\n") {
			t.Errorf("the program in %s differs from main.go", name)
		}
	}
}

func TestTokenEndpoint_ExchangesCodes(t *testing.T) {
	simulator := new(wechattest.Server)
	app, err := simulator.AddApp(wechat.App{ID: "wxsim0000000000000001", Secret: "secret of the mini-program"})
	if err != nil {
		t.Fatal(err)
	}
	api := httptest.NewServer(simulator)
	defer api.Close()
	endpoint, err := newTokenEndpoint(app.Credential(), wechat.Config{BaseURL: api.URL}, []byte("client secret"))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(endpoint)
	defer server.Close()

	form := url.Values{
		"grant_type":         {grants.GrantType},
		"subject_token":      {app.Login("alice")},
		"subject_token_type": {grants.SubjectTokenType},
		"scope":              {"openid offline_access"},
	}
	for _, grant := range []string{"token exchange", "refresh token"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.SetBasicAuth("shop", url.QueryEscape("client secret"))
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		var body map[string]any
		err = json.NewDecoder(response.Body).Decode(&body)
		if closed := response.Body.Close(); err != nil || closed != nil || response.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %v, %v, %v", grant, response.StatusCode, body, err, closed)
		}
		refresh, ok := body["refresh_token"].(string)
		if body["id_token"] == nil || !ok {
			t.Fatalf("%s: %v", grant, body)
		}
		form = url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}}
	}
}
