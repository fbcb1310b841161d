package server_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server"
	"github.com/minifed/minifed/storage"
)

// newPasskeyServer is a two-factor server at a host name, which passkeys need.
func newPasskeyServer(t *testing.T, policy storage.TwoFactor) *pageTestServer {
	t.Helper()
	ts := newPageTestServer(t, func(c *server.Config) { c.PublicURL = strings.Replace(c.PublicURL, "127.0.0.1", "localhost", 1) })
	ts.url = ts.config.PublicURL
	ts.editDirectory(func(d *storage.Directory) { d.Policy.TwoFactor = policy })
	return ts
}

// authenticator is a security key with one credential (Web Authentication §6). Its fields can be changed to those of a faulty or
// hostile one.
type authenticator struct {
	testing.TB
	key          *ecdsa.PrivateKey
	credentialID []byte
	rpID, origin string
	handle       string
	flags        byte
	counter      uint32
}

// The flags of authenticator data (Web Authentication §6.1).
const (
	flagPresent        = 0x01
	flagVerified       = 0x04
	flagBackupEligible = 0x08
	flagAttested       = 0x40
)

func (ts *pageTestServer) newAuthenticator() *authenticator {
	ts.Helper()
	return &authenticator{
		TB: ts.T, key: must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(ts.T), credentialID: []byte(rand.Text()), rpID: "localhost",
		origin: ts.url, flags: flagPresent | flagVerified, counter: 1,
	}
}

func (a *authenticator) clientData(kind, challenge string) []byte {
	return must(json.Marshal(map[string]any{"type": kind, "challenge": challenge, "origin": a.origin, "crossOrigin": false}))(a.TB)
}

func (a *authenticator) data(flags byte) []byte {
	sum := sha256.Sum256([]byte(a.rpID))
	return binary.BigEndian.AppendUint32(append(sum[:], flags), a.counter)
}

// create responds to the options of a registration.
func (a *authenticator) create(options map[string]any) string {
	a.Helper()
	user, _ := options["user"].(map[string]any)
	a.handle, _ = user["id"].(string)
	public := must(a.key.PublicKey.Bytes())(a.TB)
	data := append(a.data(a.flags|flagAttested), make([]byte, 16)...) // no AAGUID
	data = binary.BigEndian.AppendUint16(data, uint16(len(a.credentialID)))
	data = append(data, a.credentialID...)
	data = append(data, 0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20) // an EC2 key of ES256 at P-256 (RFC 9053)
	data = append(append(append(data, public[1:33]...), 0x22, 0x58, 0x20), public[33:]...)
	object := append([]byte("\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x59"), byte(len(data)>>8), byte(len(data)))
	return a.respond(map[string]any{
		"clientDataJSON": encoded(a.clientData("webauthn.create", fmt.Sprint(options["challenge"]))), "attestationObject": encoded(append(object, data...)),
		"transports": []string{"internal"},
	})
}

// get responds to the options of a sign-in.
func (a *authenticator) get(options map[string]any) string {
	a.Helper()
	client, data := a.clientData("webauthn.get", fmt.Sprint(options["challenge"])), a.data(a.flags)
	hash := sha256.Sum256(client)
	signed := sha256.Sum256(append(append([]byte(nil), data...), hash[:]...))
	return a.respond(map[string]any{
		"clientDataJSON": encoded(client), "authenticatorData": encoded(data), "userHandle": a.handle,
		"signature": encoded(must(ecdsa.SignASN1(rand.Reader, a.key, signed[:]))(a.TB)),
	})
}

func (a *authenticator) respond(response map[string]any) string {
	id := encoded(a.credentialID)
	return string(must(json.Marshal(map[string]any{
		"id": id, "rawId": id, "type": "public-key", "response": response, "clientExtensionResults": map[string]any{},
	}))(a.TB))
}

func encoded(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }

