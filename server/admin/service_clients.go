package admin

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/minifed/minifed/storage"
)

// maxServiceLife bounds the lifetime of a service client: a forgotten one must not stay valid forever.
const maxServiceLife = 2 * 366 * 24 * time.Hour

// NewServiceClient is the input for a new service client of the admin API.
type NewServiceClient struct {
	// ID is generated if it is empty.
	ID, Name    string
	Assignments []Assignment
	// ExpiresAt is required: at most two years ahead.
	ExpiresAt time.Time
}

// CreateServiceClient creates a client for programs that use the admin API. It gets tokens by client_credentials. The secret is
// returned only here. RotateClientSecret, DisableClient, EnableClient and DeleteClient in the directory of operators do the rest.
func (s *Service) CreateServiceClient(ctx context.Context, asked NewServiceClient) (created storage.Client, secret string, err error) {
	if err := s.Allowed(storage.OperatorsDirectory, ActServiceCreate); err != nil {
		return storage.Client{}, "", err
	}
	if err := s.ensureOperators(ctx); err != nil {
		return storage.Client{}, "", err
	}
	if err := s.checkService(ctx, asked.Assignments, asked.ExpiresAt); err != nil {
		return storage.Client{}, "", err
	}
	client := storage.Client{
		Directory: storage.OperatorsDirectory, ID: asked.ID, Name: asked.Name, Kind: storage.ClientService,
		IDTokenAlgorithm: "ES256", Assignments: storedAssignments(asked.Assignments), ExpiresAt: storage.Instant(asked.ExpiresAt),
	}
	entry, secret, err := s.createClient(ctx, NewClient{Client: client})
	if err != nil {
		return storage.Client{}, "", err
	}
	return entry.Record, secret, nil
}

// ServiceClients returns one page of the service clients, oldest first, and where the next page begins.
func (s *Service) ServiceClients(ctx context.Context, page Page) ([]storage.Client, string, error) {
	if err := s.Allowed(storage.OperatorsDirectory, ActServiceRead); err != nil {
		return nil, "", err
	}
	clients, next, err := list[storage.Client](ctx, s, page.query(storage.OperatorsDirectory, storage.ByCreated))
	return slices.DeleteFunc(clients, func(client storage.Client) bool { return client.ID == CommandLineClient }), next, err
}

// ServiceClientUpdate is a change of a service client; nil members stay as they are.
type ServiceClientUpdate struct {
	// Revision, if not empty, must be the client's.
	Revision    string
	Name        *string
	Assignments *[]Assignment
	ExpiresAt   *time.Time
}

// UpdateServiceClient changes a service client. The roles count from its next request.
func (s *Service) UpdateServiceClient(ctx context.Context, id string, change ServiceClientUpdate) (storage.Client, error) {
	if err := s.Allowed(storage.OperatorsDirectory, ActServiceUpdate); err != nil {
		return storage.Client{}, err
	}
	entry, err := s.changeClient(ctx, storage.OperatorsDirectory, id, change.Revision, ActServiceUpdate, func(client *storage.Client) error {
		if len(client.Assignments) == 0 {
			return fmt.Errorf("%w: client %q is not a service client of the admin API", ErrRefused, id)
		}
		var p problems
		if change.Name != nil {
			client.Name = *change.Name
			p.check("name", checkLabel(client.Name))
		}
		if change.Assignments != nil {
			client.Assignments = storedAssignments(*change.Assignments)
		}
		if change.ExpiresAt != nil {
			client.ExpiresAt = storage.Instant(*change.ExpiresAt)
		}
		if err := p.err(); err != nil {
			return err
		}
		return s.checkService(ctx, AssignmentsOf(client.Assignments), client.ExpiresAt)
	})
	if err != nil {
		return storage.Client{}, err
	}
	return entry.Record, nil
}

// checkService checks the roles and the expiry of a service client.
func (s *Service) checkService(ctx context.Context, assignments []Assignment, expiresAt time.Time) error {
	if err := s.checkAssignments(ctx, assignments); err != nil {
		return err
	}
	var p problems
	if now := s.now(); !expiresAt.After(now) || expiresAt.After(now.Add(maxServiceLife)) {
		p.add("expires_at", "must be in the future, and at most two years ahead")
	}
	return p.err()
}
