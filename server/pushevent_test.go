package server_test

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/server"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
	"github.com/minifed/minifed/wechat"
	"github.com/minifed/minifed/wechat/wechattest"
)

const (
	pushToken      = "token-of-the-push-url"
	pushKey        = "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkA"
	eventsPath     = "/federation/wechat/events/"
	knownUser      = "alice"
	numberOfPushed = "+8613800138000"
)

// setPushKeys gives the client "mini" of a directory push settings.
func (ts *testServer) setPushKeys(c *storage.Client) {
	ts.Helper()
	c.Federation.PushToken = must(ts.master.Seal([]byte(pushToken), keys.PushTokenBinding(c.Directory, c.ID)))(ts.T)
	c.Federation.EncodingAESKey = must(ts.master.Seal([]byte(pushKey), keys.EncodingAESKeyBinding(c.Directory, c.ID)))(ts.T)
}

// newPushServer returns a server with push settings, and a user of the mini-program with a number and a nickname.
func newPushServer(t *testing.T, engine func(t *testing.T, c *storagetest.Clock) storage.Engine) (ts *testServer, user string) {
	t.Helper()
	c := newClock()
	ts = newTestServerOn(t, c, engine(t, c))
	ts.change("mini", ts.setPushKeys)
	app := ts.app("mini")
	ts.sim.SetPhone(knownUser, wechat.PhoneNumber{CountryCode: "86", PureNumber: "13800138000"})
	a := ts.profile("mini", map[string]any{
		"code": app.Login(knownUser), "phone_code": app.TapPhone(knownUser), "scope": "openid profile phone", "user": map[string]any{"nickname": "Li", "picture": "https://wx.example/1.png"},
	})
	ts.wantStatus(a, http.StatusOK)
	return ts, ts.sub(a)
}

// pushEvent sends an event of the client "mini" as WeChat does.
func (ts *testServer) pushEvent(push wechattest.Push) error {
	ts.Helper()
	if push.URL == "" {
		push.URL = ts.url + eventsPath + "mini"
	}
	if push.User == "" {
		push.User = knownUser
	}
	push.Token, push.EncodingAESKey = pushToken, pushKey
	return ts.app("mini").Push(ts.Context(), push)
}

func (ts *testServer) applyEvents() {
	ts.Helper()
	check(ts.T, ts.server.ApplyEvents(ts.Context()))
}

func (ts *testServer) stored(user string) storage.User {
	ts.Helper()
	return must(storage.Get[storage.User](ts.Context(), ts.engine.Engine, storage.Key("default", user)))(ts.T).Record
}

func (ts *testServer) outcomes() []string {
	ts.Helper()
	var outcomes []string
	for _, event := range list[storage.PushEvent](ts) {
		outcomes = append(outcomes, event.Outcome)
	}
	slices.Sort(outcomes)
	return outcomes
}

// forms are the forms in which WeChat sends an event.
func forms() map[string]wechattest.Push {
	return map[string]wechattest.Push{
		"JSON": {}, "XML": {XML: true}, "JSON, compatible": {Compatible: true}, "XML, compatible": {XML: true, Compatible: true},
		"JSON, plain": {Plain: true}, "XML, plain": {XML: true, Plain: true},
	}
}

