//go:build darwin || freebsd

package main

import (
	"context"
	"net"
	"syscall"
)

// refuseHandshakes does nothing: these systems have no filter for it.
func refuseHandshakes(context.Context, syscall.RawConn, net.Addr) {}
