package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/minifed/minifed/cmd/minifed/internal/console"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// newInitialTokens returns the commands for tokens by which programs register clients (RFC 7591).
func newInitialTokens(d *operatorEnv) *cobra.Command {
	return group("initial-token", newInitialTokenCreate(d), newInitialTokenList(d), newInitialTokenRevoke(d))
}

// initialTokenView is an initial access token without its hash.
type initialTokenView struct {
	storage.InitialToken
	Hash string `json:"hash,omitempty"`
	// Token is shown only once.
	Token string `json:"token,omitempty"`
}

func viewInitialToken(token storage.InitialToken, text string) initialTokenView {
	token.DirectoryIncarnation = ""
	return initialTokenView{InitialToken: token, Token: text}
}

func newInitialTokenCreate(d *operatorEnv) *cobra.Command {
	end, name := &expiry{now: d.Now}, ""
	command := &cobra.Command{
		Use: "create", Example: "  minifed client initial-token create --name agents --expires 7d", Args: exactly(),
	}
	command.Flags().Var(end, "expires", "")
	command.Flags().StringVar(&name, "name", "", "")
	command.RunE = d.operation(func(ctx context.Context, service operations, _ string) error {
		created, token, err := service.CreateInitialToken(ctx, admin.NewInitialToken{Directory: d.directory, Name: name, ExpiresAt: end.at})
		if err != nil {
			return err
		}
		return d.say(viewInitialToken(created, token), func() {
			d.PrintFields(
				console.Field{Name: "id", Value: created.ID}, console.Field{Name: "directory", Value: created.Directory}, console.Field{Name: "name", Value: created.Name},
				console.Field{Name: "expires", Value: stamp(created.ExpiresAt)}, console.Field{Name: "token", Value: token},
			)
		})
	})
	return command
}

func newInitialTokenList(d *operatorEnv) *cobra.Command {
	pages := new(paging)
	command := &cobra.Command{Use: "list", Example: "  minifed client initial-token list", Args: exactly()}
	command.RunE = d.operation(func(ctx context.Context, service operations, _ string) error {
		found, next, err := collect(*pages, func(page admin.Page) ([]storage.InitialToken, string, error) {
			return service.InitialTokens(ctx, d.directory, page)
		})
		if err != nil {
			return err
		}
		views, rows := []initialTokenView{}, [][]string{}
		for _, token := range found {
			views = append(views, viewInitialToken(token, ""))
			rows = append(rows, []string{token.ID, token.Name, stamp(token.CreatedAt), stamp(token.ExpiresAt)})
		}
		return d.printList(views, next, []string{"ID", "NAME", "CREATED", "EXPIRES"}, rows)
	})
	pages.add(command)
	return command
}

func newInitialTokenRevoke(d *operatorEnv) *cobra.Command {
	return &cobra.Command{
		Use: "revoke ID", Example: "  minifed client initial-token revoke 3vkq6b2n5l7ad4cw2o6ptm3xye", Args: exactly("argument.id"),
		RunE: d.operation(func(ctx context.Context, service operations, id string) error {
			if err := service.RevokeInitialToken(ctx, d.directory, id); err != nil {
				return err
			}
			return d.done(deleted{id}, "Initial access token %s is revoked.", id)
		}),
	}
}
