package remote

import (
	"context"
	"net/http"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/server/admin/api"
	"github.com/minifed/minifed/storage"
)

// CreateInitialToken does what admin.Service.CreateInitialToken does.
func (c *Client) CreateInitialToken(ctx context.Context, asked admin.NewInitialToken) (storage.InitialToken, string, error) {
	var created api.CreatedInitialToken
	body := api.NewInitialToken{Name: asked.Name, ExpiresAt: asked.ExpiresAt}
	_, err := c.call(ctx, request{method: http.MethodPost, path: path("directories", asked.Directory, "initial-tokens"), body: body}, &created)
	return created.InitialToken, created.Token, err
}

// InitialTokens does what admin.Service.InitialTokens does.
func (c *Client) InitialTokens(ctx context.Context, directory string, asked admin.Page) ([]storage.InitialToken, string, error) {
	return list[storage.InitialToken](ctx, c, asked, path("directories", directory, "initial-tokens"))
}

// RevokeInitialToken does what admin.Service.RevokeInitialToken does.
func (c *Client) RevokeInitialToken(ctx context.Context, directory, id string) error {
	_, err := c.call(ctx, request{method: http.MethodDelete, path: path("directories", directory, "initial-tokens", id)}, nil)
	return err
}
