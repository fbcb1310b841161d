package server_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minifed/minifed/server"
	"github.com/minifed/minifed/storage"
)

const (
	deviceGrantType = "urn:ietf:params:oauth:grant-type:device_code"
	devicePath      = "/oauth2/device_authorization"
)

// newDeviceServer is a page test server with the public client "tv", which has the device grant, and the user wanda.
func newDeviceServer(t *testing.T, edits ...func(*server.Config)) *pageTestServer {
	t.Helper()
	ts := newPageTestServer(t, edits...)
	ts.editDirectory(func(d *storage.Directory) { d.Policy.DeviceGrant = true })
	ts.addDevice("tv")
	ts.addPasswordUser("wanda")
	return ts
}

func (ts *pageTestServer) addDevice(id string) {
	ts.Helper()
	ts.addClient(id, func(c *storage.Client) {
		c.Kind, c.AuthMethod, c.Secrets, c.Name, c.RedirectURIs = storage.ClientNative, "none", nil, "Living room", nil
		c.GrantTypes = []string{deviceGrantType, "refresh_token"}
		c.Scopes, c.AccountLinking = append(c.Scopes, linkScope), true
	})
}

// postAs sends a form of a public client.
func (ts *testServer) postAs(client, path string, fields ...string) response {
	ts.Helper()
	return ts.do(ts.formOf(client, path, fields...))
}

// formOf is the request with a form of a public client.
func (ts *testServer) formOf(client, path string, fields ...string) *http.Request {
	ts.Helper()
	form := url.Values{"client_id": {client}}
	for i := 0; i < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	request := must(http.NewRequestWithContext(ts.Context(), http.MethodPost, ts.url+path, strings.NewReader(form.Encode())))(ts.T)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return request
}

// device is a device that shows its codes.
type device struct {
	*testServer
	client              string
	code, user, scanned string
}

// newDevice requests the codes of a device.
func (ts *pageTestServer) newDevice(scope string, further ...string) *device {
	ts.Helper()
	return ts.newDeviceIn("", scope, further...)
}

// newDeviceIn requests the codes of a device in a country.
func (ts *pageTestServer) newDeviceIn(country, scope string, further ...string) *device {
	ts.Helper()
	request := ts.formOf("tv", devicePath, append([]string{"scope", scope}, further...)...)
	if country != "" {
		request.Header.Set("Cf-Ipcountry", country)
	}
	a := ts.do(request)
	if a.status != http.StatusOK {
		ts.Fatalf("%d %s", a.status, a.raw)
	}
	return &device{ts.testServer, "tv", a.member("device_code"), a.member("user_code"), a.member("verification_uri_complete")}
}

// poll sends a token request after the interval.
func (d *device) poll(further ...string) response {
	d.Helper()
	d.clock.Advance(5 * time.Second)
	return d.pollNow(further...)
}

func (d *device) pollNow(further ...string) response {
	d.Helper()
	return d.postAs(d.client, "/oauth2/token", append([]string{"grant_type", deviceGrantType, "device_code", d.code}, further...)...)
}

// wantError asserts an error of the token endpoint.
func (a response) wantError(t *testing.T, code string) {
	t.Helper()
	if a.status != http.StatusBadRequest || a.member("error") != code {
		t.Errorf("%d %s, want %s", a.status, a.raw, code)
	}
}

// scan opens the address of the QR code, types the last two letters, and signs in if that is asked.
func (b *formBrowser) scan(d *device, username string) {
	b.Helper()
	b.get(d.scanned)
	b.press("device-form", "device", "end", strings.ToLower(d.user[len(d.user)-2:]))
	if username != "" {
		b.wantAt(b.T, "/login", http.StatusOK, "Sign in")
		b.signInAs(username)
	}
}