// Every event, in every form, sent twice, on the engines in memory and in a file.
func TestPushEvents_AreAppliedOnce(t *testing.T) {
	t.Parallel()
	nothing := func(storage.User) bool { return true }
	rows := map[string]struct {
		push    wechattest.Push
		outcome string
		want    func(storage.User) bool
		// ends means that the refresh token of the user ends.
		ends bool
	}{
		"data modified":         {wechattest.Push{Event: wechat.EventUserInfoModified}, "withdrawn", func(u storage.User) bool { return u.Profile.Nickname == "" && u.Profile.Picture == "" && u.Phone != "" }, false},
		"number withdrawn":      {wechattest.Push{Event: wechat.EventUserRevoked, RevokeInfo: wechat.RevokePhone}, "withdrawn", func(u storage.User) bool { return u.Phone == "" && u.Profile.Nickname == "Li" }, true},
		"avatar withdrawn":      {wechattest.Push{Event: wechat.EventUserRevoked, RevokeInfo: wechat.RevokeAvatarComponent}, "withdrawn", func(u storage.User) bool { return u.Profile.Picture == "" && u.Profile.Nickname == "Li" }, false},
		"nickname withdrawn":    {wechattest.Push{Event: wechat.EventUserRevoked, RevokeInfo: wechat.RevokeNicknameKeyboard}, "withdrawn", func(u storage.User) bool { return u.Profile.Picture != "" && u.Profile.Nickname == "" }, false},
		"location withdrawn":    {wechattest.Push{Event: wechat.EventUserRevoked, RevokeInfo: wechat.RevokeLocation}, "withdrawn", func(u storage.User) bool { return u.Phone != "" && u.Profile.Nickname == "Li" }, false},
		"everything withdrawn":  {wechattest.Push{Event: wechat.EventUserRevoked, RevokeInfo: wechat.RevokeAll}, "withdrawn", func(u storage.User) bool { return u.Phone == "" && u.Profile.Nickname == "" }, true},
		"an unknown withdrawal": {wechattest.Push{Event: wechat.EventUserRevoked, RevokeInfo: 99}, "withdrawn", func(u storage.User) bool { return u.Phone == "" && u.Profile.Nickname == "" }, true},
		"account deregistered": {wechattest.Push{Event: wechat.EventUserDeregistered}, "deletion_requested", func(u storage.User) bool {
			return u.Phone == "" && u.Epoch == 1 && u.Status == storage.UserDeletionPending
		}, true},
		"of an unknown user":     {wechattest.Push{Event: wechat.EventUserDeregistered, User: "nobody"}, "unknown_user", nothing, false},
		"an event without users": {wechattest.Push{Event: "debug_demo"}, "none", nothing, false},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for form, how := range forms() {
				engine := "memory"
				if form == "XML" {
					engine = "sqlite"
				}
				ts, user := newPushServer(t, engines()[engine])
				token := ts.login("mini", knownUser, "scope", "openid offline_access").member("refresh_token")
				how.Event, how.RevokeInfo, how.User, how.Repeat = row.push.Event, row.push.RevokeInfo, row.push.User, 2
				check(t, ts.pushEvent(how))
				if got := len(list[storage.PushEvent](ts)); got != 1 && row.outcome != "none" {
					t.Fatalf("%s: %d stored events", form, got)
				}
				ts.applyEvents()
				check(t, ts.pushEvent(how))
				ts.applyEvents()
				if got := ts.outcomes(); row.outcome != "none" && (len(got) != 1 || got[0] != row.outcome) || row.outcome == "none" && len(got) > 0 {
					t.Errorf("%s: outcomes %q", form, got)
				}
				if got := ts.stored(user); !row.want(got) {
					t.Errorf("%s: got %+v", form, got)
				}
				if a := ts.refresh("mini", token); (a.status != http.StatusOK) != row.ends {
					t.Errorf("%s: refresh: %d %s", form, a.status, a.raw)
				}
			}
		})
	}
}

