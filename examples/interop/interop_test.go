//go:build interop

// Package interop runs relying parties of others against minifed. See README.md.
package interop

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/cmd/minifed/porttest"
	"github.com/minifed/minifed/examples/exampletest"
	"github.com/minifed/minifed/server/admin/relyingparty"
)

// party is a relying party that the test installs and starts.
type party struct {
	// name is the row of the table, and the folder of its program below parties.
	name string
	// installed installs the dependencies, and returns the folder that the program belongs to.
	install func(t *testing.T) string
	// build builds the program, and command starts it, with its folder as working directory.
	build, command []string
	// version is the version of the program, or debianPackage its package, if no file has it.
	version, debianPackage string
	// settings are further settings of the client.
	settings []string
	// edits are pairs of texts: what the test replaces in the configuration, because minifed has an address on http, for example.
	edits []string

	// signIn is where a sign-in begins, and press the form to send there, by a part of its ID or action.
	signIn, press string
	// user is the page that shows the user; empty is that after the sign-in.
	user string
	// refresh is the page that refreshes the tokens. After wait, if that is when the program refreshes them.
	refresh string
	wait    time.Duration
	// logout is where the user signs out, and pressLogout the form to send there.
	logout, pressLogout string
	// scripts is set for a single-page app: Chromium opens it.
	scripts bool
	// bearer is set for a program that checks access tokens: signIn and user are addresses of its API that show the subject.
	bearer bool
	// expected is the result.
	expected result
}

// anyForm is the first form of a page.
const anyForm = " "

// result is what the test saw. The documents have it as a table.
type result struct {
	// Full and Bare are the sign-ins of a user with name and e-mail address, and of a user without.
	Full signedIn `json:"full"`
	Bare signedIn `json:"bare"`
	// Refresh is set for a program that refreshed its tokens.
	Refresh bool `json:"refresh"`
	// Logout is where the sign-out ended the session.
	Logout loggedOut `json:"logout"`
}

// A signedIn is the result of a sign-in.
type signedIn string

const (
	// profileShown: the program shows the name or the e-mail address.
	profileShown signedIn = "profile"
	// signInWorks: the program shows neither, or there is none.
	signInWorks signedIn = "yes"
	// placeholderNeeded: it works with a placeholder address only.
	placeholderNeeded signedIn = "placeholder"
)

// A loggedOut is where a sign-out ended the session.
type loggedOut string

const (
	loggedOutEverywhere loggedOut = "both"
	loggedOutLocally    loggedOut = "party"
	noLogout            loggedOut = "none"
)

// results is the file that the documents are written from.
const results = "../../server/admin/relyingparty/testdata/interop.json"

// TestInterop_RelyingParties installs relying parties of others and signs users in with the configuration that the command line prints.
func TestInterop_RelyingParties(t *testing.T) {
	p := startProvider(t)
	for _, party := range parties() {
		t.Run(party.name, func(t *testing.T) {
			began := time.Now()
			got := p.try(t, party)
			if got != party.expected {
				t.Errorf("got %+v, want %+v", got, party.expected)
			}
			if !t.Failed() {
				record(t, party.name, got)
			}
			t.Logf("%s: %+v, %s", party.name, got, time.Since(began).Round(time.Second))
		})
	}
}

// try runs a relying party and returns what works.
func (p *provider) try(t *testing.T, party party) result {
	t.Helper()
	row, err := relyingparty.Named(party.name)
	if err != nil {
		t.Fatalf("%s: %v", party.name, err)
	}
	folder := party.install(t)
	checkVersion(t, party, row)
	address := porttest.Address(t)
	address = "localhost" + address[strings.LastIndexByte(address, ':'):]
	settings := append([]string{"--for", party.name, "--url", "http://" + address}, party.settings...)
	client := p.minifed.CreateClient(t, "", settings...)
	var got result

	running := start(t, party, p, client, folder, address)
	if party.bearer {
		return p.tryBearer(t, party, running)
	}
	full := p.newUser(t, party, false)
	got.Full = full.signIn(t, party, running)
	if party.refresh != "" {
		before := p.refreshes(t)
		time.Sleep(party.wait)
		at := full.visit(t, running.url+party.refresh)
		if got.Refresh = p.refreshes(t) > before; !got.Refresh {
			t.Logf("instead of a refresh, the browser was at %s:\n%s", at.URL, excerpt(at.Body))
		}
	}
	got.Logout = full.signOut(t, party, running)

	bare := p.newUser(t, party, true)
	if row.NeedsEmail {
		if seen := bare.attempt(t, party, running); strings.Contains(seen.Body, p.bareSubject) {
			t.Errorf("the table says that %s needs an e-mail address, but a user without one can sign in", party.name)
		}
		p.minifed.CLI(t, "", "client", "update", client.ID, "--placeholder-email-domain", placeholderDomain)
		bare = p.newUser(t, party, true)
		time.Sleep(settingsLag)
	}
	got.Bare = bare.signIn(t, party, running)
	if row.NeedsEmail && got.Bare != "" {
		got.Bare = placeholderNeeded
	}
	return got
}

