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
	queue := NewDrainListener(listener)
	for range 3 {
		caller, err := new(net.Dialer).DialContext(t.Context(), "tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = caller.Close() })
	}
	if err := queue.StopAccepting(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		connection, err := queue.Accept()
		if err != nil {
			t.Fatalf("a queued connection was not returned: %v", err)
		}
		_ = connection.Close()
	}
	select {
	case <-queue.drained:
		t.Error("it is drained before the server knows")
	default:
	}
	if _, err := queue.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after that: %v", err)
	}
	<-queue.drained
}
