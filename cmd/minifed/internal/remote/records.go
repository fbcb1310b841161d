package remote

import (
	"context"
	"net/http"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/server/admin/api"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat"
)

// directory returns a directory of a response, and remembers its issuer.
func (c *Client) directory(read api.Directory, err error) (*storage.Entry[storage.Directory], error) {
	if err == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.issuers[read.ID] = read.IssuerURL
	}
	return entry(directoryOf(read), err)
}

// directoryOf returns the record of a response, with a place for each key.
func directoryOf(read api.Directory) storage.Directory {
	directory := read.Directory
	if read.SMSKeySet {
		directory.SMSKey = "set"
	}
	if read.CaptchaKeySet {
		directory.CaptchaKey = "set"
	}
	return directory
}

// IssuerOf returns the issuer of a directory that was read before.
func (c *Client) IssuerOf(directory storage.Directory) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.issuers[directory.ID]
}

// CreateDirectory does what admin.Service.CreateDirectory does.
func (c *Client) CreateDirectory(ctx context.Context, directory storage.Directory) (*storage.Entry[storage.Directory], error) {
	var created api.Directory
	_, err := c.call(ctx, request{method: http.MethodPost, path: "/directories", body: directory}, &created)
	return c.directory(created, err)
}

// Directory does what admin.Service.Directory does.
func (c *Client) Directory(ctx context.Context, id string) (*storage.Entry[storage.Directory], error) {
	var found api.Directory
	_, err := c.call(ctx, request{method: http.MethodGet, path: path("directories", id)}, &found)
	return c.directory(found, err)
}

// Directories does what admin.Service.Directories does.
func (c *Client) Directories(ctx context.Context, asked admin.Page) (directories []storage.Directory, next string, err error) {
	found, next, err := list[api.Directory](ctx, c, asked, "/directories")
	for _, one := range found {
		read, err := c.directory(one, nil)
		if err != nil {
			return nil, "", err
		}
		directories = append(directories, read.Record)
	}
	return directories, next, err
}

// UpdateDirectory does what admin.Service.UpdateDirectory does.
func (c *Client) UpdateDirectory(ctx context.Context, id, _ string, edit func(*storage.Directory)) (*storage.Entry[storage.Directory], error) {
	return c.directory(change(ctx, c, path("directories", id), func(d *api.Directory) { edit(&d.Directory) }))
}

// DisableDirectory does what admin.Service.DisableDirectory does.
func (c *Client) DisableDirectory(ctx context.Context, id string) (*storage.Entry[storage.Directory], error) {
	return c.setDirectory(ctx, id, "disable")
}

// EnableDirectory does what admin.Service.EnableDirectory does.
func (c *Client) EnableDirectory(ctx context.Context, id string) (*storage.Entry[storage.Directory], error) {
	return c.setDirectory(ctx, id, "enable")
}

func (c *Client) setDirectory(ctx context.Context, id, state string) (*storage.Entry[storage.Directory], error) {
	var changed api.Directory
	_, err := c.call(ctx, request{method: http.MethodPost, path: path("directories", id, state)}, &changed)
	return c.directory(changed, err)
}

// DeleteDirectory does what admin.Service.DeleteDirectory does.
func (c *Client) DeleteDirectory(ctx context.Context, id string) error {
	_, err := c.call(ctx, request{method: http.MethodDelete, path: path("directories", id)}, nil)
	return err
}

// clientOf returns the record of a response, with a place for each secret.
func clientOf(read api.Client) storage.Client {
	client := read.Client
	client.Secrets = make([]string, read.SecretCount)
	if read.PushEvents && client.Federation != nil {
		federation := *client.Federation
		federation.PushToken, federation.EncodingAESKey = "set", "set"
		client.Federation = &federation
	}
	return client
}

// clientPath returns the path of a client. Clients of the directory of operators have a path of their own.
func clientPath(directory, id string, parts ...string) string {
	if directory == storage.OperatorsDirectory {
		return path(append([]string{"service-clients", id}, parts...)...)
	}
	return path(append([]string{"directories", directory, "clients", id}, parts...)...)
}