func TestRFC8628_UserAllowsDeviceAfterScan(t *testing.T) {
	ts := newDeviceServer(t)
	d := ts.newDevice("openid profile offline_access urn:minifed:link unknown")
	if d.scanned != ts.url+"/device?user_code="+d.user {
		t.Errorf("verification_uri_complete %s", d.scanned)
	}
	d.pollNow().wantError(t, "authorization_pending")
	b := ts.newFormBrowser()
	b.get(d.scanned)
	if begin := d.user[:len(d.user)-2]; !strings.Contains(b.page.body, begin) || strings.Contains(textOf(b.document()), d.user) {
		t.Errorf("the page does not show the beginning of %s alone\n%s", d.user, b.page.body)
	}
	b.scan(d, "wanda")
	b.wantAt(t, "/device", http.StatusOK, "A device with Living room requests access to your account")
	b.wantAt(t, "/device", http.StatusOK, d.user)
	b.wantAt(t, "/device", http.StatusOK, "only if you started it yourself")
	d.poll().wantError(t, "authorization_pending")
	b.press("decide-form", "allow")
	b.wantAt(t, "/device", http.StatusOK, "The device is connected")
	a := d.poll()
	if a.status != http.StatusOK || a.member("scope") != "offline_access openid profile" || a.member("refresh_token") == "" {
		t.Fatalf("%d %s", a.status, a.raw)
	}
	id := claims(t, a.member("id_token"))
	user := id["sub"].(string)
	if ts.storedUser(user).Username != "wanda" || id["sid"] == "" || id["auth_time"] == nil || id["amr"].([]any)[0] != "pwd" || id["nonce"] != nil {
		t.Errorf("ID token %v", id)
	}
	if info := ts.userinfo(a.member("access_token")); info.status != http.StatusOK || info.member("sub") != user {
		t.Errorf("UserInfo: %d %s", info.status, info.raw)
	}
	refreshed := ts.postAs("tv", "/oauth2/token", "grant_type", "refresh_token", "refresh_token", a.member("refresh_token"))
	if refreshed.status != http.StatusOK {
		t.Errorf("refresh: %d %s", refreshed.status, refreshed.raw)
	}
	d.poll().wantError(t, "invalid_grant")
	if len(list[storage.Consent](ts.testServer)) != 0 {
		t.Error("the consent is remembered")
	}
	// Signed in, the next device asks again.
	next := ts.newDevice("openid")
	b.scan(next, "")
	b.wantAt(t, "/device", http.StatusOK, "Living room")
	b.press("decide-form", "allow")
	if a := next.poll(); a.status != http.StatusOK || a.member("refresh_token") != "" {
		t.Errorf("%d %s", a.status, a.raw)
	}
}

// The page shows the API that a device asks for as the consent page does: its name, its host and the texts of its scopes.
func TestDevice_PageShowsTheAPI(t *testing.T) {
	ts := newDeviceServer(t)
	ts.addResource(ordersAPI, "orders", func(*storage.Resource) {})
	d := ts.newDevice("orders:read orders:write", "resource", ordersAPI)
	b := ts.newFormBrowser()
	b.scan(d, "wanda")
	for _, text := range []string{"The orders API", "orders.example", "Read your orders", "Change your orders"} {
		b.wantAt(t, "/device", http.StatusOK, text)
	}
	b.press("decide-form", "allow")
	ts.wantToken("the device", d.poll(), ordersAPI, "orders:read orders:write")
}

func TestDevice_TypedCode(t *testing.T) {
	ts := newDeviceServer(t)
	d := ts.newDevice("openid email orders")
	b := ts.newFormBrowser()
	b.get(ts.url + "/device")
	b.press("device-form", "device", "user_code", "12345")
	b.wantAt(t, "/device", http.StatusBadRequest, "A code has eight letters")
	b.press("device-form", "device", "user_code", " "+strings.ToLower(strings.ReplaceAll(d.user, "-", " ")))
	b.signInAs("wanda")
	action, values := b.readForm("decide-form", "allow")
	values.Del("scope") // Nothing but openid.
	b.post(action, values, true)
	if a := d.poll(); a.status != http.StatusOK || a.member("scope") != "openid" {
		t.Errorf("%d %s", a.status, a.raw)
	}
}

func TestDevice_UserDenies(t *testing.T) {
	ts := newDeviceServer(t)
	d := ts.newDevice("openid")
	b := ts.newFormBrowser()
	b.scan(d, "wanda")
	b.press("decide-form", "deny")
	b.wantAt(t, "/device", http.StatusOK, "The device was rejected")
	d.poll().wantError(t, "access_denied")
	b.scan(d, "")
	b.wantAt(t, "/device", http.StatusBadRequest, "unknown, has expired, or was used")
}

