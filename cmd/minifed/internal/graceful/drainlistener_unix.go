//go:build linux || darwin || freebsd

package graceful

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
)

// takeQueued takes the connections from the queue of a listener, and then closes the queue. A connection that is established between the
// two steps is reset. To prevent this, new handshakes are ignored first, and those in progress completed, if the system can.
func takeQueued(ctx context.Context, listener *net.TCPListener, into chan<- net.Conn) {
	raw, err := listener.SyscallConn()
	if err != nil {
		return
	}
	ignoreHandshakes(ctx, raw, listener.Addr())
	_ = raw.Control(func(fd uintptr) { // It fails if the listener is closed: then the queue is empty.
		defer func() { _ = syscall.Shutdown(int(fd), syscall.SHUT_RD) }() // If it fails, Close does it.
		for len(into) < cap(into) {
			accepted, _, err := syscall.Accept(int(fd))
			if errors.Is(err, syscall.EINTR) || errors.Is(err, syscall.ECONNABORTED) {
				continue
			}
			if err != nil {
				return // The listener does not block: EAGAIN means that the queue is empty.
			}
			syscall.CloseOnExec(accepted)
			file := os.NewFile(uintptr(accepted), "connection")
			if connection, err := net.FileConn(file); err == nil { // The connection has its own descriptor.
				into <- connection
			}
			_ = file.Close()
		}
	})
}
