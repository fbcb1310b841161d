package exampletest

import (
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

// Serve serves at an address until the test ends.
func Serve(t *testing.T, address string, handler http.Handler) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(handler)
	_ = server.Listener.Close()
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
}
