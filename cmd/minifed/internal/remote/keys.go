package remote

import (
	"context"
	"net/http"
	"time"

	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/server/admin/api"
)

// SigningKeys does what admin.Service.SigningKeys does.
func (c *Client) SigningKeys(ctx context.Context, directory string) ([]keys.Key, error) {
	var found api.KeySet
	_, err := c.call(ctx, request{method: http.MethodGet, path: path("directories", directory, "keys")}, &found)
	return found.Items, err
}

// RotateSigningKey does what admin.Service.RotateSigningKey does.
func (c *Client) RotateSigningKey(ctx context.Context, directory, algorithm string) (keys.Key, error) {
	return c.rotate(ctx, directory, api.KeyRotation{Algorithm: algorithm})
}

// RotateSigningKeyNow does what admin.Service.RotateSigningKeyNow does.
func (c *Client) RotateSigningKeyNow(ctx context.Context, directory, algorithm string) (keys.Key, error) {
	return c.rotate(ctx, directory, api.KeyRotation{Algorithm: algorithm, Now: true})
}

func (c *Client) rotate(ctx context.Context, directory string, body api.KeyRotation) (key keys.Key, err error) {
	_, err = c.call(ctx, request{method: http.MethodPost, path: path("directories", directory, "keys", "rotate"), body: body}, &key)
	return key, err
}

// RevokeSigningKey does what admin.Service.RevokeSigningKey does.
func (c *Client) RevokeSigningKey(ctx context.Context, directory, kid string) (key keys.Key, err error) {
	_, err = c.call(ctx, request{method: http.MethodDelete, path: path("directories", directory, "keys", kid)}, &key)
	return key, err
}

// RotateTokenSecrets does what admin.Service.RotateTokenSecrets does.
func (c *Client) RotateTokenSecrets(ctx context.Context, directory string) (uint32, time.Time, error) {
	var created api.SecretGeneration
	_, err := c.call(ctx, request{method: http.MethodPost, path: path("directories", directory, "token-secrets", "rotate")}, &created)
	return created.Generation, created.UseAt, err
}
