package ferretdb

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

// resourceServer is a verifier that caches the JWK Sets for their max-age.
type resourceServer struct {
	*deployment
	sets []fetchedSet
}

type fetchedSet struct {
	from  *instance
	until time.Time
	keys  jose.JSONWebKeySet
}

// fetch fetches the JWK Set of an instance, and forgets what it may not keep any longer.
func (r *resourceServer) fetch(i *instance) {
	r.Helper()
	now := r.clock.Now()
	var kept []fetchedSet
	for _, set := range r.sets {
		if now.Before(set.until) {
			kept = append(kept, set)
		}
	}
	response := i.get("/oauth2/jwks", "").wantOK(r.T)
	set := fetchedSet{from: i, until: now}
	check(r.T, json.Unmarshal([]byte(response.raw), &set.keys))
	_, age, found := strings.Cut(response.header.Get("Cache-Control"), "max-age=")
	age, _, _ = strings.Cut(age, ",")
	if found {
		set.until = now.Add(time.Duration(must(strconv.Atoi(age))(r.T)) * time.Second)
	}
	r.sets = append(kept, set)
}

// verify asserts that every cached set has the key of a token.
func (r *resourceServer) verify(token string, doing string) {
	r.Helper()
	parsed := must(jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256}))(r.T)
	for _, set := range r.sets {
		found := set.keys.Key(parsed.Signatures[0].Header.KeyID)
		if len(found) == 0 {
			r.Errorf("%s: signed by a key that a JWK Set kept since before does not have", doing)
			continue
		}
		if _, err := parsed.Verify(found[0]); err != nil {
			r.Errorf("%s: %v", doing, err)
		}
	}
}

// While signing keys rotate, one instance reads them all the time and the other never again, as if frozen except for its
// requests. A verifier may have an old JWK Set of either.
func TestRotation_FrozenInstanceSignsOnlyVerifiableTokens(t *testing.T) {
	t.Parallel()
	a, frozen, app := newPair(t)
	verifier := &resourceServer{deployment: a.deployment}
	kids := map[any]int{}
	must(a.keys.Rotate(t.Context(), "default", "ES256"))(t)
	frozenSigned := 0
	// A day later the retired key has left the JWK Set.
	for minute := 0; minute < 27*60; minute += step(minute, a.clock) {
		a.load()
		verifier.fetch(a)
		verifier.fetch(frozen)
		first := a.exchange("mini", app.Login("alice")).wantOK(t)
		verifier.verify(first.text("id_token"), fmt.Sprintf("minute %d", minute))
		kids[tokenPart(t, first.text("id_token"), 0)["kid"]]++
		second := frozen.refresh("mini", first.text("refresh_token"))
		switch second.status {
		case http.StatusOK:
			frozenSigned++
			verifier.verify(second.text("id_token"), fmt.Sprintf("the frozen instance in minute %d", minute))
		case http.StatusServiceUnavailable:
		default:
			t.Errorf("minute %d: the frozen instance returns %d %s", minute, second.status, second.raw)
		}
		a.get("/oauth2/userinfo", first.text("access_token")).wantOK(t)
		frozen.get("/oauth2/userinfo", first.text("access_token")).wantOK(t)
	}
	if len(kids) != 2 || frozenSigned < 15 {
		t.Errorf("signed by %d keys, want 2; the frozen instance signed %d times", len(kids), frozenSigned)
	}
}

// step moves the clock by two minutes during the first forty, and then by hours, and returns by how many minutes it did.
func step(minute int, c *storagetest.Clock) int {
	by := 2
	if minute >= 40 {
		by = 13 * 60
	}
	c.Advance(time.Duration(by) * time.Minute)
	return by
}

// An instance that cannot read the store does not sign by old keys for ever.
func TestRotation_InstanceWithoutStoreStopsSigning(t *testing.T) {
	t.Parallel()
	_, i := newDeployment(t, (*Server).Proxy, impatient)
	i.get("/oauth2/jwks", "").wantOK(t)
	i.proxy.Down()
	sign := func() error {
		_, err := i.keys.Sign(t.Context(), "default", "ES256", "JWT", []byte(`{}`))
		return err
	}
	check(t, sign())
	if i.keys.MaxAge("default") == 0 {
		t.Error("a fresh JWK Set must not be kept")
	}
	i.clock.Advance(10 * time.Minute)
	if err := sign(); err == nil {
		t.Error("it signs by keys that it has not read for ten minutes")
	}
	if i.keys.MaxAge("default") != 0 {
		t.Error("an old JWK Set may be kept")
	}
	i.get("/oauth2/jwks", "").wantOK(t)
	i.proxy.Up()
	err := errors.New("it has not asked yet")
	for range 20 {
		i.clock.Advance(time.Second) // after which it asks again
		if err = sign(); err == nil {
			break
		}
	}
	check(t, err)
}

