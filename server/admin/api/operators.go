package api

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// Operator is an operator of minifed.
type Operator struct {
	ID          string               `json:"id"`
	Status      storage.UserStatus   `json:"status"`
	Username    string               `json:"username"`
	Name        string               `json:"name,omitempty"`
	Email       string               `json:"email,omitempty"`
	Assignments []storage.Assignment `json:"assignments"`
	CreatedAt   time.Time            `json:"created_at"`
}

// NewOperator is the body of the creation of an operator.
type NewOperator struct {
	Username    string               `json:"username"`
	Name        string               `json:"name,omitempty"`
	Password    string               `json:"password,omitempty"`
	Email       string               `json:"email,omitempty"`
	Assignments []storage.Assignment `json:"assignments"`
}

// CreatedOperator is an operator with a generated password, which is shown only once.
type CreatedOperator struct {
	Operator
	Password string `json:"password,omitempty"`
}

// Roles is the body of the replacement of roles.
type Roles struct {
	Assignments []storage.Assignment `json:"assignments"`
}

// ServiceClient is a client for programs that use this API.
type ServiceClient struct {
	ID          string               `json:"id"`
	Name        string               `json:"name,omitempty"`
	Disabled    bool                 `json:"disabled,omitempty"`
	Assignments []storage.Assignment `json:"assignments"`
	ExpiresAt   time.Time            `json:"expires_at"`
	CreatedAt   time.Time            `json:"created_at"`
}

// NewServiceClient is the body of the creation of a service client.
type NewServiceClient struct {
	ID          string               `json:"id,omitempty"`
	Name        string               `json:"name,omitempty"`
	Assignments []storage.Assignment `json:"assignments"`
	ExpiresAt   time.Time            `json:"expires_at"`
}

// CreatedServiceClient is a service client with its secret, which is shown only once.
type CreatedServiceClient struct {
	ServiceClient
	Secret string `json:"secret"`
}

func viewOperator(o admin.Operator) Operator {
	u := o.User
	return Operator{u.ID, u.Status, u.Username, u.Profile.Name, u.Email, u.Assignments, u.CreatedAt}
}

func viewService(c storage.Client) ServiceClient {
	return ServiceClient{c.ID, c.Name, c.Disabled, c.Assignments, c.ExpiresAt, c.CreatedAt}
}

// operatorRoutes are the operations on operators and service clients.
func operatorRoutes() []route {
	const tag, list, item, in = "Operators", "/operators", "/operators/{operator}", storage.OperatorsDirectory
	act := func(id, path, summary, text string, act admin.Act, do func(*admin.Service, context.Context, string) error) route {
		return route{
			id: id, method: http.MethodPost, path: item + path, tag: tag, status: http.StatusOK, summary: summary, text: text, in: in,
			act: act, reply: typeOf[Operator](),
			serve: func(c *call) (reply, error) {
				if err := do(c.service, c.Context(), c.param("operator")); err != nil {
					return reply{}, err
				}
				return operatorReply(c.service.Operator(c.Context(), c.param("operator")))
			},
		}
	}
	return []route{
		{
			id: "listOperators", method: http.MethodGet, path: list, tag: tag, status: http.StatusOK, in: in,
			summary: "List the operators", text: "The oldest operators come first.", act: admin.ActOperatorRead, query: pageParameters(),
			reply: typeOf[listOf[Operator]](), serve: listOperators,
		},
		{
			id: "createOperator", method: http.MethodPost, path: list, tag: tag, status: http.StatusCreated, in: in,
			summary: "Create an operator", text: "Without a password, one is generated, which only this response has. The operator adds a second factor at the first sign-in.",
			act: admin.ActOperatorCreate, body: typeOf[NewOperator](), reply: typeOf[CreatedOperator](), replay: replayOperator, serve: createOperator,
		},
		{
			id: "getOperator", method: http.MethodGet, path: item, tag: tag, status: http.StatusOK, in: in,
			summary: "Read an operator", text: "The path has the ID, the username or the e-mail address.", act: admin.ActOperatorRead, reply: typeOf[Operator](),
			serve: func(c *call) (reply, error) {
				return operatorReply(c.service.Operator(c.Context(), c.param("operator")))
			},
		},
		{
			id: "setOperatorRoles", method: http.MethodPut, path: item + "/roles", tag: tag, status: http.StatusOK, in: in,
			summary: "Replace the roles of an operator", text: "They count from the operator's next request. The last owner stays an owner.",
			act: admin.ActOperatorUpdate, body: typeOf[Roles](), reply: typeOf[Operator](), serve: setRoles,
		},
		act("disableOperator", "/disable", "Disable an operator", "The operator is signed out and cannot sign in until enabled again.", admin.ActOperatorDisable, (*admin.Service).DisableOperator),
		act("enableOperator", "/enable", "Enable an operator", "The operator can sign in again.", admin.ActOperatorEnable, (*admin.Service).EnableOperator),
		{
			id: "deleteOperator", method: http.MethodDelete, path: item, tag: tag, status: http.StatusNoContent, in: in,
			summary: "Delete an operator", text: "All personal data of the operator is removed. The last owner cannot be deleted.", act: admin.ActOperatorDelete,
			serve: func(c *call) (reply, error) {
				return reply{}, c.service.DeleteOperator(c.Context(), c.param("operator"))
			},
		},
	}
}

