package consoletest

import (
	"io"
	"net"
	"testing"
)

// Relay relays connections from an address to another one until the test ends, as `ssh -L` and the published ports of a container
// do. It returns the first address.
func Relay(t *testing.T, from, to string) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", from)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			go relay(near, to)
		}
	}()
	return listener.Addr().String()
}

func relay(near net.Conn, to string) {
	defer near.Close()
	far, err := net.Dial("tcp", to) //nolint:noctx // It ends with the connection.
	if err != nil {
		return
	}
	defer far.Close()
	go func() {
		defer far.Close()
		_, _ = io.Copy(far, near)
	}()
	_, _ = io.Copy(near, far)
}