// CreateClient does what admin.Service.CreateClient does.
func (c *Client) CreateClient(ctx context.Context, asked admin.NewClient) (*storage.Entry[storage.Client], string, error) {
	body, err := object(api.NewClient{Client: asked.Client, Secret: asked.Secret, AppSecret: asked.AppSecret, PushToken: asked.Push.Token, EncodingAESKey: asked.Push.EncodingAESKey})
	if err != nil {
		return nil, "", err
	}
	delete(body, "directory") // The path has it.
	var created api.CreatedClient
	_, err = c.call(ctx, request{method: http.MethodPost, path: path("directories", asked.Directory, "clients"), body: body}, &created)
	client, err := entry(clientOf(created.Client), err)
	return client, created.Secret, err
}

// Client does what admin.Service.Client does.
func (c *Client) Client(ctx context.Context, directory, id string) (*storage.Entry[storage.Client], error) {
	var found api.Client
	_, err := c.call(ctx, request{method: http.MethodGet, path: clientPath(directory, id)}, &found)
	return entry(clientOf(found), err)
}

// Clients does what admin.Service.Clients does.
func (c *Client) Clients(ctx context.Context, directory string, asked admin.Page) (clients []storage.Client, next string, err error) {
	found, next, err := list[api.Client](ctx, c, asked, path("directories", directory, "clients"))
	for _, one := range found {
		clients = append(clients, clientOf(one))
	}
	return clients, next, err
}

// UpdateClient does what admin.Service.UpdateClient does.
func (c *Client) UpdateClient(ctx context.Context, directory, id, _ string, edit func(*storage.Client)) (*storage.Entry[storage.Client], error) {
	after, err := change(ctx, c, clientPath(directory, id), func(read *api.Client) { edit(&read.Client) })
	return entry(clientOf(after), err)
}

// DisableClient does what admin.Service.DisableClient does.
func (c *Client) DisableClient(ctx context.Context, directory, id string) (*storage.Entry[storage.Client], error) {
	return c.setClient(ctx, directory, id, "disable")
}

// EnableClient does what admin.Service.EnableClient does.
func (c *Client) EnableClient(ctx context.Context, directory, id string) (*storage.Entry[storage.Client], error) {
	return c.setClient(ctx, directory, id, "enable")
}

func (c *Client) setClient(ctx context.Context, directory, id, state string) (*storage.Entry[storage.Client], error) {
	var changed api.Client
	_, err := c.call(ctx, request{method: http.MethodPost, path: clientPath(directory, id, state)}, &changed)
	return entry(clientOf(changed), err)
}

// RotateClientSecret does what admin.Service.RotateClientSecret does.
func (c *Client) RotateClientSecret(ctx context.Context, directory, id, chosen string, alone bool) (string, error) {
	var created api.Secret
	body := api.NewSecret{Secret: chosen, Alone: alone}
	_, err := c.call(ctx, request{method: http.MethodPost, path: clientPath(directory, id, "secret"), body: body}, &created)
	return created.Secret, err
}

// SetAppSecret does what admin.Service.SetAppSecret does.
func (c *Client) SetAppSecret(ctx context.Context, directory, id string, secret wechat.AppSecret) error {
	body := api.AppSecret{AppSecret: secret}
	_, err := c.call(ctx, request{method: http.MethodPut, path: clientPath(directory, id, "app-secret"), body: body}, nil)
	return err
}

// SetPushKeys does what admin.Service.SetPushKeys does.
func (c *Client) SetPushKeys(ctx context.Context, directory, id string, push admin.PushKeys) error {
	body := api.PushKeys{PushToken: push.Token, EncodingAESKey: push.EncodingAESKey}
	_, err := c.call(ctx, request{method: http.MethodPut, path: path("directories", directory, "clients", id, "push-keys"), body: body}, nil)
	return err
}

// SetDirectoryKey does what admin.Service.SetDirectoryKey does.
func (c *Client) SetDirectoryKey(ctx context.Context, id string, which admin.DirectoryKey, key string) error {
	_, err := c.call(ctx, request{method: http.MethodPut, path: path("directories", id, string(which)+"-key"), body: api.DirectoryKey{Key: key}}, nil)
	return err
}

// DeleteClient does what admin.Service.DeleteClient does.
func (c *Client) DeleteClient(ctx context.Context, directory, id string) error {
	_, err := c.call(ctx, request{method: http.MethodDelete, path: clientPath(directory, id)}, nil)
	return err
}