// Events of connections act on the OpenIDs of their apps, in every form. Those of a mobile app end the grants of its clients.
func TestPushEvents_OfConnections(t *testing.T) {
	t.Parallel()
	ts, mobile := newNativeServer(t)
	registry := prometheus.NewRegistry()
	counted := ts.withConfig(func(c *server.Config) { c.Metrics = registry })
	apps := map[string]*wechattest.App{"website": ts.website, "official-account": ts.account, "native-app": mobile}
	for _, app := range apps {
		appID := string(app.Credential().ID)
		editRecord(ts.testServer, storage.Key("default", appID), func(c *storage.Connection) {
			c.PushToken = must(ts.master.Seal([]byte(pushToken), keys.ConnectionPushTokenBinding("default", appID)))(t)
			c.EncodingAESKey = must(ts.master.Seal([]byte(pushKey), keys.ConnectionEncodingAESKeyBinding("default", appID)))(t)
			c.Disabled = app == ts.account // A disabled connection still receives what its users withdraw.
		})
	}
	ts.sim.SetPerson("alice", wechattest.Person{Nickname: "Li", Picture: "https://wx.example/1.png"})
	ts.clock.Advance(6 * time.Second)
	sub := ts.sub(ts.exchangeNative("app", mobile.SendAuth("alice"), "scope", "openid profile"))
	b := ts.newFormBrowser()
	b.get(b.signInAtWeChat("website", "alice"))
	send := func(kind string, push wechattest.Push) error {
		push.URL, push.User = counted.url+eventsPath+string(apps[kind].Credential().ID), "alice"
		push.Token, push.EncodingAESKey = pushToken, pushKey
		return apps[kind].Push(t.Context(), push)
	}
	want := map[string]float64{}
	apply := func(event, outcome string) {
		t.Helper()
		check(t, counted.server.ApplyEvents(t.Context()))
		want[event+" "+outcome]++
		if got := counter(t, registry, "minifed_push_events_total", "event="+event, "outcome="+outcome); got != want[event+" "+outcome] {
			t.Errorf("%s %s is counted %v times, want %v", event, outcome, got, want[event+" "+outcome])
		}
	}
	if got := ts.stored(sub); got.Profile.Nickname != "Li" {
		t.Fatalf("the user has no nickname: %+v", got)
	}
	// 1. A website's event leaves what came from the mobile app, and all tokens.
	token := ts.exchangeNative("app", mobile.SendAuth("alice")).member("refresh_token")
	check(t, send("website", wechattest.Push{Event: wechat.EventUserRevoked, RevokeInfo: wechat.RevokeAll, XML: true, Repeat: 1}))
	apply(wechat.EventUserRevoked, "withdrawn")
	if got := ts.stored(sub); got.Profile.Nickname != "Li" {
		t.Errorf("the nickname came from another app: %+v", got)
	}
	if got := ts.refresh("app", token); got.status != http.StatusOK {
		t.Errorf("refresh after the website's event: %d %s", got.status, got.raw)
	}
	// 2. The mobile app's event deletes what came from it, and ends its tokens.
	check(t, send("native-app", wechattest.Push{Event: wechat.EventUserRevoked, RevokeInfo: wechat.RevokeAll}))
	apply(wechat.EventUserRevoked, "withdrawn")
	if got := ts.stored(sub); got.Profile.Nickname != "" || got.Profile.Picture != "" {
		t.Errorf("the profile is still there: %+v", got)
	}
	if got := ts.refresh("app", token); got.status == http.StatusOK {
		t.Error("a refresh token of the app is still valid")
	}
	// 3. An official account without this user, and a user who has another way to sign in.
	check(t, send("official-account", wechattest.Push{Event: wechat.EventUserDeregistered, Compatible: true}))
	apply(wechat.EventUserDeregistered, "unknown_user")
	check(t, send("website", wechattest.Push{Event: wechat.EventUserDeregistered}))
	apply(wechat.EventUserDeregistered, "detached")
	check(t, send("native-app", wechattest.Push{Event: wechat.EventUserDeregistered}))
	apply(wechat.EventUserDeregistered, "deletion_requested")
	// 4. Forged, foreign and plain ones.
	for name, row := range map[string]struct {
		push   wechattest.Push
		status string
	}{
		"a wrong signature": {wechattest.Push{WrongSignature: true}, "403"},
		"of another app":    {wechattest.Push{WrongTail: true}, "400"},
		"an old one":        {wechattest.Push{Age: 6 * time.Minute}, "403"},
	} {
		row.push.Event = wechat.EventUserDeregistered
		if err := send("website", row.push); err == nil || !strings.Contains(err.Error(), row.status) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if !strings.Contains(ts.log.String(), "connection set-push-keys") {
		t.Error("the log does not name the remedy")
	}
	// 5. A failed attempt is counted.
	check(t, send("website", wechattest.Push{Event: wechat.EventUserInfoModified}))
	ts.engine.Before = func(_ context.Context, o storagetest.Operation) error {
		if o.Kind == storage.KindIdentity {
			return storage.ErrUnavailable
		}
		return nil
	}
	apply(wechat.EventUserInfoModified, "failed")
	ts.engine.Before = nil
	actions := map[string]int{}
	for _, entry := range list[storage.AuditEntry](ts.testServer) {
		if strings.HasPrefix(entry.Actor, "wechat:wxsim") {
			actions[entry.Action]++
		}
	}
	if actions[identity.ActionWithdraw] != 4 || actions[identity.ActionDetach] != 1 {
		t.Errorf("audited: %v", actions)
	}
}

// counter returns the value of a counter whose labels are written as name=value, in the order of their names.
func counter(t *testing.T, registry *prometheus.Registry, name string, labels ...string) float64 {
	t.Helper()
	for _, family := range must(registry.Gather())(t) {
		for _, metric := range family.GetMetric() {
			var has []string
			for _, label := range metric.GetLabel() {
				has = append(has, label.GetName()+"="+label.GetValue())
			}
			if family.GetName() == name && slices.Equal(has, labels) {
				return metric.GetCounter().GetValue()
			}
		}
	}
	return 0
}

func TestPushEvents_AreAudited(t *testing.T) {
	t.Parallel()
	ts, user := newPushServer(t, engines()["memory"])
	check(t, ts.pushEvent(wechattest.Push{Event: wechat.EventUserRevoked, RevokeInfo: wechat.RevokePhone}))
	ts.applyEvents()
	entries := list[storage.AuditEntry](ts)
	i := slices.IndexFunc(entries, func(e storage.AuditEntry) bool { return e.Action == identity.ActionWithdraw })
	if i < 0 {
		t.Fatal("there is no entry")
	}
	got := entries[i]
	if !strings.HasPrefix(got.Actor, "wechat:wxsim") || got.Target != "user:"+user || got.Details["event"] != wechat.EventUserRevoked || got.Details["revoked"] != "8" || got.Before["phone"] != "…8000" {
		t.Errorf("got %+v", got)
	}
	for _, event := range list[storage.PushEvent](ts) {
		if event.OpenID != "" || event.ExpiresAt.IsZero() {
			t.Errorf("an applied event still names its user: %+v", event)
		}
	}
}

func TestPushEvents_DeregisteredUserGoesAfterGrace(t *testing.T) {
	t.Parallel()
	ts, user := newPushServer(t, engines()["memory"])
	check(t, ts.pushEvent(wechattest.Push{Event: wechat.EventUserDeregistered}))
	ts.applyEvents()
	if got := ts.outcomes(); !slices.Equal(got, []string{"deletion_requested"}) {
		t.Errorf("outcomes %q", got)
	}
	deletions := identity.Deletions{Service: ts.identityService()}
	ts.clock.Advance(storage.Policy{}.DeletionGrace() - time.Minute)
	rejected := ts.profile("mini", map[string]any{"code": ts.app("mini").Login(knownUser)})
	if ts.wantStatus(rejected, http.StatusForbidden); rejected.member("reason") != "deletion_pending" {
		t.Errorf("got %v", rejected.body)
	}
	check(t, deletions.DeleteDue(ts.Context()))
	if got := ts.stored(user); got.Status != storage.UserDeletionPending {
		t.Errorf("got %+v", got)
	}
	ts.clock.Advance(time.Minute)
	check(t, deletions.DeleteDue(ts.Context()))
	if got := ts.stored(user); got.Status != storage.UserDeleted {
		t.Errorf("got %+v", got)
	}
}

// An older event that arrives after a newer one acts on what existed when it happened.
func TestPushEvents_ArriveOutOfOrderAndLate(t *testing.T) {
	t.Parallel()
	ts, user := newPushServer(t, engines()["memory"])
	ts.clock.Advance(time.Minute)
	check(t, ts.pushEvent(wechattest.Push{Event: wechat.EventUserRevoked, RevokeInfo: wechat.RevokePhone}))
	ts.applyEvents()
	ts.clock.Advance(time.Hour)
	app := ts.app("mini")
	ts.wantStatus(ts.profile("mini", map[string]any{"code": app.Login(knownUser), "phone_code": app.TapPhone(knownUser)}), http.StatusOK)
	check(t, ts.pushEvent(wechattest.Push{Event: wechat.EventUserRevoked, RevokeInfo: wechat.RevokeAll, Late: 50 * time.Minute}))
	ts.applyEvents()
	if got := ts.stored(user); got.Phone != numberOfPushed || got.Profile.Nickname != "" {
		t.Errorf("a number that was given later must stay, the old nickname must go: %+v", got)
	}
	check(t, ts.pushEvent(wechattest.Push{Event: wechat.EventUserDeregistered, Late: 3 * time.Hour}))
	ts.applyEvents()
	if got := ts.outcomes(); !slices.Contains(got, "unknown_user") {
		t.Errorf("an event from before the user: outcomes %q", got)
	}
}

// WeChat gets "success" only for a stored event, and within five seconds.
func TestPushEvents_AreSentAgainWhenTheStoreIsDown(t *testing.T) {
	t.Parallel()
	ts, user := newPushServer(t, engines()["memory"])
	ts.config.RequestTimeout = 4 * time.Second
	attempts := 0
	ts.engine.Before = func(ctx context.Context, o storagetest.Operation) error {
		if o.Kind != storage.KindPushEvent {
			return nil
		}
		if attempts++; attempts <= 2 {
			return storage.ErrUnavailable
		}
		return nil
	}
	event := wechattest.Push{Event: wechat.EventUserRevoked, RevokeInfo: wechat.RevokePhone}
	check(t, ts.pushEvent(event)) // The third delivery.
	if attempts != 3 {
		t.Errorf("%d attempts", attempts)
	}
	ts.engine.Before = func(context.Context, storagetest.Operation) error { return storage.ErrUnavailable }
	event.RevokeInfo = wechat.RevokeAll
	if err := ts.pushEvent(event); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("a dead store: %v", err)
	}
	// The worker waits for the store.
	if err := ts.server.ApplyEvents(ts.Context()); err == nil {
		t.Error("applied without a store")
	}
	ts.engine.Before = nil
	ts.applyEvents()
	if got := ts.stored(user); got.Phone != "" || got.Profile.Nickname != "Li" {
		t.Errorf("got %+v", got)
	}
}

