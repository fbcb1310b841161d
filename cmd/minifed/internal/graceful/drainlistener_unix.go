//go:build linux || darwin || freebsd

package graceful

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
)

// takeQueued takes the connections that wait in the queue of a listener, and ends the queue at once. A connection that is
// established between the last one and the end is reset: where the system can, no handshake begins any more before that, and
// those that have begun are complete.
func takeQueued(ctx context.Context, listener *net.TCPListener, into chan<- net.Conn) {
	raw, err := listener.SyscallConn()
	if err != nil {
		return
	}
	ignoreHandshakes(ctx, raw, listener.Addr())
	_ = raw.Control(func(fd uintptr) { // It fails if the listener is closed: then nothing waits.
		defer func() { _ = syscall.Shutdown(int(fd), syscall.SHUT_RD) }() // Where that is not possible Close does it.
		for len(into) < cap(into) {
			accepted, _, err := syscall.Accept(int(fd))
			if errors.Is(err, syscall.EINTR) || errors.Is(err, syscall.ECONNABORTED) {
				continue
			}
			if err != nil {
				return // The listener does not block: EAGAIN, nobody is there.
			}
			syscall.CloseOnExec(accepted)
			file := os.NewFile(uintptr(accepted), "connection")
			if connection, err := net.FileConn(file); err == nil { // It has a descriptor of its own.
				into <- connection
			}
			_ = file.Close()
		}
	})
}