// passkeyOptions reads the options of the page.
func (b *formBrowser) passkeyOptions() map[string]any {
	b.Helper()
	forms := findElements(b.document(), func(n *html.Node) bool { return hasAttribute(n, "data-options") })
	if len(forms) != 1 {
		b.Fatalf("no options: %d %s\n%s", b.page.status, b.page.url, b.page.body)
	}
	var options map[string]any
	check(b.T, json.Unmarshal([]byte(attribute(forms[0], "data-options")), &options))
	return options
}

// addPasskey adds a passkey for the user of a browser that has just signed in.
func (b *formBrowser) addPasskey(a *authenticator) *page {
	b.Helper()
	b.get(b.pageServer.url + "/account/passkeys/new")
	return b.press("passkey-form", "passkey", "credential", a.create(b.passkeyOptions()))
}

// addRequiredPasskey adds the first passkey during a sign-in.
func (b *formBrowser) addRequiredPasskey(a *authenticator) *page {
	b.Helper()
	b.get(strings.Replace(b.page.url, "/login/setup", "/account/passkeys/new", 1))
	return b.press("passkey-form", "passkey", "credential", a.create(b.passkeyOptions()))
}

// signInByPasskey signs in at the account page.
func (b *formBrowser) signInByPasskey(a *authenticator) *page {
	b.Helper()
	b.get(b.pageServer.url + "/login/passkey")
	return b.press("passkey-form", "passkey", "credential", a.get(b.passkeyOptions()))
}

// newPasskeyUser is a user with a passkey.
func newPasskeyUser(t *testing.T, policy storage.TwoFactor) (*pageTestServer, *formBrowser, *authenticator) {
	t.Helper()
	ts := newPasskeyServer(t, policy)
	ts.addEmailUser("wanda")
	b, a := ts.newFormBrowser(), ts.newAuthenticator()
	b.get(ts.url + "/login")
	b.signInAs("wanda")
	if policy == storage.TwoFactorRequired {
		b.addRequiredPasskey(a)
	} else {
		b.addPasskey(a)
	}
	b.wantAt(t, "/account", http.StatusOK, "Passkeys set up: 1")
	return ts, b, a
}

func TestPasskey_SignsInWithTwoFactors(t *testing.T) {
	ts, _, a := newPasskeyUser(t, storage.TwoFactorOptional)
	if letters := ts.mailTo("wanda@example.com"); len(letters) != 1 || !strings.Contains(letters[0].Subject, "passkey was added") {
		t.Errorf("letters: %v", letters)
	}
	b := ts.newFormBrowser()
	b.openAuthorize("claims", `{"id_token":{"acr":{"essential":true,"value":"2"}}}`)
	b.wantAt(t, "/login", http.StatusOK, "Sign in with a passkey")
	b.get(strings.Replace(b.page.url, "/login?", "/login/passkey?", 1))
	a.counter = 2
	b.press("passkey-form", "passkey", "credential", a.get(b.passkeyOptions()))
	b.press("consent-form", "allow")
	told := claims(t, ts.redeem("shop", b.code(), "redirect_uri", shopRedirect).member("id_token"))
	if got := fmt.Sprint(told["acr"], told["amr"]); got != "2[hwk user mfa]" {
		t.Errorf("got %s", got)
	}
	stored := list[storage.Passkey](ts.testServer)
	if len(stored) != 1 || stored[0].Counter != 2 || stored[0].UsedAt.IsZero() || stored[0].RPID != "localhost" {
		t.Errorf("stored %+v", stored)
	}
}

func TestPasskey_SyncedCredentialIsASoftwareKey(t *testing.T) {
	ts := newPasskeyServer(t, storage.TwoFactorOptional)
	ts.addPasswordUser("wanda")
	b, a := ts.newFormBrowser(), ts.newAuthenticator()
	a.flags |= flagBackupEligible
	b.signInToAccount("wanda")
	b.addPasskey(a)
	b = ts.newFormBrowser()
	b.signInByPasskey(a) // Its counter may stay as it is.
	b.wantAt(t, "/account", http.StatusOK, "Passkeys set up: 1")
	if got := fmt.Sprint(list[storage.Session](ts.testServer)); strings.Count(got, "[swk user mfa]") != 1 {
		t.Errorf("sessions: %s", got)
	}
}

