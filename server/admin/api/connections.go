package api

import (
	"net/http"
	"net/url"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat"
)

// Connection is a connection as the API shows it.
type Connection struct {
	storage.Connection
	// PushEvents says that the connection has the keys of a message push.
	PushEvents bool `json:"push_events"`
}

func viewConnection(connection storage.Connection) Connection {
	return Connection{connection, admin.ConnectionReceivesPush(connection)}
}

// NewConnection is the body of the creation of a connection.
type NewConnection struct {
	storage.Connection
	AppSecret wechat.AppSecret `json:"app_secret"`
	// PushToken and EncodingAESKey are the keys of the message push.
	PushToken      string `json:"push_token,omitempty"`
	EncodingAESKey string `json:"encoding_aes_key,omitempty"`
}

// connectionRoutes are the operations on connections.
func connectionRoutes() []route {
	const tag, list, item = "Connections", "/directories/{directory}/connections", "/directories/{directory}/connections/{appid}"
	return []route{
		{
			id: "listConnections", method: http.MethodGet, path: list, tag: tag, status: http.StatusOK,
			summary: "List the connections", text: "The oldest connections come first.",
			act: admin.ActConnectionRead, query: pageParameters(), reply: typeOf[listOf[Connection]](), serve: listConnections,
		},
		{
			id: "createConnection", method: http.MethodPost, path: list, tag: tag, status: http.StatusCreated,
			summary: "Create a connection", text: "Users can sign in by it within five seconds. The AppSecret is never shown.",
			act: admin.ActConnectionCreate, body: typeOf[NewConnection](), reply: typeOf[Connection](), tagged: true, replay: replayConnection, serve: createConnection,
		},
		{
			id: "getConnection", method: http.MethodGet, path: item, tag: tag, status: http.StatusOK,
			summary: "Read a connection", text: "The AppSecret is not shown.",
			act: admin.ActConnectionRead, reply: typeOf[Connection](), tagged: true,
			serve: func(c *call) (reply, error) {
				return connectionReply(c.service.Connection(c.Context(), c.directory(), c.param("appid")))
			},
		},
		{
			id: "changeConnection", method: http.MethodPatch, path: item, tag: tag, status: http.StatusOK,
			summary: "Change a connection", text: "Members that the patch does not have stay as they are; null restores the default.",
			act: admin.ActConnectionUpdate, body: typeOf[Connection](), patch: true, reply: typeOf[Connection](), tagged: true, serve: changeConnection,
		},
		{
			id: "disableConnection", method: http.MethodPost, path: item + "/disable", tag: tag, status: http.StatusOK,
			summary: "Disable a connection", text: "No user signs in by it until it is enabled again. Sessions and tokens remain.",
			act: admin.ActConnectionDisable, reply: typeOf[Connection](), tagged: true,
			serve: func(c *call) (reply, error) {
				return connectionReply(c.service.DisableConnection(c.Context(), c.directory(), c.param("appid")))
			},
		},
		{
			id: "enableConnection", method: http.MethodPost, path: item + "/enable", tag: tag, status: http.StatusOK,
			summary: "Enable a connection", text: "Users can sign in by it again.",
			act: admin.ActConnectionEnable, reply: typeOf[Connection](), tagged: true,
			serve: func(c *call) (reply, error) {
				return connectionReply(c.service.EnableConnection(c.Context(), c.directory(), c.param("appid")))
			},
		},
		{
			id: "setConnectionSecret", method: http.MethodPut, path: item + "/app-secret", tag: tag, status: http.StatusNoContent,
			summary: "Replace the AppSecret of a connection", text: "After a reset in WeChat's console. It has effect without a restart.",
			act: admin.ActConnectionSecret, body: typeOf[AppSecret](),
			serve: func(c *call) (reply, error) {
				asked, err := decode[AppSecret](c)
				if err != nil {
					return reply{}, err
				}
				return reply{}, c.service.SetConnectionSecret(c.Context(), c.directory(), c.param("appid"), asked.AppSecret)
			},
		},
		{
			id: "setConnectionPushKeys", method: http.MethodPut, path: item + "/push-keys", tag: tag, status: http.StatusNoContent,
			summary: "Set the keys of the message push of a connection", text: "The Token and the EncodingAESKey of the message push in WeChat's console. The push URL is the issuer, /federation/wechat/events/ and the AppID. Two empty texts remove the keys.",
			act: admin.ActConnectionPushKeys, body: typeOf[PushKeys](),
			serve: func(c *call) (reply, error) {
				asked, err := decode[PushKeys](c)
				if err != nil {
					return reply{}, err
				}
				return reply{}, c.service.SetConnectionPushKeys(c.Context(), c.directory(), c.param("appid"), asked.keys())
			},
		},
		{
			id: "testConnection", method: http.MethodPost, path: item + "/test", tag: tag, status: http.StatusOK,
			summary: "Test a connection", text: "Checks the AppID and AppSecret at WeChat.",
			act: admin.ActConnectionTest, reply: typeOf[admin.Credential](),
			serve: func(c *call) (reply, error) {
				result, err := c.service.TestConnection(c.Context(), c.directory(), c.param("appid"))
				return reply{body: result}, err
			},
		},
		{
			id: "deleteConnection", method: http.MethodDelete, path: item, tag: tag, status: http.StatusNoContent,
			summary: "Delete a connection", text: "Its users remain. A new connection of the same AppID finds them again.",
			act: admin.ActConnectionDelete, serve: deleteConnection,
		},
	}
}

