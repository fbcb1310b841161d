package provider

import (
	"context"
	"errors"
	"net"
	"os"

	"github.com/minifed/minifed/cmd/minifed/internal/config"
	"github.com/minifed/minifed/cmd/minifed/internal/locale"
)

// Listeners are the open ports of a server.
type Listeners struct {
	Public net.Listener
	// Admin is nil if there is no admin listener.
	Admin net.Listener
}

// Listen opens the ports that the configuration names. A port that is used stops the start before the store is created.
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
	if err != nil {
		problem := &locale.Problem{What: locale.Text("listen.failed", key, address), Cause: err, Remedy: locale.Text("listen.remedy", key, config.VariableOf(key))}
		if system, ok := errors.AsType[*os.SyscallError](err); ok { // The text around it repeats the address.
			problem.Cause = system.Err
		}
		return nil, problem
	}
	return listener, nil
}
