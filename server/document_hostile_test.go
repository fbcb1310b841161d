package server_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
)

// TestClientDocument_KeysAndLogosCallNoPrivateAddress by the URIs in a document at a listed host, whose name is public. The address of
// a name can change between two calls, so each call checks the address that it dials.
func TestClientDocument_KeysAndLogosCallNoPrivateAddress(t *testing.T) {
	t.Parallel()
	ts, host := newDocumentServer(t, func(p *storage.Policy) { p.DocumentHosts = []string{"agent.example.com"} })
	key := signers()["ES256"]
	b := ts.newBrowser()
	for i, address := range []string{"127.0.0.1", "169.254.169.254", "10.0.0.1", "::1", "fd00:ec2::254", "::ffff:169.254.169.254"} {
		inside := "in" + string(rune('a'+i)) + ".example.com"
		ts.outside.at(inside, address)
		host.publishText("https://"+inside+"/jwks", string(jwks(key)))
		id := agentID + "?" + string(rune('a'+i))
		host.publish(id, "token_endpoint_auth_method", "private_key_jwt", "jwks_uri", "https://"+inside+"/jwks", "logo_uri", "https://"+inside+"/logo.png")
		b.get(ts.agentURL(id))
		if i == 0 {
			b.signIn("alice")
		}
		b.allow()
		ts.clock.Advance(30 * time.Second)
		form := url.Values{"grant_type": {"authorization_code"}, "code": {b.code()}, "redirect_uri": {agentRedirect}, "code_verifier": {verifier}}
		if a := ts.postWithAssertion("/oauth2/token", key.sign(t, ts.assertionClaims(id), nil), form); a.member("reason") != "retry" || a.member("access_token") != "" {
			t.Errorf("%s: %d %s", address, a.status, a.raw)
		}
		ts.clock.Advance(time.Minute)
	}
	for _, dialled := range ts.outside.dialled {
		if dialled.Addr().String() != "93.184.215.14" {
			t.Errorf("dialled %s", dialled)
		}
	}
	if n := host.count(); n != 6 {
		t.Errorf("%d requests, want one for each document", n)
	}
	// The name is public for the document, and private for the keys a moment later.
	id := "https://turning.example.com/client"
	host.publish(id, "token_endpoint_auth_method", "private_key_jwt", "jwks_uri", "https://turning.example.com/jwks")
	b.get(ts.agentURL(id))
	b.allow()
	code := b.code()
	ts.outside.at("turning.example.com", "127.0.0.1")
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {agentRedirect}, "code_verifier": {verifier}}
	if a := ts.postWithAssertion("/oauth2/token", key.sign(t, ts.assertionClaims(id), nil), form); a.member("reason") != "retry" || a.member("access_token") != "" {
		t.Errorf("after the change of the name: %d %s", a.status, a.raw)
	}
}

// TestClientDocument_LogoOnlyInDirectoriesThatListItsHost also where another directory fetched the document before.
func TestClientDocument_LogoOnlyInDirectoriesThatListItsHost(t *testing.T) {
	t.Parallel()
	ts, host := newDocumentServer(t, func(p *storage.Policy) { p.DocumentHosts = []string{"agent.example.com"} })
	tea := teaDirectory()
	tea.Policy.Documents = storage.DocumentsAny
	ts.addDirectory(tea)
	ts.addUserIn("tea", "tea-alice")
	picture := logoOfSize(t, 40, 40, false)
	host.respond("https://agent.example.com/logo.png", func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "image/png")
		_, _ = w.Write(picture)
	})
	withLogo := map[string]bool{}
	for i, directories := range [][]string{{"default", "tea"}, {"tea", "default"}} {
		id := agentID + "?" + string(rune('a'+i))
		host.publish(id, "logo_uri", "https://agent.example.com/logo.png")
		for _, directory := range directories {
			b := ts.newBrowser()
			address, user := ts.agentURL(id), "alice"
			if directory == "tea" {
				address, user = strings.Replace(address, ts.url, ts.url+"/d/tea", 1), "tea-alice"
			}
			b.get(address)
			b.signIn(user)
			b.allow()
			client := must(storage.Get[storage.Client](ts.Context(), ts.engine.Engine, storage.Key(directory, id)))(t).Record
			withLogo[id+directory] = len(client.Logo) > 0
		}
		if !withLogo[id+"default"] || withLogo[id+"tea"] {
			t.Errorf("%v: logos %v", directories, withLogo)
		}
	}
}

func TestClientDocument_NewClientsADayAreBounded(t *testing.T) {
	t.Parallel()
	ts, host := newDocumentServer(t, func(p *storage.Policy) { p.UnknownClientsDaily = 2 })
	b := ts.newBrowser()
	for i := range 4 {
		id := "https://h" + string(rune('a'+i)) + ".example.com/client"
		host.publish(id)
		b.get(ts.agentURL(id))
		if i == 0 {
			b.signIn("alice")
		}
		b.allow()
		if limited := b.page.status == http.StatusTooManyRequests; limited != (i >= 2) || limited && b.page.header.Get("Retry-After") == "" {
			t.Errorf("client %d: %d", i, b.page.status)
		}
	}
	if stored := ts.storedUnknown(); len(stored) != 2 {
		t.Errorf("%d clients are stored", len(stored))
	}
	b.get(ts.agentURL("https://ha.example.com/client")) // A client that is stored already is not counted.
	if b.page.sent.Get("code") == "" {
		t.Errorf("a known client: %d %v", b.page.status, b.page.sent)
	}
	ts.clock.Advance(24 * time.Hour)
	ts.newBrowser().signInAgent("https://hd.example.com/client")
}

