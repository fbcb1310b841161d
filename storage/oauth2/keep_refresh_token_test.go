package oauth2_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/minifed/minifed/storage"
)

// A client without rotation repeats a refresh of unknown outcome with the same token, at any process and at any later time. The
// repeat is no reuse.
func TestKeepRefreshToken_UnknownOutcomeIsRepeatedWithTheSameToken(t *testing.T) {
	for fault, inject := range faults() {
		t.Run(fault, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				here := newKit(t)
				there := here.twin()
				record := here.client("spa").Record()
				record.KeepRefreshToken = true
				here.register(record)
				first := here.signIn()
				before := here.only().Record

				time.Sleep(time.Hour)
				inject(here, storage.KindGrant)
				wantError(t, here.refresh(first.refresh), http.StatusServiceUnavailable, "temporarily_unavailable")
				if done := here.store.Settle(t.Context()); done.Left != 0 || done.GivenUp != 0 {
					t.Errorf("settled %+v, want nothing in doubt", done)
				}
				for _, k := range []*kit{here, there, here} {
					time.Sleep(lateCopies)
					a := k.refresh(first.refresh)
					wantOK(t, a)
					if a.refresh != first.refresh {
						t.Error("the repeat got another refresh token")
					}
				}
				after := there.only().Record
				if after.State != storage.GrantActive || after.Refresh.Generation != before.Refresh.Generation || len(after.Refresh.Rotated) > 0 {
					t.Errorf("the grant is %s, at generation %d with %d rotations", after.State, after.Refresh.Generation, len(after.Refresh.Rotated))
				}
			})
		})
	}
}
