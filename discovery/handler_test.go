package discovery_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/minifed/minifed/discovery"
)

func do(handler http.Handler, method string, header http.Header) *http.Response {
	request := httptest.NewRequest(method, "/", nil)
	request.Header = header
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	return recorder.Result()
}

func body(t *testing.T, response *http.Response) string {
	t.Helper()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestHandler_ServesDocument(t *testing.T) {
	response := do(serve([]byte(`{"a":1}`), 5*time.Minute), http.MethodGet, nil)
	if got := body(t, response); response.StatusCode != http.StatusOK || got != `{"a":1}` {
		t.Errorf("got %d %q", response.StatusCode, got)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/json", "Content-Length": "7", "Cache-Control": "public, max-age=300",
		"Access-Control-Allow-Origin": "*", "X-Content-Type-Options": "nosniff",
	} {
		if got := response.Header.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if etag := response.Header.Get("ETag"); len(etag) < 10 || etag[0] != '"' {
		t.Errorf("ETag is not a strong one: %s", etag)
	}
}

func TestHandler_HEADHasSameHeadersAndNoBody(t *testing.T) {
	handler := serve([]byte(`{"a":1}`), 5*time.Minute)
	get, head := do(handler, http.MethodGet, nil), do(handler, http.MethodHead, nil)
	if got := body(t, head); got != "" || head.StatusCode != http.StatusOK {
		t.Errorf("got %d %q", head.StatusCode, got)
	}
	for name := range get.Header {
		if got, want := head.Header.Get(name), get.Header.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestRFC9110_13_1_2_IfNoneMatch(t *testing.T) {
	handler := serve([]byte(`{"a":1}`), time.Minute)
	etag := do(handler, http.MethodGet, nil).Header.Get("ETag")
	for _, test := range []struct {
		name   string
		fields []string
		want   int
	}{
		{"the same", []string{etag}, http.StatusNotModified},
		{"the same, weak", []string{"W/" + etag}, http.StatusNotModified},
		{"any", []string{"*"}, http.StatusNotModified},
		{"one of a list", []string{`"x", ` + etag}, http.StatusNotModified},
		{"one of several fields", []string{`"x"`, etag}, http.StatusNotModified},
		{"another", []string{`"x"`}, http.StatusOK},
		{"empty", []string{""}, http.StatusOK},
	} {
		t.Run(test.name, func(t *testing.T) {
			response := do(handler, http.MethodGet, http.Header{"If-None-Match": test.fields})
			if response.StatusCode != test.want || response.Header.Get("ETag") != etag {
				t.Errorf("got %d %s, want %d", response.StatusCode, response.Header.Get("ETag"), test.want)
			}
			if response.Header.Get("Cache-Control") == "" || response.Header.Get("Access-Control-Allow-Origin") != "*" {
				t.Errorf("headers are lost: %v", response.Header)
			}
			if response.StatusCode == http.StatusNotModified && body(t, response) != "" {
				t.Error("304 has a body")
			}
		})
	}
}

func TestHandler_ETagChangesWithDocument(t *testing.T) {
	a := do(serve([]byte(`{"a":1}`), time.Minute), http.MethodGet, nil).Header.Get("ETag")
	b := do(serve([]byte(`{"a":2}`), time.Minute), http.MethodGet, nil).Header.Get("ETag")
	if a == b {
		t.Errorf("both are %s", a)
	}
}

func TestHandler_RejectsOtherMethods(t *testing.T) {
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch} {
		response := do(serve([]byte(`{}`), time.Minute), method, nil)
		if response.StatusCode != http.StatusMethodNotAllowed || response.Header.Get("Allow") != "GET, HEAD, OPTIONS" {
			t.Errorf("%s: got %d, Allow %q", method, response.StatusCode, response.Header.Get("Allow"))
		}
	}
}

func TestHandler_AllowsConditionalCORSRequest(t *testing.T) {
	response := do(serve([]byte(`{}`), time.Minute), http.MethodOptions, http.Header{
		"Origin": {"https://spa.example"}, "Access-Control-Request-Method": {"GET"},
		"Access-Control-Request-Headers": {"if-none-match"},
	})
	if response.StatusCode != http.StatusNoContent || response.Header.Get("Access-Control-Allow-Origin") != "*" ||
		response.Header.Get("Access-Control-Allow-Headers") != "*" {
		t.Errorf("got %d %v", response.StatusCode, response.Header)
	}
}

func TestHandler_ZeroMaxAgeRequiresRevalidation(t *testing.T) {
	response := do(serve([]byte(`{}`), 0), http.MethodGet, nil)
	if got := response.Header.Get("Cache-Control"); got != "public, no-cache" {
		t.Errorf("got %q", got)
	}
}

func TestHandler_FailedSourceIsNotCached(t *testing.T) {
	broken := errors.New("no keys")
	var failed error
	handler := discovery.Handler{
		Source:      func(context.Context) (discovery.Document, error) { return discovery.Document{}, broken },
		ContentType: discovery.ContentTypeJWKS,
		Failed: func(w http.ResponseWriter, _ *http.Request, err error) {
			failed = err
			w.WriteHeader(http.StatusServiceUnavailable)
		},
	}
	response := do(handler, http.MethodGet, nil)
	if !errors.Is(failed, broken) || response.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("got %v, %d", failed, response.StatusCode)
	}
	if response.Header.Get("ETag") != "" || response.Header.Get("Cache-Control") != "" {
		t.Errorf("got %v", response.Header)
	}
}

func BenchmarkHandler(b *testing.B) {
	handler := serve(make([]byte, 2048), time.Minute)
	request := httptest.NewRequest(http.MethodGet, "/", nil)
	b.ReportAllocs()
	for b.Loop() {
		handler.ServeHTTP(httptest.NewRecorder(), request)
	}
}