// TestWebAuthn_7_2_RejectsInvalidAssertions changes one thing of a valid sign-in (Web Authentication §7.2).
func TestWebAuthn_7_2_RejectsInvalidAssertions(t *testing.T) {
	ts, _, good := newPasskeyUser(t, storage.TwoFactorOptional)
	port := must(url.Parse(ts.url))(t).Port()
	for name, test := range map[string]struct {
		change func(a *authenticator, options map[string]any)
		text   string
	}{
		"another port":         {func(a *authenticator, _ map[string]any) { a.origin = "http://localhost:1" + port }, "could not be verified"},
		"another scheme":       {func(a *authenticator, _ map[string]any) { a.origin = "https://localhost:" + port }, "could not be verified"},
		"another host":         {func(a *authenticator, _ map[string]any) { a.origin = "http://evil.localhost:" + port }, "could not be verified"},
		"another RP ID":        {func(a *authenticator, _ map[string]any) { a.rpID = "evil.example" }, "could not be verified"},
		"no user verification": {func(a *authenticator, _ map[string]any) { a.flags = flagPresent }, "could not be verified"},
		"no user presence":     {func(a *authenticator, _ map[string]any) { a.flags = flagVerified }, "could not be verified"},
		"another challenge":    {func(_ *authenticator, o map[string]any) { o["challenge"] = encoded(make([]byte, 32)) }, "could not be verified"},
		"another key": {func(a *authenticator, _ map[string]any) {
			a.key = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
		}, "could not be verified"},
		"another user's handle": {func(a *authenticator, _ map[string]any) {
			a.handle = encoded([]byte("default\x00" + strings.Repeat("x", 24)))
		}, "could not be verified"},
		"no handle":             {func(a *authenticator, _ map[string]any) { a.handle = "" }, "could not be verified"},
		"a changed backup flag": {func(a *authenticator, _ map[string]any) { a.flags |= flagBackupEligible }, "could not be verified"},
		"an unknown credential": {func(a *authenticator, _ map[string]any) { a.credentialID = []byte("unknown credential") }, "not registered here"},
		"one of another directory": {func(a *authenticator, _ map[string]any) {
			a.credentialID, a.handle = []byte("unknown credential"), encoded([]byte("tea\x00"+strings.Repeat("x", 24)))
		}, "another service at the same address"},
		"a counter that went back": {func(a *authenticator, _ map[string]any) { a.counter = 1 }, "may have been copied"},
	} {
		t.Run(name, func(t *testing.T) {
			a := *good
			a.counter = 10
			b := ts.newFormBrowser()
			b.get(ts.url + "/login/passkey")
			options := b.passkeyOptions()
			test.change(&a, options)
			b.press("passkey-form", "passkey", "credential", a.get(options))
			b.wantAt(t, "/login/passkey", http.StatusBadRequest, test.text)
		})
	}
	for name, credential := range map[string]string{"nothing": "", "no JSON": "{", "too long": strings.Repeat(" ", 20<<10)} {
		t.Run(name, func(t *testing.T) {
			b := ts.newFormBrowser()
			b.get(ts.url + "/login/passkey")
			b.press("passkey-form", "passkey", "credential", credential)
			b.wantAt(t, "/login/passkey", http.StatusBadRequest, "")
		})
	}
	if stored := list[storage.Passkey](ts.testServer); stored[0].SuspectAt.IsZero() || stored[0].Counter != 1 {
		t.Errorf("the passkey whose counter went back: %+v", stored[0])
	}
	letters := ts.mailTo("wanda@example.com")
	if last := letters[len(letters)-1].Subject; !strings.Contains(last, "may have been copied") {
		t.Errorf("the last letter: %s", last)
	}
}

