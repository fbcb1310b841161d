package server_test

import (
	"encoding/json"
	"html"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
)

// automation is docs/conformance.json: what the conformance suite's browser does.
type automation struct {
	Browser  []browserTask
	Override map[string]struct{ Browser []browserTask }
}

// browserTask is what the browser does at an address.
type browserTask struct {
	Match string
	Tasks []struct {
		Task, Match string
		Optional    bool
		Commands    [][]any
	}
}

func readAutomation(t *testing.T, s *certificationSuite) (a automation) {
	t.Helper()
	text := string(must(os.ReadFile("../docs/conformance.json"))(t))
	for written, here := range map[string]string{
		"https://id.example.com/d/conformance": s.url, "https://www.certification.openid.net/test/": "https://rp.example/",
		"USERNAME": "alice", "PASSWORD": passwordOf("alice"),
	} {
		if !strings.Contains(text, written) {
			t.Errorf("the document lacks %s", written)
		}
		text = strings.ReplaceAll(text, written, here)
	}
	check(t, json.Unmarshal([]byte(text), &a))
	return a
}

func matches(pattern, address string) bool {
	quoted := strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*")
	return regexp.MustCompile("^" + quoted + "$").MatchString(address)
}

// currentURL returns the address that the browser shows.
func (s *certificationSuite) currentURL() string {
	if s.page.callback != "" {
		return s.page.callback
	}
	return s.page.url
}

// followTasks sends the browser to an address and does what the document says. It reports whether a page was stored for review.
func (s *certificationSuite) followTasks(visits []browserTask, address string) (kept bool) {
	s.t.Helper()
	i := slices.IndexFunc(visits, func(v browserTask) bool { return matches(v.Match, address) })
	if i < 0 {
		s.t.Fatalf("the document has no entry for %s", address)
	}
	s.get(address)
	for _, task := range visits[i].Tasks {
		if !matches(task.Match, s.currentURL()) {
			if !task.Optional {
				s.t.Fatalf("task %q is for %s, the browser is at %s\n%s", task.Task, task.Match, s.currentURL(), s.page.body)
			}
			continue
		}
		var typed []string
		for _, command := range task.Commands {
			text := func(i int) string { word, _ := command[i].(string); return word }
			switch name, kind, target := text(0), text(1), text(2); name + " " + kind {
			case "text id":
				typed = append(typed, s.element(target, "input")["name"], text(3))
			case "click id":
				button := s.element(target, "button")
				if button["type"] != "submit" {
					s.t.Errorf("%s is no button that submits: %v", target, button)
				}
				s.submit(button["value"], typed...)
			case "wait id":
				if target == "submission_complete" { // That one is the suite's own page.
					break
				}
				s.element(target, `\w+`)
				_, shown, _ := strings.Cut(s.page.body, ` id="`+target+`"`)
				if !regexp.MustCompile(text(4)).MatchString(html.UnescapeString(shown)) {
					s.t.Fatalf("task %q waits for %q:\n%s", task.Task, text(4), s.page.body)
				}
				kept = true
			case "wait xpath":
				_, main, _ := strings.Cut(s.page.body, "<main")
				if s.page.callback != "" || !regexp.MustCompile(text(4)).MatchString(html.UnescapeString(main)) {
					s.t.Fatalf("task %q waits for %q:\n%s", task.Task, text(4), s.page.body)
				}
				kept = true
			default:
				s.t.Fatalf("task %q has the command %v", task.Task, command)
			}
		}
	}
	return kept
}

// element returns the attributes of the page's element with an ID.
func (s *certificationSuite) element(id, tag string) map[string]string {
	s.t.Helper()
	found := regexp.MustCompile(`<`+tag+`\b[^>]* id="`+id+`"[^>]*>`).FindAllString(s.page.body, -1)
	if len(found) != 1 {
		s.t.Fatalf("%d elements %s have the ID %s:\n%s", len(found), tag, id, s.page.body)
	}
	attributes := map[string]string{}
	for _, pair := range regexp.MustCompile(`([\w-]+)="([^"]*)"`).FindAllStringSubmatch(found[0], -1) {
		attributes[pair[1]] = html.UnescapeString(pair[2])
	}
	return attributes
}