// serviceRoutes are the operations on the clients of programs that use the API.
func serviceRoutes() []route {
	const tag, list, item, in = "Service clients", "/service-clients", "/service-clients/{client}", storage.OperatorsDirectory
	act := func(id, path, summary, text string, act admin.Act, do func(*admin.Service, context.Context, string, string) (*storage.Entry[storage.Client], error)) route {
		return route{
			id: id, method: http.MethodPost, path: item + path, tag: tag, status: http.StatusOK, summary: summary, text: text, in: in,
			act: act, reply: typeOf[ServiceClient](),
			serve: func(c *call) (reply, error) {
				entry, err := do(c.service, c.Context(), in, c.param("client"))
				if err != nil {
					return reply{}, err
				}
				return reply{body: viewService(entry.Record)}, nil
			},
		}
	}
	return []route{
		{
			id: "listServiceClients", method: http.MethodGet, path: list, tag: tag, status: http.StatusOK, in: in,
			summary: "List the service clients", text: "The oldest come first.", act: admin.ActServiceRead, query: pageParameters(),
			reply: typeOf[listOf[ServiceClient]](), serve: listServices,
		},
		{
			id: "createServiceClient", method: http.MethodPost, path: list, tag: tag, status: http.StatusCreated, in: in,
			summary: "Create a service client", text: "It gets access tokens by the grant client_credentials at the token endpoint of the admin address. The response is the only one with the secret.",
			act: admin.ActServiceCreate, body: typeOf[NewServiceClient](), reply: typeOf[CreatedServiceClient](), replay: replayService, serve: createService,
		},
		{
			id: "changeServiceClient", method: http.MethodPatch, path: item, tag: tag, status: http.StatusOK, in: in,
			summary: "Change a service client", text: "Name, roles and expiry can be changed. The roles count from its next request.",
			act: admin.ActServiceUpdate, body: typeOf[ServiceClient](), patch: true, reply: typeOf[ServiceClient](), tagged: true, serve: changeService,
		},
		{
			id: "getServiceClient", method: http.MethodGet, path: item, tag: tag, status: http.StatusOK, in: in,
			summary: "Read a service client", text: "The secret is not shown again.", act: admin.ActServiceRead, reply: typeOf[ServiceClient](), tagged: true, serve: getService,
		},
		{
			id: "rotateServiceSecret", method: http.MethodPost, path: item + "/secret", tag: tag, status: http.StatusCreated, in: in,
			summary: "Add a secret to a service client", text: "The earlier secrets stay valid, at most three of them, unless alone is true. The response is the only one with the secret.",
			act: admin.ActClientSecret, body: typeOf[NewSecret](), optional: true, reply: typeOf[Secret](), replay: replaySecret,
			serve: func(c *call) (reply, error) { return rotateSecret(c, in, c.param("client")) },
		},
		act("disableServiceClient", "/disable", "Disable a service client", "Its tokens are not accepted until it is enabled again.", admin.ActClientDisable, (*admin.Service).DisableClient),
		act("enableServiceClient", "/enable", "Enable a service client", "It works again.", admin.ActClientEnable, (*admin.Service).EnableClient),
		{
			id: "deleteServiceClient", method: http.MethodDelete, path: item, tag: tag, status: http.StatusNoContent, in: in,
			summary: "Delete a service client", text: "Its tokens are not accepted any more.", act: admin.ActClientDelete,
			serve: func(c *call) (reply, error) {
				return reply{}, c.service.DeleteClient(c.Context(), in, c.param("client"))
			},
		},
	}
}