func TestDevice_LastLettersOfAnotherDevice(t *testing.T) {
	ts := newDeviceServer(t)
	d := ts.newDevice("openid")
	b := ts.newFormBrowser()
	b.get(d.scanned)
	b.press("device-form", "device", "end", "AA")
	b.wantAt(t, "/device", http.StatusBadRequest, "not the one that you scanned")
	b.press("device-form", "device", "end", "")
	b.wantAt(t, "/device", http.StatusBadRequest, "not the one that you scanned")
}

func TestDevice_Polling(t *testing.T) {
	ts := newDeviceServer(t)
	ts.addDevice("tablet")
	d := ts.newDevice("openid")
	d.pollNow().wantError(t, "authorization_pending")
	d.pollNow().wantError(t, "slow_down")
	d.poll().wantError(t, "slow_down") // It has to wait ten seconds now, and then fifteen.
	ts.clock.Advance(10 * time.Second)
	d.poll().wantError(t, "authorization_pending")

	other := *d
	other.client = "tablet"
	ts.clock.Advance(time.Minute)
	other.pollNow().wantError(t, "invalid_grant")

	changed := []byte(d.code)
	changed[len(changed)-1] ^= 1
	forged := *d
	forged.code = string(changed)
	forged.pollNow().wantError(t, "invalid_grant")
	ts.postAs("tv", "/oauth2/token", "grant_type", deviceGrantType).wantError(t, "invalid_request")
	ts.clock.Advance(10 * time.Minute)
	d.pollNow().wantError(t, "expired_token")
}

func TestDevice_ReadsAndWrites(t *testing.T) {
	ts := newDeviceServer(t)
	d := ts.newDevice("openid offline_access")
	counted := func(do func() response, reads, writes int) {
		t.Helper()
		count := &operationCounter{}
		ts.engine.Before = count.count
		a := do()
		ts.engine.Before = nil
		if count.reads > reads || count.writes > writes || count.lists > 0 {
			t.Errorf("%s: %d reads, %d writes, want %d and %d: %v", a.raw, count.reads, count.writes, reads, writes, count.operations)
		}
	}
	d.pollNow()
	ts.clock.Advance(5 * time.Second)
	ts.newDevice("openid") // Client and directory are in memory from now on.
	counted(func() response { return d.pollNow() }, 1, 0)
	counted(func() response { return d.pollNow() }, 0, 0) // slow_down
	counted(func() response { return ts.postAs("tv", devicePath, "scope", "openid") }, 0, 1)
	b := ts.newFormBrowser()
	b.scan(d, "wanda")
	b.press("decide-form", "allow")
	ts.clock.Advance(time.Minute)
	ts.newDevice("openid")
	counted(func() response { return d.pollNow() }, 2, 1)
}

func TestDevice_OneInstanceGivesTokens(t *testing.T) {
	ts := newDeviceServer(t)
	instances := []*testServer{ts.testServer, ts.secondInstance(), ts.secondInstance()}
	for range 4 {
		d := ts.newDevice("openid offline_access")
		b := ts.newFormBrowser()
		b.scan(d, "wanda")
		b.press("decide-form", "allow")
		got := make([]response, len(instances))
		var asking sync.WaitGroup
		for i, instance := range instances {
			asking.Go(func() {
				there := *d
				there.testServer = instance
				got[i] = there.pollNow()
			})
		}
		asking.Wait()
		winners := 0
		for _, a := range got {
			if a.status == http.StatusOK {
				winners++
				continue
			}
			a.wantError(t, "invalid_grant")
		}
		if winners != 1 {
			t.Errorf("%d instances gave tokens", winners)
		}
	}
}

