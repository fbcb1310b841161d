package admin

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

const secondApp = "wxfedcba9876543210"

// secondMiniapp returns a second mini-program's client.
func secondMiniapp(appID string) NewClient {
	asked := miniapp()
	asked.ID, asked.Federation = "another", &storage.Federation{AppID: appID}
	return asked
}

func wantTaken(t *testing.T, err error, holder string) {
	t.Helper()
	wantInvalid(t, err, "app_id")
	if !strings.Contains(err.Error(), `client "`+holder+`"`) {
		t.Errorf("the holder is not named: %v", err)
	}
}

func TestClient_AppIDIsUniqueInDirectory(t *testing.T) {
	h := newServiceHarness(t)
	_, _, err := h.CreateClient(t.Context(), miniapp())
	must(t, err)
	_, _, err = h.CreateClient(t.Context(), secondMiniapp("wx0123456789abcdef"))
	wantTaken(t, err, "mini")
	_, _, err = h.CreateClient(t.Context(), secondMiniapp(secondApp))
	must(t, err)
	_, err = h.UpdateClient(t.Context(), "default", "another", "", func(c *storage.Client) { c.Federation.AppID = "wx0123456789abcdef" })
	wantTaken(t, err, "mini")
	_, err = h.UpdateClient(t.Context(), "default", "another", "", func(c *storage.Client) { c.Name = "Another" })
	must(t, err)

	// Another directory may use the same AppID.
	_, err = h.CreateDirectory(t.Context(), storage.Directory{ID: "shop", Name: "Shop"})
	must(t, err)
	elsewhere := miniapp()
	elsewhere.Directory = "shop"
	_, _, err = h.CreateClient(t.Context(), elsewhere)
	must(t, err)
}

func TestClient_AppIDIsFreeAfterChange(t *testing.T) {
	h := newServiceHarness(t)
	_, _, err := h.CreateClient(t.Context(), miniapp())
	must(t, err)
	must(t, h.DeleteClient(t.Context(), "default", "mini"))
	_, _, err = h.CreateClient(t.Context(), secondMiniapp("wx0123456789abcdef"))
	must(t, err)
	_, err = h.UpdateClient(t.Context(), "default", "another", "", func(c *storage.Client) { c.Federation.AppID = secondApp })
	must(t, err)
	_, _, err = h.CreateClient(t.Context(), miniapp())
	must(t, err)
}

func TestClient_FailedCreationReleasesAppID(t *testing.T) {
	h := newServiceHarness(t)
	lost := errors.New("no disk")
	h.engine.Before = func(_ context.Context, operation storagetest.Operation) error {
		if operation.Kind == storage.KindClient && operation.Write() {
			return lost
		}
		return nil
	}
	if _, _, err := h.CreateClient(t.Context(), miniapp()); !errors.Is(err, lost) {
		t.Fatalf("error %v", err)
	}
	h.engine.Before = nil
	_, _, err := h.CreateClient(t.Context(), secondMiniapp("wx0123456789abcdef"))
	must(t, err)
}

// TestClient_ConcurrentAppIDCreatesOne stops the first creation between its claim and its record.
func TestClient_ConcurrentAppIDCreatesOne(t *testing.T) {
	h := newServiceHarness(t)
	first := miniapp().Client
	must(t, h.claimAppID(t.Context(), first))
	if _, _, err := h.CreateClient(t.Context(), secondMiniapp("wx0123456789abcdef")); !errors.Is(err, ErrRefused) {
		t.Errorf("error %v", err)
	}
	h.at = h.at.Add(claimTime) // The first one was not created.
	_, _, err := h.CreateClient(t.Context(), secondMiniapp("wx0123456789abcdef"))
	must(t, err)
	_, _, err = h.CreateClient(t.Context(), miniapp())
	wantTaken(t, err, "another")
}

// TestClient_AppIDOfOlderClientIsReserved covers a client that was created before claims existed.
func TestClient_AppIDOfOlderClientIsReserved(t *testing.T) {
	h := newServiceHarness(t)
	old := miniapp().Client
	old.CreatedAt = h.at.Add(-time.Hour)
	_, err := storage.Insert(t.Context(), h.engine, old)
	must(t, err)
	_, _, err = h.CreateClient(t.Context(), secondMiniapp("wx0123456789abcdef"))
	wantTaken(t, err, "mini")
}
