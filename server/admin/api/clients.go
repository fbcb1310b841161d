package api

import (
	"net/http"
	"net/url"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat"
)

// Client is a client as the API shows it.
type Client struct {
	storage.Client
	SecretCount int `json:"secret_count"`
	// PushEvents says that the client has the keys of a message push.
	PushEvents bool `json:"push_events"`
}

// NewClient is the body of the creation of a client.
type NewClient struct {
	storage.Client
	Secret    string           `json:"secret,omitempty"`
	AppSecret wechat.AppSecret `json:"app_secret,omitempty"`
	// PushToken and EncodingAESKey are the keys of the message push.
	PushToken      string `json:"push_token,omitempty"`
	EncodingAESKey string `json:"encoding_aes_key,omitempty"`
}

// CreatedClient is a client with its secret, which is shown only once.
type CreatedClient struct {
	Client
	Secret string `json:"secret,omitempty"`
}

// NewSecret is the body of the rotation of a secret.
type NewSecret struct {
	Secret string `json:"secret,omitempty"`
	Alone  bool   `json:"alone,omitempty"`
}

// Secret is a secret that is shown only once.
type Secret struct {
	Secret string `json:"secret"`
}

// AppSecret is the body of the replacement of an AppSecret.
type AppSecret struct {
	AppSecret wechat.AppSecret `json:"app_secret"`
}

// PushKeys is the body of the replacement of the keys of a message push.
type PushKeys struct {
	PushToken      string `json:"push_token"`
	EncodingAESKey string `json:"encoding_aes_key"`
}

func (k PushKeys) keys() admin.PushKeys {
	return admin.PushKeys{Token: k.PushToken, EncodingAESKey: k.EncodingAESKey}
}

// AppCredential is an AppID and AppSecret to test.
type AppCredential struct {
	AppID     string           `json:"app_id"`
	AppSecret wechat.AppSecret `json:"app_secret"`
}

func viewClient(client storage.Client) Client {
	return Client{client, len(client.Secrets), admin.ReceivesPush(client)}
}

// clientRoutes are the operations on clients.
func clientRoutes() []route {
	const tag, list, item = "Clients", "/directories/{directory}/clients", "/directories/{directory}/clients/{client}"
	return []route{
		{
			id: "listClients", method: http.MethodGet, path: list, tag: tag, status: http.StatusOK,
			summary: "List the clients", text: "The oldest clients come first.",
			act: admin.ActClientRead, query: pageParameters(), reply: typeOf[listOf[Client]](), serve: listClients,
		},
		{
			id: "createClient", method: http.MethodPost, path: list, tag: tag, status: http.StatusCreated,
			summary: "Create a client", text: "Members that are absent get the defaults of the kind. The response is the only one with the secret. A client of kind wechat_miniapp needs federation.app_id and app_secret.",
			act: admin.ActClientCreate, body: typeOf[NewClient](), reply: typeOf[CreatedClient](), tagged: true, replay: replayClient, serve: createClient,
		},
		{
			id: "testCredential", method: http.MethodPost, path: "/directories/{directory}/test-mini-program", tag: tag, status: http.StatusOK,
			summary: "Test an AppID and AppSecret", text: "Checks them at WeChat before a client has them. Nothing is stored.",
			act: admin.ActClientTest, body: typeOf[AppCredential](), reply: typeOf[admin.Credential](), serve: testCredential,
		},
		{
			id: "getClient", method: http.MethodGet, path: item, tag: tag, status: http.StatusOK,
			summary: "Read a client", text: "Secrets are not shown again; secret_count says how many are valid.",
			act: admin.ActClientRead, reply: typeOf[Client](), tagged: true,
			serve: func(c *call) (reply, error) {
				return clientReply(c.service.Client(c.Context(), c.directory(), c.param("client")))
			},
		},
		{
			id: "changeClient", method: http.MethodPatch, path: item, tag: tag, status: http.StatusOK,
			summary: "Change a client", text: "Members that the patch does not have stay as they are; null restores the default.",
			act: admin.ActClientUpdate, body: typeOf[Client](), patch: true, reply: typeOf[Client](), tagged: true, serve: changeClient,
		},
		{
			id: "disableClient", method: http.MethodPost, path: item + "/disable", tag: tag, status: http.StatusOK,
			summary: "Disable a client", text: "What the client was granted has no effect until it is enabled again.",
			act: admin.ActClientDisable, reply: typeOf[Client](), tagged: true,
			serve: func(c *call) (reply, error) {
				return clientReply(c.service.DisableClient(c.Context(), c.directory(), c.param("client")))
			},
		},
		{
			id: "enableClient", method: http.MethodPost, path: item + "/enable", tag: tag, status: http.StatusOK,
			summary: "Enable a client", text: "The client works again.",
			act: admin.ActClientEnable, reply: typeOf[Client](), tagged: true,
			serve: func(c *call) (reply, error) {
				return clientReply(c.service.EnableClient(c.Context(), c.directory(), c.param("client")))
			},
		},
		{
			id: "rotateClientSecret", method: http.MethodPost, path: item + "/secret", tag: tag, status: http.StatusCreated,
			summary: "Add a secret", text: "The earlier secrets stay valid, at most three of them, unless alone is true. The response is the only one with the secret.",
			act: admin.ActClientSecret, body: typeOf[NewSecret](), optional: true, reply: typeOf[Secret](), replay: replaySecret,
			serve: func(c *call) (reply, error) { return rotateSecret(c, c.directory(), c.param("client")) },
		},
		{
			id: "setAppSecret", method: http.MethodPut, path: item + "/app-secret", tag: tag, status: http.StatusNoContent,
			summary: "Replace the AppSecret", text: "For clients of kind wechat_miniapp, after a reset in WeChat's console. It has effect without a restart.",
			act: admin.ActClientAppSecret, body: typeOf[AppSecret](), serve: setAppSecret,
		},
		{
			id: "setPushKeys", method: http.MethodPut, path: item + "/push-keys", tag: tag, status: http.StatusNoContent,
			summary: "Set the keys of the message push", text: "For clients of kind wechat_miniapp: the Token and the EncodingAESKey of the message push in WeChat's console. The push URL is the issuer, /federation/wechat/events/ and the ID of the client. Two empty texts remove the keys.",
			act: admin.ActClientPushKeys, body: typeOf[PushKeys](), serve: setPushKeys,
		},
		{
			id: "testClient", method: http.MethodPost, path: item + "/test", tag: tag, status: http.StatusOK,
			summary: "Test a mini-program", text: "Checks the AppID and AppSecret of a client of kind wechat_miniapp at WeChat: the secret, the IP list and the connection.",
			act: admin.ActClientTest, reply: typeOf[admin.Credential](),
			serve: func(c *call) (reply, error) {
				result, err := c.service.TestMiniProgram(c.Context(), c.directory(), c.param("client"))
				return reply{body: result}, err
			},
		},
		{
			id: "deleteClient", method: http.MethodDelete, path: item, tag: tag, status: http.StatusNoContent,
			summary: "Delete a client", text: "Its grants, consents and tokens end.",
			act: admin.ActClientDelete, serve: deleteClient,
		},
	}
}