func TestDevice_WhatEndsIt(t *testing.T) {
	ts := newDeviceServer(t)
	ids := map[string]string{}
	allowed := func(username string) *device {
		ids[username] = ts.addPasswordUser(username).ID
		d := ts.newDevice("openid offline_access")
		b := ts.newFormBrowser()
		b.scan(d, username)
		b.press("decide-form", "allow")
		return d
	}
	t.Run("the user is disabled before the device asks", func(t *testing.T) {
		d := allowed("dora")
		ts.disable(ids["dora"])
		d.poll().wantError(t, "invalid_grant")
	})
	t.Run("the client loses the grant type", func(t *testing.T) {
		d := allowed("erna")
		ts.change("tv", func(c *storage.Client) { c.GrantTypes = []string{"refresh_token"} })
		d.poll().wantError(t, "unauthorized_client")
		ts.postAs("tv", devicePath).wantError(t, "unauthorized_client")
		ts.change("tv", func(c *storage.Client) { c.GrantTypes = []string{deviceGrantType} })
	})
	t.Run("the directory ends the offer", func(t *testing.T) {
		d := allowed("fred")
		ts.editDirectory(func(d *storage.Directory) { d.Policy.DeviceGrant = false })
		d.poll().wantError(t, "unsupported_grant_type")
		if a := ts.postAs("tv", devicePath, "scope", "openid"); a.status != http.StatusNotFound {
			t.Errorf("%d %s", a.status, a.raw)
		}
		if b := ts.newFormBrowser(); b.get(d.scanned).status != http.StatusNotFound {
			t.Errorf("the page: %d", b.page.status)
		}
		metadata := ts.get(ts.url + "/.well-known/openid-configuration")
		if metadata.member("device_authorization_endpoint") != "" || strings.Contains(metadata.raw, deviceGrantType) {
			t.Errorf("%s", metadata.raw)
		}
		ts.editDirectory(func(d *storage.Directory) { d.Policy.DeviceGrant = true })
		metadata = ts.get(ts.url + "/.well-known/openid-configuration")
		if metadata.member("device_authorization_endpoint") != ts.url+devicePath || !strings.Contains(metadata.raw, deviceGrantType) {
			t.Errorf("%s", metadata.raw)
		}
	})
}

func TestDevice_RequestIsChecked(t *testing.T) {
	ts := newDeviceServer(t)
	for _, row := range []struct{ fields, code string }{
		{"", "invalid_scope"},
		{"scope=unknown", "invalid_scope"},
		{"scope=urn:minifed:link", "invalid_scope"},
		{"scope=openid&resource=https://other.example", "invalid_target"},
	} {
		fields := must(url.ParseQuery(row.fields))(t)
		var pairs []string
		for name := range fields {
			pairs = append(pairs, name, fields.Get(name))
		}
		ts.postAs("tv", devicePath, pairs...).wantError(t, row.code)
	}
	if a := ts.postAs("nobody", devicePath); a.status != http.StatusBadRequest || a.member("error") != "invalid_client" {
		t.Errorf("%d %s", a.status, a.raw)
	}
	if a := ts.send(devicePath, "scope=openid", "Authorization", basic("tv", "wrong")); a.status != http.StatusUnauthorized || a.member("error") != "invalid_client" {
		t.Errorf("a wrong secret: %d %s", a.status, a.raw)
	}
	if a := ts.send(devicePath, "client_id=tv&scope=openid&scope=openid"); a.status != http.StatusBadRequest || a.member("error") != "invalid_request" {
		t.Errorf("a repeated parameter: %d %s", a.status, a.raw)
	}
	ts.postAs("tv", devicePath, "scope", strings.Repeat("s ", 3000)).wantError(t, "invalid_scope")
	// The audience of the request, and one of it in the token request.
	a := ts.postAs("tv", devicePath, "scope", "openid", "resource", "https://api.example", "resource", "https://files.example")
	d := &device{ts.testServer, "tv", a.member("device_code"), a.member("user_code"), a.member("verification_uri_complete")}
	b := ts.newFormBrowser()
	b.scan(d, "wanda")
	b.press("decide-form", "allow")
	d.poll("resource", "https://other.example").wantError(t, "invalid_target")
	if aud := claims(t, d.poll("resource", "https://api.example").member("access_token"))["aud"]; aud != "https://api.example" {
		t.Errorf("aud %v", aud)
	}
}

func TestDevice_CodeOfAnotherDirectory(t *testing.T) {
	ts := newDeviceServer(t)
	tea := teaDirectory()
	tea.Policy.DeviceGrant = true
	ts.addDirectory(tea)
	ts.addClient("tv-of-tea", func(c *storage.Client) {
		c.Directory, c.ID, c.Kind, c.AuthMethod, c.Secrets = "tea", "tv", storage.ClientNative, "none", nil
		c.GrantTypes = []string{deviceGrantType}
	})
	d := ts.newDevice("openid")
	ts.clock.Advance(time.Minute)
	ts.postAs("tv", "/d/tea/oauth2/token", "grant_type", deviceGrantType, "device_code", d.code).wantError(t, "invalid_grant")
	there := ts.postAs("tv", "/d/tea"+devicePath, "scope", "openid")
	if !strings.HasPrefix(there.member("verification_uri_complete"), ts.url+"/d/tea/device?user_code=") {
		t.Errorf("%s", there.raw)
	}
	// The code of tea is unknown to the page of default.
	b := ts.newFormBrowser()
	b.get(ts.url + "/device")
	b.press("device-form", "device", "user_code", there.member("user_code"))
	b.signInAs("wanda")
	b.wantAt(t, "/device", http.StatusBadRequest, "unknown, has expired, or was used")
}

