package wechattest

import (
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/minifed/minifed/wechat"
)

// The paths of the pages where users sign in, and of the decision that the simulator adds.
const (
	websitePage         = "/connect/qrconnect"
	officialAccountPage = "/connect/oauth2/authorize"
	decisionPage        = "/connect/decision"
)

// signIn is a request to a sign-in page after it was checked.
type signIn struct {
	app      *App
	scope    string
	redirect *url.URL
	state    string
}

var (
	errParameters = errors.New("wechattest: parameters are missing, in the wrong order or malformed")
	errAppID      = errors.New("wechattest: no such appid")
	errScope      = errors.New("wechattest: 10005: the app does not have this scope")
	errCallback   = errors.New("wechattest: 10003: redirect_uri is not at the app's callback domain")
)

// parseSignIn checks the query of a sign-in page. WeChat compares the order and case of the parameters of official accounts with a
// pattern.
func (s *Server) parseSignIn(path, query string) (*signIn, error) {
	if path == officialAccountPage && !inOrder().MatchString(query) {
		return nil, errParameters
	}
	q, err := url.ParseQuery(query)
	if err != nil || q.Get("response_type") != "code" || !stateForm().MatchString(q.Get("state")) {
		return nil, errParameters
	}
	redirect, err := url.Parse(q.Get("redirect_uri"))
	if err != nil || redirect.Scheme != "http" && redirect.Scheme != "https" || redirect.Host == "" || redirect.Fragment != "" {
		return nil, errParameters
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	app := s.apps[wechat.AppID(q.Get("appid"))]
	if app == nil {
		return nil, errAppID
	}
	scope := strings.TrimSuffix(q.Get("scope"), ",")
	if !slices.Contains(scopesOf(path, app.kind), scope) {
		return nil, errScope
	}
	if app.callbackHost != "" && redirect.Hostname() != app.callbackHost {
		return nil, errCallback
	}
	return &signIn{app, scope, redirect, q.Get("state")}, nil
}

func inOrder() *regexp.Regexp {
	return regexp.MustCompile(`^appid=[^&]+&redirect_uri=[^&]+&response_type=code&scope=[^&]+&state=[^&]*(&forcePopup=[^&]*)?(&forceSnapShot=[^&]*)?$`)
}

func stateForm() *regexp.Regexp { return regexp.MustCompile(`^[a-zA-Z0-9]{0,128}$`) }

func scopesOf(path string, kind Kind) []string {
	switch {
	case path == websitePage && kind == Website:
		return []string{scopeLogin}
	case path == officialAccountPage && kind == OfficialAccount:
		return []string{scopeUserInfo, scopeBase}
	default:
		return nil
	}
}

// back returns the address that the browser goes back to with a code; empty for no code.
func (in *signIn) back(code string) string {
	to := *in.redirect
	query := to.Query()
	if code != "" {
		query.Set("code", code)
	}
	query.Set("state", in.state)
	to.RawQuery = query.Encode()
	return to.String()
}

// Approve is the user's approval at the sign-in page of address. It returns the address that WeChat sends the browser back to.
func (s *Server) Approve(address, user string) (string, error) {
	return s.decide(address, user)
}

// Decline declines at the sign-in page of address. The result is empty if WeChat sends the browser nowhere.
func (s *Server) Decline(address string) (string, error) {
	return s.decide(address, "")
}

func (s *Server) decide(address, user string) (string, error) {
	s.init()
	parsed, err := url.Parse(address)
	if err != nil {
		return "", errParameters
	}
	asked, err := s.parseSignIn(parsed.Path, parsed.RawQuery)
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch odd := asked.app.oddities; {
	case user != "":
		return asked.back(asked.app.webCode(user, asked.scope)), nil
	case odd.DenyCode:
		return asked.back("authdeny"), nil
	case odd.RedirectDeclined:
		return asked.back(""), nil
	default:
		return "", nil
	}
}

// servePage serves the pages that browsers see at WeChat.
func (s *Server) servePage(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == decisionPage {
		s.serveDecision(w, r)
		return
	}
	asked, err := s.parseSignIn(r.URL.Path, r.URL.RawQuery)
	switch {
	case r.URL.Path != websitePage && r.URL.Path != officialAccountPage:
		http.NotFound(w, r)
		return
	case err != nil:
		writePage(w, http.StatusBadRequest, pageData{Problem: err.Error()})
		return
	case r.URL.Path == officialAccountPage && !strings.Contains(r.UserAgent(), "MicroMessenger"):
		writePage(w, http.StatusOK, pageData{Problem: "请在微信客户端打开链接"})
		return
	}
	writePage(w, http.StatusOK, pageData{App: string(asked.app.id), Address: r.URL.Path + "?" + r.URL.RawQuery, People: s.knownUsers()})
}

// knownUsers are the users who were named before, in order.
func (s *Server) knownUsers() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := []string{}
	for user := range s.people {
		names = append(names, user)
	}
	for _, app := range s.apps {
		for _, user := range app.users {
			if !slices.Contains(names, user) {
				names = append(names, user)
			}
		}
	}
	slices.Sort(names)
	return names
}

