package porttest

import (
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

// The ports below 32768 are never ephemeral: no system that runs the tests gives them to a connection or to a listener that asks
// for port 0.
const (
	lowest = 20_000
	count  = 12_000
)

// Address returns an address of 127.0.0.1 whose TCP port is free, and reserves it until the test ends. The reservation is a UDP
// socket with the same port, so that concurrent tests of all packages get different ports.
func Address(tb testing.TB) string {
	tb.Helper()
	for range 100 {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(lowest+rand.IntN(count)))
		if reserve(tb, address) {
			return address
		}
	}
	tb.Fatalf("no port from %d to %d is free", lowest, lowest+count-1)
	return ""
}

// reserve reports whether the port was free, and reserves it in that case.
func reserve(tb testing.TB, address string) bool {
	tb.Helper()
	reservation, err := new(net.ListenConfig).ListenPacket(tb.Context(), "udp", address)
	if err != nil {
		return false
	}
	listener, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", address)
	if err != nil {
		_ = reservation.Close()
		return false
	}
	_ = listener.Close() // For the program.
	tb.Cleanup(func() { _ = reservation.Close() })
	return true
}