func TestPasskey_ChallengeIsUsedOnceWhereItWasIssued(t *testing.T) {
	ts, owner, a := newPasskeyUser(t, storage.TwoFactorOptional)
	b := ts.newFormBrowser()
	b.get(ts.url + "/login/passkey")
	_, form := b.readForm("passkey-form", "passkey")
	a.counter = 10
	form.Set("credential", a.get(b.passkeyOptions()))
	send := func(b *formBrowser, path string) {
		_, own := b.readForm("passkey-form", "passkey")
		sent := url.Values{"csrf": own["csrf"], "challenge": form["challenge"], "credential": form["credential"]}
		b.post(ts.url+path, sent, true)
	}
	t.Run("not in another browser", func(t *testing.T) {
		other := ts.newFormBrowser()
		other.get(ts.url + "/login/passkey")
		send(other, "/login/passkey")
		other.wantAt(t, "/login/passkey", http.StatusBadRequest, "open for too long, or was used before")
	})
	t.Run("not for another request", func(t *testing.T) {
		b.openAuthorize()
		path := "/login/passkey?" + must(url.Parse(b.page.url))(t).RawQuery
		b.get(ts.url + path)
		send(b, path)
		b.wantAt(t, "/login/passkey", http.StatusBadRequest, "open for too long, or was used before")
	})
	t.Run("not for a registration", func(t *testing.T) {
		owner.get(ts.url + "/account/passkeys/new")
		send(owner, "/account/passkeys/new")
		owner.wantAt(t, "/account/passkeys/new", http.StatusBadRequest, "open for too long, or was used before")
	})
	t.Run("not twice", func(t *testing.T) {
		b.get(ts.url + "/login/passkey")
		send(b, "/login/passkey")
		b.wantAt(t, "/account", http.StatusOK, "")
		b.get(ts.url + "/login/passkey")
		send(b, "/login/passkey")
		b.wantAt(t, "/login/passkey", http.StatusBadRequest, "open for too long, or was used before")
	})
	t.Run("not later", func(t *testing.T) {
		b.get(ts.url + "/login/passkey")
		_, form = b.readForm("passkey-form", "passkey")
		a.counter = 20
		form.Set("credential", a.get(b.passkeyOptions()))
		ts.clock.Advance(11 * time.Minute)
		b.get(ts.url + "/login/passkey")
		send(b, "/login/passkey")
		b.wantAt(t, "/login/passkey", http.StatusBadRequest, "open for too long, or was used before")
	})
}

func TestPasskey_OfADisabledOrDeletedUserDoesNotSignIn(t *testing.T) {
	ts, _, a := newPasskeyUser(t, storage.TwoFactorOptional)
	user := must(ts.identities.Named(ts.Context(), "default", "wanda"))(t).Record
	check(t, ts.identities.Disable(ts.Context(), "default", user.ID, identity.System))
	a.counter = 2
	b := ts.newFormBrowser()
	b.signInByPasskey(a)
	b.wantAt(t, "/login/passkey", http.StatusForbidden, "This account has been disabled")
	check(t, ts.identities.Delete(ts.Context(), "default", user.ID, identity.System))
	if left := list[storage.Passkey](ts.testServer); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	a.counter = 3
	b.signInByPasskey(a)
	b.wantAt(t, "/login/passkey", http.StatusBadRequest, "not registered here")
}