// serveDecision sends the browser back as the person at the page decided.
func (s *Server) serveDecision(w http.ResponseWriter, r *http.Request) {
	address, user := r.FormValue("address"), r.FormValue("user")
	if r.FormValue("decline") != "" {
		user = ""
	}
	back, err := s.decide(address, user)
	switch {
	case err != nil:
		writePage(w, http.StatusBadRequest, pageData{Problem: err.Error()})
	case back == "":
		writePage(w, http.StatusOK, pageData{Problem: "You declined. WeChat sends the browser nowhere."})
	case s.repeatsCallback(address):
		writePage(w, http.StatusOK, pageData{Twice: back})
	default:
		http.Redirect(w, r, back, http.StatusFound)
	}
}

func (s *Server) repeatsCallback(address string) bool {
	parsed, err := url.Parse(address)
	if err != nil {
		return false
	}
	asked, err := s.parseSignIn(parsed.Path, parsed.RawQuery)
	if err != nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return asked.app.oddities.RepeatCallback
}

// pageData is what a page shows.
type pageData struct {
	Problem, App, Address string
	People                []string
	// Twice is an address that the browser opens twice.
	Twice string
}

func writePage(w http.ResponseWriter, status int, data pageData) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_ = pageTemplate().Execute(w, data) // the client may be gone
}

func pageTemplate() *template.Template {
	return template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>WeChat simulator</title>
<style>body{font:16px sans-serif;max-width:24rem;margin:3rem auto;padding:0 1rem}button{font:inherit;padding:.5rem 1rem;margin:.25rem 0;width:100%}input{font:inherit;padding:.5rem;width:100%;box-sizing:border-box}</style>
<h1>WeChat simulator</h1>
{{if .Twice}}<script>location.href={{.Twice}};setTimeout(function(){location.href={{.Twice}}},30)</script><p><a href="{{.Twice}}">Continue</a></p>
{{else if .Problem}}<p>{{.Problem}}</p>
{{else}}<p>Who signs in to {{.App}}? This page is a simulation: it authenticates no person.</p>
<form action="/connect/decision" method="post"><input type="hidden" name="address" value="{{.Address}}">
{{range .People}}<button name="user" value="{{.}}">{{.}}</button>{{end}}</form>
<form action="/connect/decision" method="post"><input type="hidden" name="address" value="{{.Address}}">
<p><label>Another person <input name="user" required pattern=".*\S.*"></label></p><button>Sign in</button></form>
<form action="/connect/decision" method="post"><input type="hidden" name="address" value="{{.Address}}"><button name="decline" value="1">Decline</button></form>
{{end}}`))
}