func TestPushEvents_RespondBeforeWeChatGivesUp(t *testing.T) {
	t.Parallel()
	ts, _ := newPushServer(t, engines()["memory"])
	ts.config.WeChatTimeout, ts.config.RequestTimeout = 50*time.Millisecond, 100*time.Millisecond
	hanging := ts.secondInstance()
	ts.engine.Before = func(ctx context.Context, o storagetest.Operation) error {
		if o.Kind == storage.KindPushEvent {
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}
	request := must(ts.app("mini").PushRequest(t.Context(), wechattest.Push{
		URL: hanging.url + eventsPath + "mini", Token: pushToken, EncodingAESKey: pushKey, Event: wechat.EventUserInfoModified, User: knownUser,
	}))(t)
	if a := ts.do(request); a.status != http.StatusServiceUnavailable {
		t.Errorf("got %d %s", a.status, a.raw)
	}
}

// An attempt that fails, or whose process ends, is repeated until the event is applied.
func TestPushEvents_SurviveFailuresOfTheWorker(t *testing.T) {
	t.Parallel()
	for fails := 1; ; fails++ {
		ts, user := newPushServer(t, engines()["memory"])
		check(t, ts.pushEvent(wechattest.Push{Event: wechat.EventUserRevoked, RevokeInfo: wechat.RevokeAll}))
		operations, failed := 0, false
		ts.engine.Before = func(_ context.Context, o storagetest.Operation) error {
			if operations++; operations >= fails && o.Write() {
				failed = true
				return storage.ErrUnavailable // and nothing works from here on, as after kill -9
			}
			return nil
		}
		_ = ts.server.ApplyEvents(ts.Context())
		ts.engine.Before = nil
		ts.clock.Advance(2 * time.Minute)
		ts.applyEvents()
		if got := ts.stored(user); got.Phone != "" || got.Profile.Nickname != "" || !slices.Equal(ts.outcomes(), []string{"withdrawn"}) {
			t.Errorf("after a failure at operation %d: %+v, outcomes %q", fails, got, ts.outcomes())
		}
		if !failed {
			return
		}
	}
}

func TestPushEvents_AreAppliedByOneInstance(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"memory", "sqlite"} {
		ts, user := newPushServer(t, engines()[engine])
		other := ts.secondInstance()
		check(t, ts.pushEvent(wechattest.Push{Event: wechat.EventUserDeregistered}))
		var group sync.WaitGroup
		for range 4 {
			for _, instance := range []*testServer{ts, other} {
				group.Go(func() { _ = instance.server.ApplyEvents(ts.Context()) })
			}
		}
		group.Wait()
		if got := ts.stored(user); got.Epoch != 1 {
			t.Errorf("%s: applied %d times", engine, got.Epoch)
		}
	}
}