// Token secrets are rotated while one instance reads them at once and the other eleven minutes later. Sessions, codes and
// repeats go through either all the time.
func TestRotation_OfTokenSecretsLosesNoSession(t *testing.T) {
	t.Parallel()
	a, b, app := newPair(t)
	sessions := []string{a.exchange("mini", app.Login("alice")).wantOK(t).text("refresh_token")}
	must2(a.secrets.Rotate(t.Context(), "default"))(t)
	for minute := 0; minute < 40; minute += 2 {
		a.load()
		if minute > 11 {
			b.load()
		}
		from, to := a, b
		if minute%4 == 2 {
			from, to = b, a
		}
		// A login here is repeated there, and goes on there.
		code := app.Login("alice")
		made := from.exchange("mini", code).wantOK(t)
		if again := to.exchange("mini", code).wantOK(t); again.text("refresh_token") != made.text("refresh_token") {
			t.Errorf("minute %d: the repeat made another session", minute)
		}
		sessions = append(sessions, to.refresh("mini", made.text("refresh_token")).wantOK(t).text("refresh_token"))
		a.clock.Advance(2 * time.Minute)
	}
	for n, token := range sessions {
		if a := []*instance{a, b}[n%2].refresh("mini", token); a.status != http.StatusOK {
			t.Errorf("session %d is lost: %d %s", n, a.status, a.raw)
		}
	}
}

func must2[V, W any](_ V, _ W, err error) func(testing.TB) {
	return func(t testing.TB) {
		t.Helper()
		check(t, err)
	}
}

// The master key is rotated as Reseal says, one instance at a time, with logins and refreshes through each in between.
func TestRotation_OfTheMasterKeyLosesNoSession(t *testing.T) {
	t.Parallel()
	w, a := newDeployment(t, (*Server).Proxy)
	app := a.addMiniProgram("mini", func(*storage.Client) {})
	old, next := w.master, must(keys.GenerateMasterKey(rand.Reader))(t)
	session := a.exchange("mini", app.Login("alice")).wantOK(t)
	sub, token, number := session.sub(t), session.text("refresh_token"), 0
	goOn := func(instances ...*instance) {
		t.Helper()
		for _, i := range instances {
			number++
			i.clock.Advance(10 * time.Second) // after which clients are read again
			if got := i.exchange("mini", app.Login("alice")).wantOK(t).sub(t); got != sub {
				t.Errorf("alice is %s, she was %s", got, sub)
			}
			refreshed := i.refresh("mini", token).wantOK(t)
			token = refreshed.text("refresh_token")
			// What is sealed now must be open to all.
			name := fmt.Sprint("mini", number)
			another := i.addMiniProgram(name, func(*storage.Client) {})
			for _, j := range instances {
				j.exchange(name, another.Login("bob")).wantOK(t)
			}
			must(i.keys.Rotate(t.Context(), "default", "ES256"))(t)
			must2(i.secrets.Rotate(t.Context(), "default"))(t)
			for _, j := range instances {
				j.load()
			}
		}
	}
	restarted := func(text string) *instance {
		return w.start(func(i *instance) { i.masterKeys = text })
	}
	b := w.start()
	goOn(a, b)
	// 1. Every instance gets the new key as its last line.
	a = restarted(old + "\n" + next)
	goOn(a, b)
	b = restarted(old + "\n" + next)
	goOn(a, b)
	// 2. It becomes the first line.
	a = restarted(next + "\n" + old)
	goOn(a, b)
	b = restarted(next + "\n" + old)
	goOn(a, b)
	// 3. Everything is sealed by it.
	changed := must(keys.Reseal(t.Context(), a.engine, must(keys.ParseMaster(next+"\n"+old, rand.Reader))(t)))(t)
	if changed == 0 {
		t.Error("nothing was sealed anew")
	}
	goOn(a, b)
	// 4. The old one is taken away.
	a = restarted(next)
	goOn(a, b)
	b = restarted(next)
	goOn(a, b)
	if err := keys.CheckMaster(t.Context(), a.engine, must(keys.ParseMaster(old, rand.Reader))(t)); err == nil {
		t.Error("the old key still opens the store")
	}
}
