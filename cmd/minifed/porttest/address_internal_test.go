package porttest

import (
	"net"
	"strconv"
	"testing"
)

func TestReserve_RejectsAPortThatIsReservedOrTaken(t *testing.T) {
	t.Run("reserved", func(t *testing.T) {
		address := Address(t)
		if reserve(t, address) {
			t.Errorf("%s was reserved twice", address)
		}
	})
	t.Run("taken", func(t *testing.T) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		if reserve(t, listener.Addr().String()) {
			t.Error("a port with a listener was reserved")
		}
	})
}

func TestAddress_IsFreeAgainAfterTheTest(t *testing.T) {
	address := ""
	t.Run("first", func(t *testing.T) { address = Address(t) })
	if !reserve(t, address) {
		t.Errorf("%s is still reserved", address)
	}
}

func TestAddress_IsNoEphemeralPort(t *testing.T) {
	_, port, err := net.SplitHostPort(Address(t))
	if err != nil {
		t.Fatal(err)
	}
	if number, err := strconv.Atoi(port); err != nil || number < lowest || number >= lowest+count {
		t.Errorf("port %s", port)
	}
}
