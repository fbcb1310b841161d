package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/minifed/minifed/cmd/minifed/internal/console"
	"github.com/minifed/minifed/server/admin"
)

// pushView is the JSON output of set-push-keys.
type pushView struct {
	clientView
	// PushURL is what the operator enters in WeChat's console; empty without keys.
	PushURL string `json:"push_url,omitempty"`
}

func newClientSetPushKeys(d *operatorEnv) *cobra.Command {
	push := newPushFlags()
	command := &cobra.Command{
		Use: "set-push-keys CLIENT_ID",
		Example: `  minifed client set-push-keys mini
  minifed client set-push-keys mini --push-token-file ./token --encoding-aes-key-file ./aeskey
  minifed client set-push-keys mini --remove`,
		Args: exactly("argument.client"),
	}
	command.RunE = d.operation(func(ctx context.Context, service operations, id string) error {
		if err := push.check(); err != nil {
			return err
		}
		entry, err := service.Client(ctx, d.directory, id)
		if err != nil {
			return err
		}
		keys, err := push.read(ctx, d, appIDOf(entry.Record))
		if err != nil {
			return err
		}
		if err := service.SetPushKeys(ctx, d.directory, id, keys); err != nil {
			return err
		}
		return d.sayPush(ctx, service, id)
	})
	push.add(command)
	return command
}

func newConnectionSetPushKeys(d *operatorEnv) *cobra.Command {
	push := newPushFlags()
	command := &cobra.Command{
		Use: "set-push-keys APPID",
		Example: `  minifed connection set-push-keys wx0123456789abcdef
  minifed connection set-push-keys wx0123456789abcdef --push-token-file ./token --encoding-aes-key-file ./aeskey
  minifed connection set-push-keys wx0123456789abcdef --remove`,
		Args: exactly("argument.connection"),
	}
	command.RunE = d.operation(func(ctx context.Context, service operations, appID string) error {
		if err := push.check(); err != nil {
			return err
		}
		if _, err := service.Connection(ctx, d.directory, appID); err != nil {
			return err
		}
		keys, err := push.read(ctx, d, appID)
		if err != nil {
			return err
		}
		if err := service.SetConnectionPushKeys(ctx, d.directory, appID, keys); err != nil {
			return err
		}
		return d.sayConnectionPush(ctx, service, appID)
	})
	push.add(command)
	return command
}

// pushFlags are the flags of the keys of a message push.
type pushFlags struct {
	token, key *secretSource
	remove     bool
}

func newPushFlags() *pushFlags {
	return &pushFlags{token: &secretSource{name: "push-token"}, key: &secretSource{name: "encoding-aes-key"}}
}

func (f *pushFlags) add(command *cobra.Command) {
	f.token.add(command)
	f.key.add(command)
	command.Flags().BoolVar(&f.remove, "remove", false, "")
}

func (f *pushFlags) check() error {
	if f.token.stdin && f.key.stdin {
		return wrongUsage("usage.exclude", "--push-token-stdin", "--encoding-aes-key-stdin")
	}
	return nil
}

// read reads the two keys; none to remove them. At prompts, both are those of WeChat's console.
func (f *pushFlags) read(ctx context.Context, d *operatorEnv, appID string) (push admin.PushKeys, err error) {
	if f.remove {
		return push, nil
	}
	if push.Token, err = f.token.read(ctx, d.Console, fmt.Sprintf("Token of the message push of %s: ", appID)); err != nil {
		return push, err
	}
	push.EncodingAESKey, err = f.key.read(ctx, d.Console, fmt.Sprintf("EncodingAESKey of the message push of %s: ", appID))
	return push, err
}

// sayPush prints the push URL of a client.
func (d *operatorEnv) sayPush(ctx context.Context, service operations, id string) error {
	entry, err := service.Client(ctx, d.directory, id)
	if err != nil {
		return err
	}
	view := pushView{clientView: viewClient(entry.Record)}
	if !view.PushEvents {
		return d.done(view, "Client %q receives no push events of WeChat.", id)
	}
	if err := addIssuer(ctx, service, &view.clientView); err != nil {
		return err
	}
	view.PushURL = view.Issuer + admin.PushPath(id)
	return d.say(view, func() { d.printPushURL(view.PushURL) })
}

// sayConnectionPush prints the push URL of a connection.
func (d *operatorEnv) sayConnectionPush(ctx context.Context, service operations, appID string) error {
	entry, err := service.Connection(ctx, d.directory, appID)
	if err != nil {
		return err
	}
	view := viewConnection(entry.Record)
	if !view.PushEvents {
		return d.done(view, "Connection %s receives no push events of WeChat.", appID)
	}
	directory, err := service.Directory(ctx, view.Directory)
	if err != nil {
		return err
	}
	view.PushURL = service.IssuerOf(directory.Record) + admin.PushPath(appID)
	return d.say(view, func() { d.printPushURL(view.PushURL) })
}

func (d *operatorEnv) printPushURL(address string) {
	d.PrintFields(console.Field{Name: "push_url", Value: address})
	d.Printf("\nEnter this URL with the same Token and EncodingAESKey in WeChat's console, and select safe mode (安全模式).\n")
}
