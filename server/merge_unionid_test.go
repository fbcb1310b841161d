package server_test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat/wechattest"
)

// addStrangers gives alice one account in each of two mini-programs, and then binds both to one Open Platform account. Login of the
// second one finds both accounts by the UnionID.
func (ts *testServer) addStrangers(merges bool) (one, two *wechattest.App, older, younger response) {
	ts.Helper()
	entry := must(storage.Get[storage.Directory](ts.Context(), ts.engine.Engine, "default"))(ts.T)
	next := entry.Record
	next.Policy.MergeByUnionID = merges
	must(entry.Replace(ts.Context(), ts.engine.Engine, next))(ts.T)
	platform := func(c *storage.Client) { c.Federation.OpenPlatform = "platform" }
	one, two = ts.addMiniProgram("late1", platform), ts.addMiniProgram("late2", platform)
	older = ts.login("late1", "alice")
	ts.clock.Advance(time.Minute)
	younger = ts.login("late2", "alice")
	one.BindOpenPlatform("platform")
	two.BindOpenPlatform("platform")
	return one, two, older, younger
}

func TestMergeByUnionID_LoginsAtOnceMergeTwoAccounts(t *testing.T) {
	for name, engine := range engines() {
		t.Run(name, func(t *testing.T) {
			c := newClock()
			ts := newTestServerOn(t, c, engine(t, c))
			one, two, older, younger := ts.addStrangers(true)
			codes := []string{one.Login("alice"), two.Login("alice"), one.Login("alice"), two.Login("alice")}
			answers := make([]response, len(codes))
			var calls sync.WaitGroup
			for i, code := range codes {
				calls.Go(func() { answers[i] = ts.exchange([]string{"late1", "late2"}[i%2], code) })
			}
			calls.Wait()
			for _, a := range answers {
				if a.status != http.StatusOK {
					t.Fatalf("got %d %s", a.status, a.raw)
				}
			}
			for _, client := range []string{"late1", "late2"} {
				if a := ts.login(client, "alice"); ts.sub(a) != ts.sub(older) || ts.userinfo(a.member("access_token")).status != http.StatusOK {
					t.Errorf("%s: signed in as %s, want %s", client, ts.sub(a), ts.sub(older))
				}
			}
			if a := ts.refresh("late2", younger.member("refresh_token")); a.status == http.StatusOK {
				t.Error("a refresh token of the other account still works")
			}
			if a := ts.refresh("late1", older.member("refresh_token")); a.status != http.StatusOK {
				t.Errorf("the refresh token of the survivor: %d %s", a.status, a.raw)
			}
			if all := list[storage.MergeCandidate](ts); len(all) != 1 || all[0].State != identity.CandidateMerged {
				t.Errorf("merge candidates: %+v", all)
			}
		})
	}
}

func TestMergeByUnionID_OffRecordsCandidate(t *testing.T) {
	ts := newTestServer(t)
	_, _, older, younger := ts.addStrangers(false)
	if one, two := ts.sub(ts.login("late1", "alice")), ts.sub(ts.login("late2", "alice")); one != ts.sub(older) || two != ts.sub(younger) {
		t.Errorf("signed in as %s and %s", one, two)
	}
	if all := list[storage.MergeCandidate](ts); len(all) != 1 || all[0].State != identity.CandidateOpen {
		t.Errorf("merge candidates: %+v", all)
	}
}
