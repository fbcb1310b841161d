package remote

import (
	"context"
	"net/http"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/server/admin/api"
	"github.com/minifed/minifed/storage"
)

// stored returns assignments as the API has them.
func stored(assignments []admin.Assignment) []storage.Assignment {
	list := make([]storage.Assignment, len(assignments))
	for i, one := range assignments {
		list[i] = storage.Assignment{Directory: one.Directory, Role: string(one.Role)}
	}
	return list
}

func operatorOf(read api.Operator) admin.Operator {
	user := storage.User{
		Directory: storage.OperatorsDirectory, ID: read.ID, Status: read.Status, Username: read.Username, Email: read.Email,
		Profile: storage.Profile{Name: read.Name}, CreatedAt: read.CreatedAt, Assignments: read.Assignments,
	}
	return admin.Operator{User: user, Assignments: admin.AssignmentsOf(read.Assignments)}
}

// CreateOperator does what admin.Service.CreateOperator does.
func (c *Client) CreateOperator(ctx context.Context, asked admin.NewOperator) (admin.Operator, string, error) {
	body := api.NewOperator{
		Username: asked.Username, Name: asked.Profile.Name, Password: asked.Password, Email: asked.Email, Assignments: stored(asked.Assignments),
	}
	var created api.CreatedOperator
	_, err := c.call(ctx, request{method: http.MethodPost, path: "/operators", body: body}, &created)
	return operatorOf(created.Operator), created.Password, err
}

// Operators does what admin.Service.Operators does.
func (c *Client) Operators(ctx context.Context, asked admin.Page) (operators []admin.Operator, next string, err error) {
	found, next, err := list[api.Operator](ctx, c, asked, "/operators")
	for _, one := range found {
		operators = append(operators, operatorOf(one))
	}
	return operators, next, err
}

// Operator does what admin.Service.Operator does.
func (c *Client) Operator(ctx context.Context, named string) (admin.Operator, error) {
	return c.operator(ctx, request{method: http.MethodGet, path: path("operators", named)})
}

// SetOperatorRoles does what admin.Service.SetOperatorRoles does.
func (c *Client) SetOperatorRoles(ctx context.Context, named string, assignments []admin.Assignment) (admin.Operator, error) {
	return c.operator(ctx, request{method: http.MethodPut, path: path("operators", named, "roles"), body: api.Roles{Assignments: stored(assignments)}})
}

func (c *Client) operator(ctx context.Context, sent request) (admin.Operator, error) {
	var found api.Operator
	_, err := c.call(ctx, sent, &found)
	return operatorOf(found), err
}

// DisableOperator does what admin.Service.DisableOperator does.
func (c *Client) DisableOperator(ctx context.Context, named string) error {
	_, err := c.operator(ctx, request{method: http.MethodPost, path: path("operators", named, "disable")})
	return err
}

// EnableOperator does what admin.Service.EnableOperator does.
func (c *Client) EnableOperator(ctx context.Context, named string) error {
	_, err := c.operator(ctx, request{method: http.MethodPost, path: path("operators", named, "enable")})
	return err
}

// DeleteOperator does what admin.Service.DeleteOperator does.
func (c *Client) DeleteOperator(ctx context.Context, named string) error {
	_, err := c.call(ctx, request{method: http.MethodDelete, path: path("operators", named)}, nil)
	return err
}

func serviceOf(read api.ServiceClient) storage.Client {
	return storage.Client{
		Directory: storage.OperatorsDirectory, ID: read.ID, Kind: storage.ClientService, Name: read.Name, Disabled: read.Disabled,
		Assignments: read.Assignments, ExpiresAt: read.ExpiresAt, CreatedAt: read.CreatedAt,
	}
}

// CreateServiceClient does what admin.Service.CreateServiceClient does.
func (c *Client) CreateServiceClient(ctx context.Context, asked admin.NewServiceClient) (storage.Client, string, error) {
	body := api.NewServiceClient{ID: asked.ID, Name: asked.Name, Assignments: stored(asked.Assignments), ExpiresAt: asked.ExpiresAt}
	var created api.CreatedServiceClient
	_, err := c.call(ctx, request{method: http.MethodPost, path: "/service-clients", body: body}, &created)
	return serviceOf(created.ServiceClient), created.Secret, err
}

// ServiceClients does what admin.Service.ServiceClients does.
func (c *Client) ServiceClients(ctx context.Context, asked admin.Page) (clients []storage.Client, next string, err error) {
	found, next, err := list[api.ServiceClient](ctx, c, asked, "/service-clients")
	for _, one := range found {
		clients = append(clients, serviceOf(one))
	}
	return clients, next, err
}

// UpdateServiceClient does what admin.Service.UpdateServiceClient does.
func (c *Client) UpdateServiceClient(ctx context.Context, id string, with admin.ServiceClientUpdate) (storage.Client, error) {
	after, err := change(ctx, c, path("service-clients", id), func(read *api.ServiceClient) {
		if with.Name != nil {
			read.Name = *with.Name
		}
		if with.Assignments != nil {
			read.Assignments = stored(*with.Assignments)
		}
		if with.ExpiresAt != nil {
			read.ExpiresAt = *with.ExpiresAt
		}
	})
	return serviceOf(after), err
}
