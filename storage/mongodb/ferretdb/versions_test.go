package ferretdb

import (
	"bytes"
	"context"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/sqlite"
)

// onBoth runs a test in a deployment on each engine.
func onBoth(t *testing.T, test func(t *testing.T, i *instance)) {
	t.Run("mongodb", func(t *testing.T) {
		t.Parallel()
		_, i := newDeployment(t, (*Server).ReplicaSet)
		test(t, i)
	})
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		file := filepath.Join(t.TempDir(), "minifed.db")
		_, i := newTownOn(t, func(i *instance) storage.Engine {
			return must(sqlite.Open(i.Context(), sqlite.Options{Path: file, Serve: true, Now: i.now}))(i.T)
		})
		test(t, i)
	})
}

// editAll changes the bodies of all documents of a kind, as a newer version would.
func (i *instance) editAll(kind storage.Kind, edit func([]byte) []byte) {
	i.Helper()
	for _, doc := range i.documents(kind) {
		doc.Body = edit(doc.Body)
		must(i.engine.Replace(i.Context(), doc))(i.T)
	}
}

func (i *instance) documents(kind storage.Kind) []storage.Document {
	i.Helper()
	page := must(i.engine.List(context.Background(), storage.Query{Kind: kind, Order: storage.ByID, Limit: storage.MaxPage}))(i.T)
	if len(page.Documents) == 0 {
		i.Fatalf("no %s", kind)
	}
	return page.Documents
}

func TestVersions_UnknownMembersSurvive(t *testing.T) {
	t.Parallel()
	const future = `"future":{"a":[1,{"b":"2026-01-01T00:00:00Z"}],"n":12345678901234567890}`
	onBoth(t, func(t *testing.T, i *instance) {
		app := i.addMiniProgram("mini", func(c *storage.Client) { c.Federation.UpdateProfile = true })
		session := i.profile("mini", "code", app.Login("alice"), "user", `{"nickname":"Alice"}`).wantOK(t)
		kinds := []storage.Kind{storage.KindGrant, storage.KindUser, storage.KindSigningKeys, storage.KindTokenSecrets}
		before := map[storage.Kind]storage.Document{}
		for _, kind := range kinds {
			i.editAll(kind, func(body []byte) []byte { return bytes.Replace(body, []byte(`{`), []byte(`{`+future+`,`), 1) })
			before[kind] = i.documents(kind)[0]
		}
		// Each of them is written.
		i.refresh("mini", session.text("refresh_token")).wantOK(t)
		again := i.profile("mini", "code", app.Login("alice"), "user", `{"nickname":"Alice in Shanghai"}`).wantOK(t)
		if profile, _ := again.body["profile"].(map[string]any); profile["nickname"] != "Alice in Shanghai" {
			t.Errorf("profile %v", profile)
		}
		for _, algorithm := range []string{"ES256", "RS256"} {
			must(i.keys.Rotate(t.Context(), "default", algorithm))(t)
		}
		must2(i.secrets.Rotate(t.Context(), "default"))(t)
		for _, kind := range kinds {
			doc := must(i.engine.Get(t.Context(), kind, before[kind].ID))(t)
			if doc.Rev == before[kind].Rev {
				t.Errorf("%s: nothing was written", kind)
			}
			if !bytes.Contains(doc.Body, []byte(`"n":12345678901234567890`)) || !bytes.Contains(doc.Body, []byte(`"b":"2026-01-01T00:00:00Z"`)) {
				t.Errorf("%s: a member is lost: %s", kind, doc.Body)
			}
		}
	})
}

func TestNewerRecord_Returns503AndStaysUnchanged(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, i *instance) {
		app := i.addMiniProgram("mini", func(c *storage.Client) { c.Federation.UpdateProfile = true })
		session := i.exchange("mini", app.Login("alice")).wantOK(t)
		requests := map[storage.Kind]func() apiResponse{
			storage.KindGrant: func() apiResponse { return i.refresh("mini", session.text("refresh_token")) },
			storage.KindUser: func() apiResponse {
				return i.profile("mini", "code", app.Login("alice"), "user", `{"nickname":"Alice"}`)
			},
			storage.KindIdentity: func() apiResponse { return i.exchange("mini", app.Login("alice")) },
			storage.KindClient: func() apiResponse {
				i.clock.Advance(clientsAreRead)
				return i.exchange("mini", app.Login("alice"))
			},
		}
		for kind, ask := range requests {
			older, newer := []byte(`"v":1`), []byte(`"v":2`)
			i.editAll(kind, func(body []byte) []byte { return bytes.Replace(body, older, newer, 1) })
			before := i.documents(kind)
			if a := ask(); a.status != http.StatusServiceUnavailable || a.text("error") != "temporarily_unavailable" {
				t.Errorf("%s: got %d %s", kind, a.status, a.raw)
			}
			for n, doc := range i.documents(kind) {
				if doc.Rev != before[n].Rev {
					t.Errorf("%s: a record was overwritten", kind)
				}
			}
			i.editAll(kind, func(body []byte) []byte { return bytes.Replace(body, newer, older, 1) })
			i.clock.Advance(clientsAreRead)
			if a := ask(); a.status != http.StatusOK {
				t.Errorf("%s, after the newer version is gone: got %d %s", kind, a.status, a.raw)
			}
		}
	})
}

// clientsAreRead is longer than an instance caches clients.
const clientsAreRead = 10 * time.Second
