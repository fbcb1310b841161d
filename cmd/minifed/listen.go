package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
)

// listeners are the open ports of a server.
type listeners struct {
	public net.Listener
	// admin is nil when there is none.
	admin net.Listener
}

// openListeners opens the ports that the configuration names, so that one that is taken stops the start before anything is
// made.
func openListeners(ctx context.Context, config ListenConfig) (listeners, error) {
	public, err := listen(ctx, "listen.address", config.Address)
	if err != nil {
		return listeners{}, err
	}
	if config.AdminAddress == "off" {
		return listeners{public: public}, nil
	}
	admin, err := listen(ctx, "listen.admin_address", config.AdminAddress)
	if err != nil {
		return listeners{}, errors.Join(err, public.Close())
	}
	return listeners{public, admin}, nil
}

func (l listeners) close() error {
	err := l.public.Close()
	if l.admin != nil {
		err = errors.Join(err, l.admin.Close())
	}
	return err
}

func listen(ctx context.Context, key, address string) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s: %s is taken by another program; stop that, or set %s (%s)", key, address, key, variableOf(key))
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return listener, nil
}
