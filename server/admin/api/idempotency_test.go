package api_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

func TestIdempotency_RepeatGetsSameResult(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	expiry := h.now.Add(24 * time.Hour).Format(time.RFC3339)
	for path, body := range map[string]string{
		list + "/clients":            miniapp,
		"/directories":               `{"name":"Without an ID"}`,
		list + "/users":              `{"username":"alice"}`,
		"/operators":                 `{"username":"olga","assignments":[{"directory":"*","role":"owner"}]}`,
		"/service-clients":           fmt.Sprintf(`{"assignments":[{"directory":"*","role":"admin"}],"expires_at":%q}`, expiry),
		list + "/clients/web/secret": `{}`,
	} {
		if strings.HasSuffix(path, "/secret") {
			h.ok(tokenOwner, http.MethodPost, list+"/clients", `{"id":"web","kind":"web","redirect_uris":["https://web.example.com/cb"]}`)
		}
		first := h.ok(tokenOwner, http.MethodPost, path, body, "Idempotency-Key", "k1")
		again := h.ok(tokenOwner, http.MethodPost, path, body, "Idempotency-Key", "k1")
		if again.Code != http.StatusCreated || again.Body.String() != first.Body.String() || again.location() != first.location() || again.Header().Get("ETag") != first.Header().Get("ETag") {
			t.Errorf("%s: got %d %s, then %d %s", path, first.Code, first.Body.String(), again.Code, again.Body.String())
		}
		if first.Header().Get("Idempotent-Replayed") != "" || again.Header().Get("Idempotent-Replayed") != "true" {
			t.Errorf("%s: replayed %q and %q", path, first.Header().Get("Idempotent-Replayed"), again.Header().Get("Idempotent-Replayed"))
		}
		for _, member := range []string{"secret", "password"} {
			if secret, ok := first.json[member].(string); ok && h.stores(secret) {
				t.Errorf("%s: the store has the %s in the clear", path, member)
			}
		}
	}
	h.send(tokenOwner, http.MethodPost, list+"/users", `{"username":"bobby"}`, "Idempotency-Key", "k1").wantProblem(http.StatusUnprocessableEntity, "idempotency_key_reused")
	// The key of another actor and of another operation is another one.
	h.ok(tokenAdmin, http.MethodPost, list+"/users", `{"username":"bobby"}`, "Idempotency-Key", "k1")
	for _, key := range []string{"", "with space", strings.Repeat("x", 256), "ü"} {
		h.send(tokenAdmin, http.MethodPost, list+"/users", `{"username":"carol"}`, "Idempotency-Key", key).wantProblem(http.StatusBadRequest, "malformed", "Idempotency-Key")
	}
	h.now = h.now.Add(25 * time.Hour)
	h.send(tokenAdmin, http.MethodPost, list+"/users", `{"username":"bobby"}`, "Idempotency-Key", "k1").wantProblem(http.StatusConflict, "exists")
}

// stores reports whether a record contains a text.
func (h *apiHarness) stores(text string) bool {
	for kind := range storage.Kinds() {
		page := must(h.engine.List(h.t.Context(), storage.Query{Kind: kind, Limit: storage.MaxPage}))(h.t)
		for _, doc := range page.Documents {
			if strings.Contains(string(doc.Body), text) {
				return true
			}
		}
	}
	return false
}

func TestIdempotency_FailureLeavesKeyFree(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.send(tokenAdmin, http.MethodPost, list+"/clients", `{"kind":"spa"}`, "Idempotency-Key", "k").wantProblem(http.StatusUnprocessableEntity, "invalid", "/redirect_uris")
	h.ok(tokenAdmin, http.MethodPost, list+"/clients", spa, "Idempotency-Key", "k")
	h.ok(tokenAdmin, http.MethodDelete, list+"/clients/shop", "")
	h.send(tokenAdmin, http.MethodPost, list+"/clients", spa, "Idempotency-Key", "k").wantProblem(http.StatusConflict, "result_unknown")
}

func TestIdempotency_OneOfTwoAtOnceGoesOn(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	inside := false
	h.engine.Before = func(_ context.Context, operation storagetest.Operation) error {
		if operation.Kind == storage.KindClient && operation.Method == "Insert" && !inside {
			inside = true
			h.send(tokenAdmin, http.MethodPost, list+"/clients", spa, "Idempotency-Key", "k").wantProblem(http.StatusConflict, "in_progress")
		}
		return nil
	}
	h.ok(tokenAdmin, http.MethodPost, list+"/clients", spa, "Idempotency-Key", "k")
}

// An attempt that was killed after the creation leaves a record without a result.
func TestIdempotency_LostResultCreatesNothingTwice(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.engine.After = func(_ context.Context, operation storagetest.Operation, err error) error {
		if operation.Kind == storage.KindClient && operation.Method == "Insert" {
			return fmt.Errorf("the power failed: %w", storage.ErrUnavailable)
		}
		return err
	}
	body := `{"kind":"spa","redirect_uris":["https://shop.example.com/cb"]}`
	h.send(tokenAdmin, http.MethodPost, list+"/clients", body, "Idempotency-Key", "k").wantProblem(http.StatusServiceUnavailable, "unavailable")
	h.engine.After = nil
	h.send(tokenAdmin, http.MethodPost, list+"/clients", body, "Idempotency-Key", "k").wantProblem(http.StatusConflict, "in_progress")
	h.now = h.now.Add(2 * time.Minute)
	h.send(tokenAdmin, http.MethodPost, list+"/clients", body, "Idempotency-Key", "k").wantProblem(http.StatusConflict, "result_unknown")
	if r := h.ok(tokenAdmin, http.MethodGet, list+"/clients", ""); len(r.json["items"].([]any)) != 1 {
		t.Errorf("clients %s", r.Body.String())
	}
}