// TestConformanceJSON_CoversEveryPage does on the pages what docs/conformance.json says to the suite's browser. Only in some
// modules does the suite have a placeholder for a page that a person reviews; to fill a missing one is an error.
func TestConformanceJSON_CoversEveryPage(t *testing.T) {
	s := newSuite(t, "")
	s.change(s.client, func(c *storage.Client) { c.PostLogoutRedirectURIs = []string{postLogout} })
	document := readAutomation(t, s)
	signIn := func(further ...string) string {
		t.Helper()
		if s.followTasks(document.Browser, s.request(further...)) {
			t.Error("a page was stored for review, but these modules have no placeholder")
		}
		a, _ := s.tokens(s.codeOf())
		return a.member("id_token")
	}
	logout := func(parameters ...string) string {
		address := s.url + "/oauth2/logout?"
		for i := 0; i < len(parameters); i += 2 {
			address += parameters[i] + "=" + parameters[i+1] + "&"
		}
		return address
	}
	// 1. The modules without their own entry: with and without consent, with and without a login page.
	first := signIn()
	if s.followTasks(document.Browser, s.request()) || s.callback("state-1").Get("code") == "" {
		t.Error("the second authorization showed a page")
	}
	signIn("prompt", "login")
	if s.followTasks(document.Browser, logout("id_token_hint", first, "post_logout_redirect_uri", postLogout)); s.page.callback != postLogout {
		t.Errorf("logout led to %s", s.currentURL())
	}
	// 2. The modules in which a person reviews the second login page only.
	for module, parameter := range map[string][]string{"oidcc-prompt-login": {"prompt", "login"}, "oidcc-max-age-1": {"max_age", "1"}} {
		s.browser = s.newBrowser()
		if s.followTasks(document.Override[module].Browser, s.request()) {
			t.Errorf("%s: the first login page was stored for review", module)
		}
		s.clock.Advance(2 * time.Second)
		if !s.followTasks(document.Override[module].Browser, s.request(parameter...)) || s.callback("state-1").Get("code") == "" {
			t.Errorf("%s: the second login page was not stored for review", module)
		}
		delete(document.Override, module)
	}
	// 3. The modules that end at a page for review.
	other := newSigner("RS256", "suite").sign(t, string(must(json.Marshal(claims(t, first)))(t)), nil)
	addresses := map[string]string{
		"oidcc-ensure-registered-redirect-uri":                              s.request("redirect_uri", webRedirect+"/x"),
		"oidcc-redirect-uri-query-added":                                    s.request("redirect_uri", webRedirect+"?foo=bar"),
		"oidcc-ensure-request-object-with-redirect-uri":                     s.request("redirect_uri", webRedirect+"/x", "request", unsignedObject(nil)),
		"oidcc-rp-initiated-logout-bad-post-logout-redirect-uri":            logout("id_token_hint", first, "post_logout_redirect_uri", postLogout+"x"),
		"oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri": logout("id_token_hint", first, "post_logout_redirect_uri", postLogout+"?x=y"),
		"oidcc-rp-initiated-logout-modified-id-token-hint":                  logout("id_token_hint", unsignedObject(claims(t, first)), "post_logout_redirect_uri", postLogout),
		"oidcc-rp-initiated-logout-bad-id-token-hint":                       logout("id_token_hint", other, "post_logout_redirect_uri", postLogout),
		"oidcc-rp-initiated-logout-no-id-token-hint":                        logout("post_logout_redirect_uri", postLogout),
		"oidcc-rp-initiated-logout-no-params":                               logout(),
		"oidcc-rp-initiated-logout-no-post-logout-redirect-uri":             logout("id_token_hint", first, "state", "x"),
		"oidcc-rp-initiated-logout-only-state":                              logout("state", "x"),
		"oidcc-backchannel-rp-initiated-logout":                             "",
	}
	if got, want := slices.Sorted(maps.Keys(document.Override)), slices.Sorted(maps.Keys(addresses)); !slices.Equal(got, want) {
		t.Errorf("the document has entries for %v, want %v", got, want)
	}
	for module, address := range addresses {
		if address == "" {
			continue // Its entry is about the client only.
		}
		s.browser = s.newBrowser()
		if strings.Contains(module, "logout") {
			s.followTasks(document.Override[module].Browser, s.request())
			s.codeOf()
		}
		if !s.followTasks(document.Override[module].Browser, address) || s.page.callback != "" {
			t.Errorf("%s: no page was stored for review at %s", module, s.currentURL())
		}
	}
}
