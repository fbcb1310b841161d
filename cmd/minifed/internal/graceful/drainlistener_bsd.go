//go:build darwin || freebsd

package graceful

import (
	"context"
	"net"
	"syscall"
)

// ignoreHandshakes does nothing: these systems have no socket filter.
func ignoreHandshakes(context.Context, syscall.RawConn, net.Addr) {}
