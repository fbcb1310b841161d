package health

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

func TestReadyz_ReportsThatTheServerCannotSign(t *testing.T) {
	var engine storage.Engine = &storagetest.Hooks{Engine: storagetest.NewMemory(time.Now)}
	serving := New()
	serving.Engine.Store(&engine)
	serving.Phase.Store(PhaseReady)
	canSign := func(context.Context) error { return errors.New("keys: no signing key: RS256") }
	serving.CanSign.Store(&canSign)
	handler := serving.Handler()
	code, body := get(t, handler, "/readyz")
	if code != http.StatusServiceUnavailable || !strings.Contains(body, `"status":"cannot sign"`) || !strings.Contains(body, `"store":"ok"`) || !strings.Contains(body, "RS256") {
		t.Errorf("%d %s", code, body)
	}
	// While the store is down the state of the keys is unknown, and the instance remains ready.
	if err := engine.Close(); err != nil {
		t.Fatal(err)
	}
	if code, body := get(t, handler, "/readyz"); code != http.StatusOK {
		t.Errorf("the store is down: %d %s", code, body)
	}
}

func get(t *testing.T, handler http.Handler, path string) (int, string) {
	t.Helper()
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return recorder.Code, recorder.Body.String()
}
