package ferretdb

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
)

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// addDevice registers a device, whose directory offers its grant, and the user "ann".
func (i *instance) addDevice() {
	i.Helper()
	entry := must(storage.Get[storage.Directory](i.Context(), i.engine, "default"))(i.T)
	next := entry.Record
	next.Policy.DeviceGrant = true
	must(entry.Replace(i.Context(), i.engine, next))(i.T)
	i.addClient("tv", storage.ClientWeb, func(c *storage.Client) { c.GrantTypes = []string{deviceGrant, "refresh_token"} })
	i.addPerson("ann")
}

// allowDevice requests a code at an instance, and ann allows it at another one. It returns the token request.
func allowDevice(at, other *instance) func(*instance) apiResponse {
	at.Helper()
	issued := at.send("tv", "/oauth2/device_authorization", url.Values{"scope": {"openid offline_access"}}).wantOK(at.T)
	poll := func(i *instance) apiResponse {
		return i.send("tv", "/oauth2/token", url.Values{"grant_type": {deviceGrant}, "device_code": {issued.text("device_code")}})
	}
	if waiting := poll(other); waiting.text("error") != "authorization_pending" {
		at.Fatalf("before the decision: %d %s", waiting.status, waiting.raw)
	}
	at.clock.Advance(6 * time.Second)
	user, b := issued.text("user_code"), at.newBrowser()
	page := b.visit(issued.text("verification_uri_complete"))
	for range 3 { // The code, the sign-in, the decision.
		page = b.submit(page, "end", user[len(user)-2:])
	}
	if page.status != http.StatusOK || !strings.Contains(page.raw, "The device is connected") {
		at.Fatalf("%d %s\n%s", page.status, page.url, page.raw)
	}
	return poll
}

func TestDevice_OneOfTwoInstancesGivesTokens(t *testing.T) {
	t.Parallel()
	w, a := newDeployment(t, (*Server).ReplicaSet)
	a.addDevice()
	b := w.start()
	poll := allowDevice(a, b)
	var got [2]apiResponse
	var calls sync.WaitGroup
	for n, i := range []*instance{a, b} {
		calls.Go(func() { got[n] = poll(i) })
	}
	calls.Wait()
	winners := 0
	for _, response := range got {
		switch {
		case response.status == http.StatusOK:
			winners++
			b.alive("tv", response)
		case response.text("error") != "invalid_grant":
			t.Errorf("got %d %s", response.status, response.raw)
		}
	}
	if winners != 1 {
		t.Errorf("%d instances gave tokens", winners)
	}
}

// An instance loses the database while it gives a device its tokens. The device asks again, at another instance.
func TestDevice_UnknownOutcomeCostsNoDecision(t *testing.T) {
	for name, fault := range map[string]Fault{"executed": DropReply, "not executed": DropCommand} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b, send, _ := doubt(t, (*Server).ReplicaSet, doubtful{storage.KindGrant, func(i *instance) (func(*instance) apiResponse, func(*instance, apiResponse)) {
				i.addDevice()
				return allowDevice(i, i), nil
			}, http.StatusBadRequest}, fault)
			a.clock.Advance(6 * time.Second)
			b.alive("tv", send(b).wantOK(t))
			a.clock.Advance(6 * time.Second)
			for _, i := range []*instance{a, b} {
				if again := send(i); again.text("error") != "invalid_grant" {
					t.Errorf("a repeat: got %d %s", again.status, again.raw)
				}
			}
		})
	}
}
