package graceful

import (
	"errors"
	"net"
	"testing"
)

func TestDrainListener_ReturnsQueuedConnections(t *testing.T) {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	door := NewDrainListener(listener)
	for range 3 {
		caller, err := new(net.Dialer).DialContext(t.Context(), "tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = caller.Close() })
	}
	if err := door.StopAccepting(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		connection, err := door.Accept()
		if err != nil {
			t.Fatalf("who had knocked was not let in: %v", err)
		}
		_ = connection.Close()
	}
	select {
	case <-door.drained:
		t.Error("it is empty before the server was told so")
	default:
	}
	if _, err := door.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after that: %v", err)
	}
	<-door.drained
}
