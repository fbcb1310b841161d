//go:build !linux && !darwin && !freebsd

package graceful

import (
	"context"
	"net"
)

// takeQueued takes nothing: queued connections are reset.
func takeQueued(context.Context, *net.TCPListener, chan<- net.Conn) {}
