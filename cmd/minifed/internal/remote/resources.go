package remote

import (
	"context"
	"net/http"
	"strings"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// resourcePath returns the path of a resource that is named by its identifier, which has a colon, or by its ID.
func resourcePath(directory, name string, further ...string) string {
	if strings.Contains(name, ":") {
		name = storage.ResourceID(name)
	}
	return path(append([]string{"directories", directory, "resources", name}, further...)...)
}

// CreateResource does what admin.Service.CreateResource does.
func (c *Client) CreateResource(ctx context.Context, asked storage.Resource) (*storage.Entry[storage.Resource], error) {
	body, err := object(asked)
	if err != nil {
		return nil, err
	}
	delete(body, "directory") // The path has it.
	var created storage.Resource
	_, err = c.call(ctx, request{method: http.MethodPost, path: path("directories", asked.Directory, "resources"), body: body}, &created)
	return entry(created, err)
}

// Resource does what admin.Service.Resource does.
func (c *Client) Resource(ctx context.Context, directory, name string) (*storage.Entry[storage.Resource], error) {
	var found storage.Resource
	_, err := c.call(ctx, request{method: http.MethodGet, path: resourcePath(directory, name)}, &found)
	return entry(found, err)
}

// Resources does what admin.Service.Resources does.
func (c *Client) Resources(ctx context.Context, directory string, asked admin.Page) ([]storage.Resource, string, error) {
	return list[storage.Resource](ctx, c, asked, path("directories", directory, "resources"))
}

// UpdateResource does what admin.Service.UpdateResource does.
func (c *Client) UpdateResource(ctx context.Context, directory, name, _ string, edit func(*storage.Resource)) (*storage.Entry[storage.Resource], error) {
	return entry(change(ctx, c, resourcePath(directory, name), edit))
}

// DisableResource does what admin.Service.DisableResource does.
func (c *Client) DisableResource(ctx context.Context, directory, name string) (*storage.Entry[storage.Resource], error) {
	return c.setResource(ctx, directory, name, "disable")
}

// EnableResource does what admin.Service.EnableResource does.
func (c *Client) EnableResource(ctx context.Context, directory, name string) (*storage.Entry[storage.Resource], error) {
	return c.setResource(ctx, directory, name, "enable")
}

func (c *Client) setResource(ctx context.Context, directory, name, state string) (*storage.Entry[storage.Resource], error) {
	var changed storage.Resource
	_, err := c.call(ctx, request{method: http.MethodPost, path: resourcePath(directory, name, state)}, &changed)
	return entry(changed, err)
}

// DeleteResource does what admin.Service.DeleteResource does.
func (c *Client) DeleteResource(ctx context.Context, directory, name string) error {
	_, err := c.call(ctx, request{method: http.MethodDelete, path: resourcePath(directory, name)}, nil)
	return err
}
