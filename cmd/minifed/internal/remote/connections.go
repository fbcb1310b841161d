package remote

import (
	"context"
	"net/http"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/server/admin/api"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat"
)

// connectionOf returns the record of a response, with a place for each secret.
func connectionOf(read api.Connection) storage.Connection {
	connection := read.Connection
	if read.PushEvents {
		connection.PushToken, connection.EncodingAESKey = "set", "set"
	}
	return connection
}

// CreateConnection does what admin.Service.CreateConnection does.
func (c *Client) CreateConnection(ctx context.Context, asked admin.NewConnection) (*storage.Entry[storage.Connection], error) {
	body, err := object(api.NewConnection{Connection: asked.Connection, AppSecret: asked.AppSecret, PushToken: asked.Push.Token, EncodingAESKey: asked.Push.EncodingAESKey})
	if err != nil {
		return nil, err
	}
	delete(body, "directory") // The path has it.
	var created api.Connection
	_, err = c.call(ctx, request{method: http.MethodPost, path: path("directories", asked.Directory, "connections"), body: body}, &created)
	return entry(connectionOf(created), err)
}

// Connection does what admin.Service.Connection does.
func (c *Client) Connection(ctx context.Context, directory, appID string) (*storage.Entry[storage.Connection], error) {
	var found api.Connection
	_, err := c.call(ctx, request{method: http.MethodGet, path: path("directories", directory, "connections", appID)}, &found)
	return entry(connectionOf(found), err)
}

// Connections does what admin.Service.Connections does.
func (c *Client) Connections(ctx context.Context, directory string, asked admin.Page) ([]storage.Connection, string, error) {
	found, next, err := list[api.Connection](ctx, c, asked, path("directories", directory, "connections"))
	connections := make([]storage.Connection, len(found))
	for i, each := range found {
		connections[i] = connectionOf(each)
	}
	return connections, next, err
}

// UpdateConnection does what admin.Service.UpdateConnection does.
func (c *Client) UpdateConnection(ctx context.Context, directory, appID, _ string, edit func(*storage.Connection)) (*storage.Entry[storage.Connection], error) {
	updated, err := change(ctx, c, path("directories", directory, "connections", appID), func(connection *api.Connection) { edit(&connection.Connection) })
	return entry(connectionOf(updated), err)
}

// DisableConnection does what admin.Service.DisableConnection does.
func (c *Client) DisableConnection(ctx context.Context, directory, appID string) (*storage.Entry[storage.Connection], error) {
	return c.setConnection(ctx, directory, appID, "disable")
}

// EnableConnection does what admin.Service.EnableConnection does.
func (c *Client) EnableConnection(ctx context.Context, directory, appID string) (*storage.Entry[storage.Connection], error) {
	return c.setConnection(ctx, directory, appID, "enable")
}

func (c *Client) setConnection(ctx context.Context, directory, appID, state string) (*storage.Entry[storage.Connection], error) {
	var changed api.Connection
	_, err := c.call(ctx, request{method: http.MethodPost, path: path("directories", directory, "connections", appID, state)}, &changed)
	return entry(connectionOf(changed), err)
}

// SetConnectionSecret does what admin.Service.SetConnectionSecret does.
func (c *Client) SetConnectionSecret(ctx context.Context, directory, appID string, secret wechat.AppSecret) error {
	body := api.AppSecret{AppSecret: secret}
	_, err := c.call(ctx, request{method: http.MethodPut, path: path("directories", directory, "connections", appID, "app-secret"), body: body}, nil)
	return err
}

// SetConnectionPushKeys does what admin.Service.SetConnectionPushKeys does.
func (c *Client) SetConnectionPushKeys(ctx context.Context, directory, appID string, push admin.PushKeys) error {
	body := api.PushKeys{PushToken: push.Token, EncodingAESKey: push.EncodingAESKey}
	_, err := c.call(ctx, request{method: http.MethodPut, path: path("directories", directory, "connections", appID, "push-keys"), body: body}, nil)
	return err
}

// TestConnection does what admin.Service.TestConnection does.
func (c *Client) TestConnection(ctx context.Context, directory, appID string) (result admin.Credential, err error) {
	_, err = c.call(ctx, request{method: http.MethodPost, path: path("directories", directory, "connections", appID, "test")}, &result)
	return result, err
}

// DeleteConnection does what admin.Service.DeleteConnection does.
func (c *Client) DeleteConnection(ctx context.Context, directory, appID string) error {
	_, err := c.call(ctx, request{method: http.MethodDelete, path: path("directories", directory, "connections", appID)}, nil)
	return err
}
