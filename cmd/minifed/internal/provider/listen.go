package provider

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/minifed/minifed/cmd/minifed/internal/config"
)

// Listeners are the open ports of a server.
type Listeners struct {
	Public net.Listener
	// Admin is nil when there is none.
	Admin net.Listener
}

// Listen opens the ports that the configuration names, so that one that is taken stops the start before anything is
// made.
func Listen(ctx context.Context, config config.Listen) (Listeners, error) {
	public, err := listen(ctx, "listen.address", config.Address)
	if err != nil {
		return Listeners{}, err
	}
	if config.AdminAddress == "off" {
		return Listeners{Public: public}, nil
	}
	admin, err := listen(ctx, "listen.admin_address", config.AdminAddress)
	if err != nil {
		return Listeners{}, errors.Join(err, public.Close())
	}
	return Listeners{public, admin}, nil
}

func (l Listeners) close() error {
	err := l.Public.Close()
	if l.Admin != nil {
		err = errors.Join(err, l.Admin.Close())
	}
	return err
}

func listen(ctx context.Context, key, address string) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s: %s is taken by another program; stop that, or set %s (%s)", key, address, key, config.VariableOf(key))
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return listener, nil
}