// TestClientDocument_ChangeOfMethodAsksAgain because a client without a key can be another program.
func TestClientDocument_ChangeOfMethodAsksAgain(t *testing.T) {
	t.Parallel()
	ts, host := newDocumentServer(t, func(*storage.Policy) {})
	key := []any{"jwks_uri", "https://agent.example.com/jwks"}
	host.publish(agentID, append(key, "token_endpoint_auth_method", "private_key_jwt")...)
	b := ts.newBrowser()
	b.get(ts.agentURL(agentID))
	b.signIn("alice")
	b.allow()
	b.code()
	ts.clock.Advance(61 * time.Minute)
	b.get(ts.agentURL(agentID))
	if b.page.sent.Get("code") == "" {
		t.Fatalf("the consent is not remembered: %s", b.page.body)
	}
	host.publish(agentID, append(key, "token_endpoint_auth_method", "none")...)
	ts.clock.Advance(61 * time.Minute)
	b.get(ts.agentURL(agentID))
	b.wantPage(t, http.StatusOK, "<h1>consent</h1>")
	b.get(ts.agentURL(agentID, "prompt", "none"))
	if b.page.sent.Get("error") != "consent_required" {
		t.Errorf("silent: %v", b.page.sent)
	}
}

// TestClientDocument_SilentSignInNeedsAssuredRedirect: a loopback address or a private scheme can be another program, also while the
// client has a grant of the user (RFC 8252 §8.6).
func TestClientDocument_SilentSignInNeedsAssuredRedirect(t *testing.T) {
	t.Parallel()
	ts, host := newDocumentServer(t, func(*storage.Policy) {})
	redirects := []string{agentRedirect, "http://localhost/callback", "com.example.agent:/callback"}
	host.publish(agentID, "redirect_uris", redirects)
	b := ts.newBrowser()
	for i, redirect := range []string{agentRedirect, "http://localhost:7000/callback", "com.example.agent:/callback"} {
		b.get(ts.agentURL(agentID, "redirect_uri", redirect, "scope", "openid offline_access"))
		if i == 0 {
			b.signIn("alice")
		}
		b.allow()
		if a := ts.redeemAgent(agentID, b.code(), "redirect_uri", redirect); a.status != http.StatusOK {
			t.Fatalf("%s: %d %s", redirect, a.status, a.raw)
		}
		b.get(ts.agentURL(agentID, "redirect_uri", redirect, "scope", "openid", "prompt", "none"))
		if silent := b.page.sent.Get("code") != ""; silent != (i == 0) || !silent && b.page.sent.Get("error") != "consent_required" {
			t.Errorf("%s: %v", redirect, b.page.sent)
		}
	}
}

// TestClientDocument_EachRequestGetsItsOwnDocument when documents of one host are fetched at the same time, and after one of them
// turned into another's.
func TestClientDocument_EachRequestGetsItsOwnDocument(t *testing.T) {
	t.Parallel()
	ts, host := newDocumentServer(t, func(*storage.Policy) {})
	ids := []string{agentID, agentID + "?b", agentID + "?c"}
	for i, id := range ids {
		host.publish(id, "client_name", "Agent "+string(rune('a'+i)), "redirect_uris", []string{agentRedirect + string(rune('a'+i))})
	}
	var asking sync.WaitGroup
	for i := range 12 {
		asking.Go(func() {
			b := ts.newBrowser()
			b.get(ts.agentURL(ids[i%3], "redirect_uri", agentRedirect+string(rune('a'+i%3))))
			b.wantPage(t, http.StatusOK, "<h1>login</h1>")
			if i < 3 { // The redirect URI of another document.
				b.getStatus(ts.agentURL(ids[i], "redirect_uri", agentRedirect+string(rune('a'+(i+1)%3))), http.StatusBadRequest)
			}
		})
	}
	asking.Wait()
	// A document that names the URL of another one is not used for either.
	host.publish(ids[1], "client_id", agentID, "redirect_uris", []string{"https://evil.example.com/callback"})
	ts.clock.Advance(2 * time.Hour)
	b := ts.newBrowser()
	b.wantDocumentError("a swapped document", ts.agentURL(ids[1], "redirect_uri", "https://evil.example.com/callback"), "client_document_unusable")
	b.getStatus(ts.agentURL(agentID, "redirect_uri", "https://evil.example.com/callback"), http.StatusBadRequest)
	b.getStatus(ts.agentURL(agentID, "redirect_uri", agentRedirect+"a"), http.StatusOK)
}

// TestClientDocument_OwnHostsAreNotFetched: neither the public URL nor the host of a directory.
func TestClientDocument_OwnHostsAreNotFetched(t *testing.T) {
	t.Parallel()
	ts, host := newDocumentServer(t, func(*storage.Policy) {})
	ts.addDirectory(storage.Directory{ID: "own", Name: "Own", Issuer: "https://own.example.com"})
	ts.claimHost("own.example.com", "own")
	ts.clock.Advance(6 * time.Second)
	b := ts.newBrowser()
	for _, id := range []string{"https://own.example.com/client.json", "https://own.example.com:8443/client.json", "https://own.example.com/oauth2/jwks"} {
		host.publish(id)
		b.wantDocumentError(id, ts.agentURL(id), "client_document_not_admitted")
	}
	if n := host.count(); n != 0 {
		t.Errorf("%d fetches", n)
	}
}