func TestPushEvents_ForgedAndReplayedAreRejected(t *testing.T) {
	t.Parallel()
	ts, user := newPushServer(t, engines()["memory"])
	ts.addMiniProgram("other", ts.setPushKeys)
	ts.addMiniProgram("without", func(*storage.Client) {})
	event := wechattest.Push{Event: wechat.EventUserRevoked, RevokeInfo: wechat.RevokeAll}
	for name, row := range map[string]struct {
		edit   func(*wechattest.Push)
		status string
	}{
		"wrong signature":        {func(p *wechattest.Push) { p.WrongSignature = true }, "403"},
		"wrong signature, plain": {func(p *wechattest.Push) { p.WrongSignature, p.Plain = true, true }, "403"},
		"for another AppID":      {func(p *wechattest.Push) { p.WrongTail = true }, "400"},
		"too old":                {func(p *wechattest.Push) { p.Age = 6 * time.Minute }, "403"},
		"from the future":        {func(p *wechattest.Push) { p.Age = -6 * time.Minute }, "403"},
		"to another client":      {func(p *wechattest.Push) { p.URL = ts.url + eventsPath + "other" }, "400"},
		"to a client without":    {func(p *wechattest.Push) { p.URL = ts.url + eventsPath + "without" }, "404"},
		"to an unknown client":   {func(p *wechattest.Push) { p.URL = ts.url + eventsPath + "nothing" }, "404"},
	} {
		forged := event
		row.edit(&forged)
		if err := ts.pushEvent(forged); err == nil || !strings.Contains(err.Error(), row.status) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A request that was recorded is stored once, and rejected later.
	recorded := must(ts.app("mini").PushRequest(t.Context(), wechattest.Push{
		URL: ts.url + eventsPath + "mini", Token: pushToken, EncodingAESKey: pushKey, Event: wechat.EventUserInfoModified, User: knownUser,
	}))(t)
	replay := func() response {
		again := recorded.Clone(t.Context())
		again.Body = must(recorded.GetBody())(t)
		return ts.do(again)
	}
	for range 3 {
		if a := replay(); a.status != http.StatusOK || a.raw != "success" {
			t.Errorf("got %d %s", a.status, a.raw)
		}
	}
	ts.clock.Advance(6 * time.Minute)
	if a := replay(); a.status != http.StatusForbidden || a.member("error") != "access_denied" {
		t.Errorf("a replay: %d %s", a.status, a.raw)
	}
	ts.applyEvents()
	if got := ts.stored(user); got.Phone == "" || len(ts.outcomes()) != 1 {
		t.Errorf("got %+v, outcomes %q", got, ts.outcomes())
	}
	if !strings.Contains(ts.log.String(), "client set-push-keys") {
		t.Error("the log does not name the remedy")
	}
}

// Off loopback, plain mode is rejected. Each directory has its own URL and settings, and a request may be passed on to several.
func TestPushEvents_OffLoopbackNeedSafeMode(t *testing.T) {
	t.Parallel()
	ts := newServerWithHost(t)
	appID := ""
	ts.change("mini", func(c *storage.Client) { ts.setPushKeys(c); appID = c.Federation.AppID })
	ts.addClient("mini", func(c *storage.Client) {
		c.Directory, c.Kind, c.Federation = "shop", storage.ClientMiniapp, &storage.Federation{AppID: appID}
		ts.setPushKeys(c)
	})
	send := func(host string, push wechattest.Push) response {
		push.URL, push.Token, push.EncodingAESKey, push.Event, push.User = ts.url+eventsPath+"mini", pushToken, pushKey, wechat.EventUserInfoModified, knownUser
		request := must(ts.app("mini").PushRequest(t.Context(), push))(t)
		if host != "" {
			request.Host = host
		}
		return ts.do(request)
	}
	if a := send(shopHost, wechattest.Push{Plain: true}); a.status != http.StatusBadRequest {
		t.Errorf("plain: %d %s", a.status, a.raw)
	}
	for _, host := range []string{shopHost, ""} {
		if a := send(host, wechattest.Push{}); a.status != http.StatusOK {
			t.Errorf("safe: %d %s", a.status, a.raw)
		}
	}
	if got := len(list[storage.PushEvent](ts)); got != 2 {
		t.Errorf("%d events, want one in each directory", got)
	}
}

func TestPushEvents_RespondToTheCheckOfTheConsole(t *testing.T) {
	t.Parallel()
	ts, _ := newPushServer(t, engines()["memory"])
	app := ts.app("mini")
	url := ts.url + eventsPath + "mini"
	check(t, app.CheckPushURL(t.Context(), wechattest.Push{URL: url, Token: pushToken}))
	for name, push := range map[string]wechattest.Push{
		"another token": {URL: url, Token: "x"}, "an old timestamp": {URL: url, Token: pushToken, Age: time.Hour},
	} {
		if err := app.CheckPushURL(t.Context(), push); err == nil || !strings.Contains(err.Error(), "403") {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The query of an event has the signature of the check too.
	for name, row := range map[string]struct {
		echo  string
		push  wechattest.Push
		want  int
		named string
	}{
		"right":             {"5837397576500011341", wechattest.Push{}, http.StatusOK, ""},
		"without echostr":   {"", wechattest.Push{}, http.StatusBadRequest, "invalid_request"},
		"too long echostr":  {strings.Repeat("1", 257), wechattest.Push{}, http.StatusBadRequest, "invalid_request"},
		"another signature": {"1", wechattest.Push{WrongSignature: true}, http.StatusForbidden, "access_denied"},
	} {
		row.push.URL, row.push.Token, row.push.EncodingAESKey, row.push.Event = url, pushToken, pushKey, wechat.EventUserInfoModified
		request := must(app.PushRequest(t.Context(), row.push))(t)
		query := request.URL.Query()
		query.Set("echostr", row.echo)
		a := ts.get(url + "?" + query.Encode())
		if a.status != row.want || row.named != "" && a.member("error") != row.named || row.named == "" && a.raw != row.echo {
			t.Errorf("%s: %d %s", name, a.status, a.raw)
		}
	}
}

func TestPushEvents_BoundAndRejectBodies(t *testing.T) {
	t.Parallel()
	ts, _ := newPushServer(t, engines()["memory"])
	for name, row := range map[string]struct {
		body   string
		status int
	}{
		"nothing":          {"", http.StatusBadRequest},
		"too long":         {`{"Encrypt":"` + strings.Repeat("A", 70<<10) + `"}`, http.StatusRequestEntityTooLarge},
		"entities":         {`<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><xml><Encrypt>&b;</Encrypt></xml>`, http.StatusBadRequest},
		"external entity":  {`<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><xml><Encrypt>&a;</Encrypt></xml>`, http.StatusBadRequest},
		"an unknown one":   {`<xml><Encrypt>&a;</Encrypt></xml>`, http.StatusBadRequest},
		"not encrypted":    {`<xml><Encrypt></Encrypt></xml>`, http.StatusForbidden},
		"no text at all":   {"\x00\x01", http.StatusBadRequest},
		"another language": {`<?xml version="1.0" encoding="gbk"?><xml><Encrypt>x</Encrypt></xml>`, http.StatusBadRequest},
	} {
		request := must(http.NewRequestWithContext(t.Context(), http.MethodPost, ts.url+eventsPath+"mini?"+url.Values{"signature": {"x"}, "timestamp": {"1"}, "nonce": {"1"}}.Encode(), strings.NewReader(row.body)))(t)
		if a := ts.do(request); a.status != row.status {
			t.Errorf("%s: %d %s", name, a.status, a.raw)
		}
	}
}

// One insert stores an event and finds repeated ones.
func TestPushEvents_CostOneWrite(t *testing.T) {
	t.Parallel()
	ts, _ := newPushServer(t, engines()["memory"])
	event := wechattest.Push{Event: wechat.EventUserInfoModified}
	check(t, ts.pushEvent(event)) // The client is in memory now.
	for name, push := range map[string]wechattest.Push{"a new one": {Event: wechat.EventUserDeregistered}, "a repeated one": event} {
		reads, writes := 0, 0
		ts.engine.Before = func(_ context.Context, o storagetest.Operation) error {
			if o.Write() {
				writes++
			} else {
				reads++
			}
			return nil
		}
		check(t, ts.pushEvent(push))
		ts.engine.Before = nil
		if reads != 0 || writes != 1 {
			t.Errorf("%s: %d reads, %d writes", name, reads, writes)
		}
	}
}