func listClients(c *call) (reply, error) {
	clients, next, err := c.service.Clients(c.Context(), c.directory(), c.page())
	views := make([]Client, len(clients))
	for i, client := range clients {
		views[i] = viewClient(client)
	}
	return listReply(views, next, err)
}

func clientReply(entry *storage.Entry[storage.Client], err error) (reply, error) {
	if err != nil {
		return reply{}, err
	}
	return reply{body: viewClient(entry.Record), revision: entry.Revision()}, nil
}

func createClient(c *call) (reply, error) {
	asked, err := decode[NewClient](c)
	if err != nil {
		return reply{}, err
	}
	asked.Directory = c.directory()
	if asked.ID == "" {
		asked.ID = c.reserved
	}
	entry, secret, err := c.service.CreateClient(c.Context(), admin.NewClient{Client: asked.Client, Secret: asked.Secret, AppSecret: asked.AppSecret, Push: PushKeys{asked.PushToken, asked.EncodingAESKey}.keys()})
	if err != nil {
		return reply{}, err
	}
	return createdClient(entry, secret), nil
}

func createdClient(entry *storage.Entry[storage.Client], secret string) reply {
	id := entry.Record.ID
	return reply{
		body: CreatedClient{viewClient(entry.Record), secret}, revision: entry.Revision(), resource: id, secret: secret,
		location: "/directories/" + entry.Record.Directory + "/clients/" + url.PathEscape(id),
	}
}

func changeClient(c *call) (reply, error) {
	id := c.param("client")
	current, err := c.service.Client(c.Context(), c.directory(), id)
	if err != nil {
		return reply{}, err
	}
	if err := c.requireMatch(current.Revision()); err != nil {
		return reply{}, err
	}
	next, err := changed(c, viewClient(current.Record))
	if err != nil {
		return reply{}, err
	}
	return clientReply(c.service.UpdateClient(c.Context(), c.directory(), id, current.Revision(), func(client *storage.Client) { *client = next.Client }))
}

func rotateSecret(c *call, directory, client string) (reply, error) {
	asked, err := decode[NewSecret](c)
	if err != nil {
		return reply{}, err
	}
	secret, err := c.service.RotateClientSecret(c.Context(), directory, client, asked.Secret, asked.Alone)
	return reply{body: Secret{secret}, secret: secret}, err
}

func setAppSecret(c *call) (reply, error) {
	asked, err := decode[AppSecret](c)
	if err != nil {
		return reply{}, err
	}
	return reply{}, c.service.SetAppSecret(c.Context(), c.directory(), c.param("client"), asked.AppSecret)
}

func setPushKeys(c *call) (reply, error) {
	asked, err := decode[PushKeys](c)
	if err != nil {
		return reply{}, err
	}
	return reply{}, c.service.SetPushKeys(c.Context(), c.directory(), c.param("client"), asked.keys())
}

func testCredential(c *call) (reply, error) {
	asked, err := decode[AppCredential](c)
	if err != nil {
		return reply{}, err
	}
	result, err := c.service.TestCredential(c.Context(), c.directory(), asked.AppID, asked.AppSecret)
	return reply{body: result}, err
}

func deleteClient(c *call) (reply, error) {
	current, err := c.service.Client(c.Context(), c.directory(), c.param("client"))
	if err != nil {
		return reply{}, err
	}
	if err := c.allowMatch(current.Revision()); err != nil {
		return reply{}, err
	}
	return reply{}, c.service.DeleteClient(c.Context(), c.directory(), c.param("client"))
}
