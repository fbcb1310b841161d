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
	token, key, remove := &secretSource{name: "push-token"}, &secretSource{name: "encoding-aes-key"}, false
	command := &cobra.Command{
		Use: "set-push-keys CLIENT_ID",
		Example: `  minifed client set-push-keys mini
  minifed client set-push-keys mini --push-token-file ./token --encoding-aes-key-file ./aeskey
  minifed client set-push-keys mini --remove`,
		Args: exactly("argument.client"),
	}
	command.RunE = d.operation(func(ctx context.Context, service operations, id string) error {
		if token.stdin && key.stdin {
			return wrongUsage("usage.exclude", "--push-token-stdin", "--encoding-aes-key-stdin")
		}
		entry, err := service.Client(ctx, d.directory, id)
		if err != nil {
			return err
		}
		push := admin.PushKeys{}
		if !remove {
			if push, err = readPushKeys(ctx, d, appIDOf(entry.Record), token, key); err != nil {
				return err
			}
		}
		if err := service.SetPushKeys(ctx, d.directory, id, push); err != nil {
			return err
		}
		return d.sayPush(ctx, service, id)
	})
	token.add(command)
	key.add(command)
	command.Flags().BoolVar(&remove, "remove", false, "")
	return command
}

// readPushKeys reads the two keys. At prompts, both are those of WeChat's console.
func readPushKeys(ctx context.Context, d *operatorEnv, appID string, token, key *secretSource) (push admin.PushKeys, err error) {
	if push.Token, err = token.read(ctx, d.Console, fmt.Sprintf("Token of the message push of %s: ", appID)); err != nil {
		return push, err
	}
	push.EncodingAESKey, err = key.read(ctx, d.Console, fmt.Sprintf("EncodingAESKey of the message push of %s: ", appID))
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
	return d.say(view, func() {
		d.PrintFields(console.Field{Name: "push_url", Value: view.PushURL})
		d.Printf("\nEnter this URL with the same Token and EncodingAESKey in WeChat's console, and select safe mode (安全模式).\n")
	})
}