// tryBearer calls an API with the access token of the mini-program's user, and with a changed one.
func (p *provider) tryBearer(t *testing.T, party party, running *running) result {
	t.Helper()
	token := p.wechat.SignIn(t, p.minifed, p.miniProgram, bareUser, "", "").AccessToken
	for _, path := range slices.DeleteFunc([]string{party.signIn, party.user}, func(path string) bool { return path == "" }) {
		status, body := running.call(t, path, token)
		if status != http.StatusOK || !strings.Contains(body, p.bareSubject) {
			t.Errorf("%s: %d %s\n%s", path, status, excerpt(body), running.log())
			return result{}
		}
		if status, body = running.call(t, path, token+"x"); status == http.StatusOK {
			t.Errorf("%s with a changed token: %d %s", path, status, excerpt(body))
		}
	}
	return result{Bare: signInWorks, Logout: noLogout}
}

// settingsLag is how long a running server takes to apply a setting of a client that another process changed.
const settingsLag = 6 * time.Second

// attempt begins a sign-in and returns the page that the user sees in the end.
func (u *user) attempt(t *testing.T, party party, running *running) exampletest.Page {
	t.Helper()
	at := u.visit(t, running.url+party.signIn)
	if party.press != "" {
		at = u.follow(t, u.browser.SubmitForm(t, at, party.press, nil, ""))
	}
	if party.user != "" {
		at = u.visit(t, running.url+party.user)
	}
	return at
}

// signIn signs the user in, and reports how the program shows the user.
func (u *user) signIn(t *testing.T, party party, running *running) signedIn {
	t.Helper()
	at := u.attempt(t, party, running)
	knows := strings.Contains(at.Body, u.subject()) || !u.bare && (strings.Contains(at.Body, fullName) || strings.Contains(at.Body, email))
	switch {
	case u.asked == 0:
		t.Errorf("minifed did not ask the user to sign in; the browser is at %s:\n%s\n%s", at.URL, excerpt(at.Body), running.log())
	case !knows:
		t.Errorf("the program does not know the user (bare: %v); the browser is at %s:\n%s\n%s", u.bare, at.URL, excerpt(at.Body), running.log())
	case !u.bare && (strings.Contains(at.Body, fullName) || strings.Contains(at.Body, email)):
		return profileShown
	default:
		return signInWorks
	}
	return ""
}

// excerpt returns the beginning of a page.
func excerpt(body string) string {
	const longest = 1500
	return body[:min(len(body), longest)]
}

// signOut signs the user out, and then begins a sign-in again to see whether the session at minifed has ended.
func (u *user) signOut(t *testing.T, party party, running *running) loggedOut {
	t.Helper()
	if party.logout == "" {
		return noLogout
	}
	before := u.asked
	at := u.visit(t, running.url+strings.ReplaceAll(party.logout, "{application}", url.QueryEscape(running.url)))
	if party.pressLogout != "" {
		at = u.follow(t, u.browser.SubmitForm(t, at, party.pressLogout, nil, ""))
	}
	u.attempt(t, party, running)
	if u.asked > before {
		return loggedOutEverywhere
	}
	if party.expected.Logout == loggedOutEverywhere {
		t.Logf("after the sign-out, the browser was at %s:\n%s\n%s", at.URL, excerpt(at.Body), running.log())
	}
	return loggedOutLocally
}

// entry is a row of the results.
type entry struct {
	Date    string `json:"date"`
	Version string `json:"version"`
	result
}

// record writes the result to the file of the documents.
func record(t *testing.T, name string, got result) {
	t.Helper()
	entries := map[string]entry{}
	if written, err := os.ReadFile(results); err == nil {
		if err := json.Unmarshal(written, &entries); err != nil {
			t.Fatal(err)
		}
	}
	row, err := relyingparty.Named(name)
	if err != nil {
		t.Fatal(err)
	}
	entries[name] = entry{time.Now().UTC().Format(time.DateOnly), row.Version, got}
	text, err := json.MarshalIndent(entries, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(results, append(text, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

// cache is a folder of what was installed, below bin/interop.
func cache(t *testing.T, elements ...string) string {
	t.Helper()
	folder, err := filepath.Abs(filepath.Join(append([]string{"../../bin/interop"}, elements...)...))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	return folder
}
