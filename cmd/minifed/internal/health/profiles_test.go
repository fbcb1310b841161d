package health

import (
	"net/http"
	"testing"
)

func TestProfiles_RejectNamesThatResolveToLoopback(t *testing.T) {
	handler := WithProfiles(http.NotFoundHandler())
	if code, _ := get(t, handler, "http://evil.example.com/debug/pprof/"); code != http.StatusNotFound {
		t.Errorf("got %d", code)
	}
}