func TestDevice_GuessesAreLimited(t *testing.T) {
	ts := newDeviceServer(t)
	d := ts.newDevice("openid")
	b := ts.newFormBrowser()
	b.signInToAccount("wanda")
	guess := func(code string) *page {
		b.get(ts.url + "/device")
		return b.press("device-form", "device", "user_code", code)
	}
	for range 10 {
		if guessed := guess("BBBB-BBBB"); guessed.status != http.StatusBadRequest {
			t.Fatalf("%d", guessed.status)
		}
	}
	if limited := guess(d.user); limited.status != http.StatusTooManyRequests || limited.header.Get("Retry-After") == "" {
		t.Errorf("the eleventh guess: %d", limited.status)
	}
	ts.clock.Advance(2 * time.Minute)
	if guess(d.user); b.page.status != http.StatusOK {
		t.Errorf("after the wait: %d", b.page.status)
	}
}

func TestDevice_RequestsAreLimited(t *testing.T) {
	ts := newDeviceServer(t)
	for i := range 101 {
		a := ts.postAs("tv", devicePath, "scope", "openid")
		if a.status == http.StatusTooManyRequests {
			if i < 50 || a.header.Get("Retry-After") == "" {
				t.Errorf("request %d: %s", i, a.raw)
			}
			return
		}
	}
	t.Error("a hundred requests at once were served")
}

func TestDevice_PageIsOfOneBrowser(t *testing.T) {
	ts := newDeviceServer(t)
	d := ts.newDevice("openid")
	b := ts.newFormBrowser()
	b.scan(d, "wanda")
	other := ts.newFormBrowser()
	other.signInToAccount("wanda")
	other.get(b.page.url)
	other.wantAt(t, "/device", http.StatusOK, "Enter the code")
	if regexp.MustCompile(`[BCDF-XZ]{4}-[BCDF-XZ]{4}`).FindString(textOf(other.document())) == d.user {
		t.Error("another browser sees the code")
	}
}

func TestDevice_TellsTheUser(t *testing.T) {
	ts := newDeviceServer(t)
	ts.addEmailUser("mila")
	d := ts.newDevice("openid")
	b := ts.newFormBrowser()
	b.scan(d, "mila")
	b.press("decide-form", "allow")
	sent := ts.mailTo("mila@example.com")
	if len(sent) != 1 || !strings.Contains(sent[0].Text, "a device was connected to your account at Default: Living room") {
		t.Errorf("%v", sent)
	}
	for _, entry := range list[storage.AuditEntry](ts.testServer) {
		if entry.Action == "user.device" && entry.Target == "client:tv" && entry.After["scopes"] == "openid" {
			return
		}
	}
	t.Error("the audit has no entry")
}

func TestDevicePages_AreAccessibleInEveryLanguage(t *testing.T) {
	ts := newDeviceServer(t)
	for _, locale := range []string{"en", "zh-CN"} {
		see := func(name string, p *page) {
			t.Run(locale+" "+name, func(t *testing.T) { checkPage(t, p, locale) })
		}
		d, b := ts.newDevice("openid profile offline_access orders"), ts.newFormBrowser()
		see("code", b.get(ts.url+"/device?ui_locales="+locale))
		see("code, malformed", b.press("device-form", "device", "user_code", "x"))
		see("scanned", b.get(d.scanned+"&ui_locales="+locale))
		b.press("device-form", "device", "end", d.user[len(d.user)-2:])
		see("decision", b.signInAs("wanda"))
		see("allowed", b.press("decide-form", "allow"))
		b.get(d.scanned + "&ui_locales=" + locale)
		see("over", b.press("device-form", "device", "end", d.user[len(d.user)-2:]))
	}
}