func listConnections(c *call) (reply, error) {
	connections, next, err := c.service.Connections(c.Context(), c.directory(), c.page())
	views := make([]Connection, len(connections))
	for i, connection := range connections {
		views[i] = viewConnection(connection)
	}
	return listReply(views, next, err)
}

func connectionReply(entry *storage.Entry[storage.Connection], err error) (reply, error) {
	if err != nil {
		return reply{}, err
	}
	return reply{body: viewConnection(entry.Record), revision: entry.Revision()}, nil
}

func createConnection(c *call) (reply, error) {
	asked, err := decode[NewConnection](c)
	if err != nil {
		return reply{}, err
	}
	asked.Directory = c.directory()
	return createdConnection(c.service.CreateConnection(c.Context(), admin.NewConnection{
		Connection: asked.Connection, AppSecret: asked.AppSecret, Push: PushKeys{asked.PushToken, asked.EncodingAESKey}.keys(),
	}))
}

func createdConnection(entry *storage.Entry[storage.Connection], err error) (reply, error) {
	if err != nil {
		return reply{}, err
	}
	connection := entry.Record
	return reply{
		body: viewConnection(connection), revision: entry.Revision(), resource: connection.AppID,
		location: "/directories/" + connection.Directory + "/connections/" + url.PathEscape(connection.AppID),
	}, nil
}

func replayConnection(c *call, earlier result) (reply, error) {
	return createdConnection(c.service.Connection(c.Context(), c.directory(), earlier.Resource))
}

func changeConnection(c *call) (reply, error) {
	appID := c.param("appid")
	current, err := c.service.Connection(c.Context(), c.directory(), appID)
	if err != nil {
		return reply{}, err
	}
	if err := c.requireMatch(current.Revision()); err != nil {
		return reply{}, err
	}
	next, err := changed(c, current.Record)
	if err != nil {
		return reply{}, err
	}
	return connectionReply(c.service.UpdateConnection(c.Context(), c.directory(), appID, current.Revision(), func(connection *storage.Connection) { *connection = next }))
}

func deleteConnection(c *call) (reply, error) {
	current, err := c.service.Connection(c.Context(), c.directory(), c.param("appid"))
	if err != nil {
		return reply{}, err
	}
	if err := c.allowMatch(current.Revision()); err != nil {
		return reply{}, err
	}
	return reply{}, c.service.DeleteConnection(c.Context(), c.directory(), c.param("appid"))
}
