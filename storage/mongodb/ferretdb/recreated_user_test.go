package ferretdb

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// operator is the service that operators' commands use.
func (i *instance) operator() *admin.Service {
	i.Helper()
	return must(admin.New(admin.Config{
		Engine: i.engine, Audit: i.audit, Master: must(keys.ParseMaster(i.masterKeys, rand.Reader))(i.T), Keys: i.keys, Secrets: i.secrets, Identity: i.people(),
		Now: i.now, Random: rand.Reader, PublicURL: i.url, DefaultDirectory: "default", Actor: admin.LocalActor("test"),
	}))(i.T)
}

// known lets five seconds pass, after which every instance knows every change.
func known(instances ...*instance) {
	instances[0].clock.Advance(5 * time.Second)
	for _, i := range instances {
		i.load()
	}
}

// signedIn reports whether the browser has a session at an instance.
func (b *browser) signedIn(at *instance) bool {
	b.Helper()
	page := b.visit(strings.Replace(b.authorizeURL("web", "prompt", "none"), b.url, at.address, 1))
	sent := must(url.Parse(page.header.Get("Location")))(b.T).Query()
	if !sent.Has("code") && sent.Get("error") != "login_required" {
		b.Errorf("%s: got %d %s", at.address, page.status, page.raw)
	}
	return sent.Has("code")
}

// wantEnded asserts that no instance accepts the tokens of a user or the session of a browser.
func (b *browser) wantEnded(tokens apiResponse, instances ...*instance) {
	b.Helper()
	for _, i := range instances {
		if a := i.refresh("web", tokens.text("refresh_token")); a.status != http.StatusBadRequest || a.text("error") != "invalid_grant" {
			b.Errorf("%s: refresh answers %d %s", i.address, a.status, a.raw)
		}
		if a := i.get("/oauth2/userinfo", tokens.text("access_token")); a.status != http.StatusUnauthorized {
			b.Errorf("%s: UserInfo answers %d %s", i.address, a.status, a.raw)
		}
		if b.signedIn(i) {
			b.Errorf("%s: the browser is signed in", i.address)
		}
	}
}

// flow signs ann in with a browser, and returns her tokens.
func (b *browser) flow() apiResponse {
	b.Helper()
	return b.redeem(b.code("web", "scope", "openid offline_access", "prompt", "consent")).wantOK(b.T)
}

func TestLifecycle_RecreatedUserStartsWithNothingOnTwoInstances(t *testing.T) {
	t.Parallel()
	a, b, _ := newPair(t)
	a.addWeb()
	ann := a.newBrowser()
	before := ann.flow()
	operator := a.operator()
	check(t, operator.DeleteUser(t.Context(), "default", before.sub(t)))
	created := must(operator.CreateUser(t.Context(), "default", identity.Account{Username: "ann", Password: userPassword}))(t)
	known(a, b)
	ann.wantEnded(before, a, b)
	after := a.newBrowser().flow()
	if after.sub(t) != created.ID || after.sub(t) == before.sub(t) {
		t.Errorf("ann is %s, she was %s, and %s was created", after.sub(t), before.sub(t), created.ID)
	}
	b.refresh("web", after.text("refresh_token")).wantOK(t)
}

func TestLifecycle_EndedGrantAndSessionReturnForNoLaterOnesOnTwoInstances(t *testing.T) {
	t.Parallel()
	a, b, _ := newPair(t)
	a.addWeb()
	ann := a.newBrowser()
	before := ann.flow()
	check(t, a.operator().SignOutUser(t.Context(), "default", before.sub(t)))
	after := a.newBrowser().flow()
	known(a, b)
	ann.wantEnded(before, a, b)
	b.refresh("web", after.text("refresh_token")).wantOK(t)
}

func TestLifecycle_RevokedKeyReturnsOnNoneOfTwoInstances(t *testing.T) {
	t.Parallel()
	a, b, app := newPair(t)
	before := a.exchange("mini", app.Login("alice")).wantOK(t).text("access_token")
	header, _ := tokenPart(t, before, 0)["kid"].(string)
	must(a.keys.Revoke(t.Context(), "default", header))(t)
	known(a, b)
	for range 2 {
		for _, i := range []*instance{a, b} {
			if answer := i.get("/oauth2/userinfo", before); answer.status != http.StatusUnauthorized {
				t.Errorf("%s: UserInfo answers %d %s", i.address, answer.status, answer.raw)
			}
			if set := i.get("/oauth2/jwks", "").wantOK(t); strings.Contains(set.raw, header) {
				t.Errorf("%s: the revoked key is published", i.address)
			}
			next := i.exchange("mini", app.Login("alice")).wantOK(t).text("access_token")
			if tokenPart(t, next, 0)["kid"] == header {
				t.Errorf("%s: the revoked key signs", i.address)
			}
		}
		must(a.keys.RotateNow(t.Context(), "default", keys.ES256))(t)
		known(a, b)
	}
}

// A first login is held before its user is inserted. Then the directory is deleted, and another one gets its ID.
func TestLifecycle_UserWhoSignsInDuringTheDeletionOfTheDirectoryIsNotInTheRecreatedOne(t *testing.T) {
	t.Parallel()
	a, b, _ := newPair(t)
	operator := b.operator()
	create := func() {
		must(operator.CreateDirectory(t.Context(), storage.Directory{ID: "shop"}))(t)
	}
	create()
	inShop := func(c *storage.Client) { c.Directory = "shop" }
	app := a.addMiniProgram("shop-mini", inShop)
	client := must(storage.Get[storage.Client](t.Context(), a.engine, storage.Key("shop", "shop-mini")))(t).Record
	login := func(i *instance) apiResponse {
		return i.send("shop-mini", "/d/shop/oauth2/token", inPairs([]string{
			"grant_type", "urn:ietf:params:oauth:grant-type:token-exchange",
			"subject_token_type", "urn:minifed:params:oauth:token-type:wechat-miniapp-code", "subject_token", app.Login("alice"),
		}))
	}
	known(a, b)
	held := a.proxy.holdFirst(insertOf(storage.KindUser))
	var before apiResponse
	var calls sync.WaitGroup
	calls.Go(func() { before = login(a) })
	<-held.arrived
	must(operator.DisableDirectory(t.Context(), "shop"))(t)
	check(t, operator.DeleteClient(t.Context(), "shop", "shop-mini"))
	check(t, operator.DeleteDirectory(t.Context(), "shop"))
	create()
	close(held.release)
	calls.Wait()
	client.Incarnation = "second"
	must(storage.Insert(t.Context(), b.engine, client))(t)
	known(a, b)
	if users, _, err := operator.Users(t.Context(), "shop", "", admin.Page{}); err != nil || len(users) > 0 {
		t.Errorf("the recreated directory has %+v, error %v", users, err)
	}
	for _, i := range []*instance{a, b} {
		answer := i.send("shop-mini", "/d/shop/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {before.text("refresh_token")}})
		if answer.status != http.StatusBadRequest {
			t.Errorf("%s: refresh answers %d %s", i.address, answer.status, answer.raw)
		}
	}
	first, second := login(a).wantOK(t), login(b).wantOK(t)
	if first.sub(t) != second.sub(t) || before.status == http.StatusOK && before.sub(t) == first.sub(t) {
		t.Errorf("alice was %s and is %s, and %s at the other instance", before.raw, first.sub(t), second.sub(t))
	}
}