func TestPasskey_IsListedAndRemoved(t *testing.T) {
	ts, b, a := newPasskeyUser(t, storage.TwoFactorRequired)
	b.get(ts.url + "/account/passkeys")
	b.wantAt(t, "/account/passkeys", http.StatusOK, "Add a passkey")
	t.Run("the last one stays", func(t *testing.T) {
		b.press("remove-0-form", "remove-0")
		b.wantAt(t, "/account/passkeys/remove", http.StatusConflict, "This is your last way to sign in")
	})
	t.Run("a password does not replace it", func(t *testing.T) {
		other := ts.newFormBrowser()
		other.get(ts.url + "/login")
		other.signInAs("wanda")
		other.wantAt(t, "/login", http.StatusBadRequest, "Sign in with the passkey")
	})
	t.Run("another user's one stays", func(t *testing.T) {
		ts.addPasswordUser("otto")
		other := ts.newFormBrowser()
		other.get(ts.url + "/login")
		other.signInAs("otto")
		other.addRequiredPasskey(ts.newAuthenticator())
		other.wantAt(t, "/account", http.StatusOK, "")
		other.get(ts.url + "/account/passkeys")
		_, form := other.readForm("remove-0-form", "remove-0")
		key := storage.Passkey{Directory: "default", RPID: "localhost", CredentialID: a.credentialID}.ID()
		other.post(ts.url+"/account/passkeys/remove", url.Values{"csrf": form["csrf"], "passkey": {key}}, true)
		if left := list[storage.Passkey](ts.testServer); len(left) != 2 {
			t.Errorf("left: %v", left)
		}
	})
}

func TestPasskeys_AreHiddenWhereTheyCannotWork(t *testing.T) {
	ts := newTwoFactorServer(t, storage.TwoFactorOptional) // At an IP address.
	b := ts.newFormBrowser()
	if got := b.get(ts.url + "/login"); strings.Contains(got.body, "passkey") {
		t.Error("an issuer at an IP address offers passkeys")
	}
	b.get(ts.url + "/login/passkey")
	b.wantAt(t, "/login", http.StatusOK, "Sign in")
	named := newPasskeyServer(t, storage.TwoFactorOptional)
	request := must(http.NewRequestWithContext(t.Context(), http.MethodGet, named.url+"/login", nil))(t)
	request.Header.Set("User-Agent", "Mozilla/5.0 (iPhone) MicroMessenger/8.0.50")
	if got := named.newFormBrowser().open(request, true); strings.Contains(got.body, "passkey") {
		t.Error("the browser in WeChat is offered passkeys")
	}
}

func TestPasskey_SignInWithinStoreBudget(t *testing.T) {
	ts, _, a := newPasskeyUser(t, storage.TwoFactorOptional)
	b := ts.newFormBrowser()
	b.get(ts.url + "/login/passkey")
	action, values := b.readForm("passkey-form", "passkey")
	a.counter = 2
	values.Set("credential", a.get(b.passkeyOptions()))
	counted := &operationCounter{}
	ts.engine.Before = counted.count
	b.submitOnce(action, values)
	ts.engine.Before = nil
	if session := b.storedSession(); session.ACR != "2" || counted.reads > 2 || counted.writes > 2 || counted.lists > 0 {
		t.Errorf("%d reads, %d writes, %d lists: %v", counted.reads, counted.writes, counted.lists, counted.operations)
	}
}

// TestPasskey_ChallengesOfAPasskeyAreBounded signs in so often that the record would grow too large.
func TestPasskey_ChallengesOfAPasskeyAreBounded(t *testing.T) {
	ts, _, a := newPasskeyUser(t, storage.TwoFactorOptional)
	var b *formBrowser
	for n := range storage.MaxPasskeyChallenges + 1 {
		b = ts.newFormBrowser()
		a.counter = uint32(n) + 2
		b.signInByPasskey(a)
	}
	b.wantAt(t, "/login/passkey", http.StatusTooManyRequests, "")
	ts.clock.Advance(21 * time.Minute)
	a.counter++
	b.signInByPasskey(a)
	b.wantAt(t, "/account", http.StatusOK, "")
	if left := len(list[storage.Passkey](ts.testServer)[0].Challenges); left != 1 {
		t.Errorf("%d challenges are stored", left)
	}
}