func operatorReply(operator admin.Operator, err error) (reply, error) {
	return reply{body: viewOperator(operator)}, err
}

func listOperators(c *call) (reply, error) {
	operators, next, err := c.service.Operators(c.Context(), c.page())
	views := make([]Operator, len(operators))
	for i, operator := range operators {
		views[i] = viewOperator(operator)
	}
	return listReply(views, next, err)
}

func createOperator(c *call) (reply, error) {
	asked, err := decode[NewOperator](c)
	if err != nil {
		return reply{}, err
	}
	created, password, err := c.service.CreateOperator(c.Context(), admin.NewOperator{
		Account: identity.Account{Username: asked.Username, Password: asked.Password, Profile: storage.Profile{Name: asked.Name}}, Email: asked.Email,
		Assignments: admin.AssignmentsOf(asked.Assignments),
	})
	id := created.User.ID
	return reply{
		body: CreatedOperator{viewOperator(created), password}, resource: id, secret: password, location: "/operators/" + url.PathEscape(id),
	}, err
}

func setRoles(c *call) (reply, error) {
	asked, err := decode[Roles](c)
	if err != nil {
		return reply{}, err
	}
	return operatorReply(c.service.SetOperatorRoles(c.Context(), c.param("operator"), admin.AssignmentsOf(asked.Assignments)))
}

func listServices(c *call) (reply, error) {
	clients, next, err := c.service.ServiceClients(c.Context(), c.page())
	views := make([]ServiceClient, len(clients))
	for i, client := range clients {
		views[i] = viewService(client)
	}
	return listReply(views, next, err)
}

func createService(c *call) (reply, error) {
	asked, err := decode[NewServiceClient](c)
	if err != nil {
		return reply{}, err
	}
	if asked.ID == "" {
		asked.ID = c.reserved
	}
	created, secret, err := c.service.CreateServiceClient(c.Context(), admin.NewServiceClient{
		ID: asked.ID, Name: asked.Name, Assignments: admin.AssignmentsOf(asked.Assignments), ExpiresAt: asked.ExpiresAt,
	})
	return reply{
		body: CreatedServiceClient{viewService(created), secret}, resource: created.ID, secret: secret,
		location: "/service-clients/" + url.PathEscape(created.ID),
	}, err
}

func getService(c *call) (reply, error) {
	entry, err := c.service.Client(c.Context(), c.directory(), c.param("client"))
	if err != nil {
		return reply{}, err
	}
	return reply{body: viewService(entry.Record), revision: entry.Revision()}, nil
}

func changeService(c *call) (reply, error) {
	current, err := c.service.Client(c.Context(), c.directory(), c.param("client"))
	if err != nil {
		return reply{}, err
	}
	if err := c.requireMatch(current.Revision()); err != nil {
		return reply{}, err
	}
	before := viewService(current.Record)
	next, err := changed(c, before)
	if err != nil {
		return reply{}, err
	}
	assignments := admin.AssignmentsOf(next.Assignments)
	change := admin.ServiceClientUpdate{Revision: current.Revision(), Name: &next.Name, Assignments: &assignments, ExpiresAt: &next.ExpiresAt}
	if _, err := c.service.UpdateServiceClient(c.Context(), c.param("client"), change); err != nil {
		return reply{}, err
	}
	return getService(c)
}
