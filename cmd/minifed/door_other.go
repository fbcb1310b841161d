//go:build !linux && !darwin && !freebsd

package main

import (
	"context"
	"net"
)

// takeWaiting takes nothing: who waits is reset.
func takeWaiting(context.Context, *net.TCPListener, chan<- net.Conn) {}
