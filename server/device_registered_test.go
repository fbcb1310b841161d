package server_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
)

// TestDevice_RegisteredClientStaysAfterItsFirstUser: a client that registered itself is deleted after a day, unless a user allowed a
// device for it.
func TestDevice_RegisteredClientStaysAfterItsFirstUser(t *testing.T) {
	t.Parallel()
	ts := newDeviceServer(t)
	ts.editDirectory(func(d *storage.Directory) { d.Policy.Registration = storage.RegistrationOpen })
	register := func() string {
		a := ts.register(`{"redirect_uris":["http://localhost/callback"],"token_endpoint_auth_method":"none","grant_types":["` + deviceGrantType + `","refresh_token"],"client_name":"Agent"}`)
		if a.status != http.StatusCreated {
			t.Fatalf("%d %s", a.status, a.raw)
		}
		return a.member("client_id")
	}
	used, unused := register(), register()
	a := ts.postAs(used, devicePath, "scope", "openid offline_access")
	d := &device{ts.testServer, used, a.member("device_code"), a.member("user_code"), a.member("verification_uri_complete")}
	b := ts.newFormBrowser()
	b.scan(d, "wanda")
	b.press("decide-form", "allow")
	tokens := d.poll()
	if tokens.status != http.StatusOK {
		t.Fatalf("%d %s", tokens.status, tokens.raw)
	}
	ts.clock.Advance(25 * time.Hour)
	if a := ts.refreshAgent(used, tokens.member("refresh_token")); a.status != http.StatusOK {
		t.Errorf("the client that was used: %d %s", a.status, a.raw)
	}
	ts.postAs(unused, devicePath, "scope", "openid").wantError(t, "invalid_client")
}
