package apply

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// operatorBody is the body of an operator. The username identifies the operator.
type operatorBody struct {
	Username string `json:"username"`
	// Password is needed for a new operator. An operator who exists has the password of the operator's own choice.
	Password    string               `json:"password,omitempty"`
	Email       string               `json:"email,omitempty"`
	Disabled    bool                 `json:"disabled,omitempty"`
	Assignments []storage.Assignment `json:"assignments"`
}

// serviceBody is the body of a service client.
type serviceBody struct {
	ID          string               `json:"id"`
	Name        string               `json:"name,omitempty"`
	Secret      string               `json:"secret,omitempty"`
	Disabled    bool                 `json:"disabled,omitempty"`
	Assignments []storage.Assignment `json:"assignments"`
	ExpiresAt   time.Time            `json:"expires_at"`
}

// sorted returns assignments in the order of the store.
func sorted(assignments []storage.Assignment) []storage.Assignment {
	return slices.SortedFunc(slices.Values(assignments), func(a, b storage.Assignment) int { return cmp.Compare(a.Directory, b.Directory) })
}

// checkAssignments reports roles that do not exist, and directories that neither exist nor are described.
func (p *planner) checkAssignments(ctx context.Context, d described, assignments []storage.Assignment) error {
	problem := func(format string, values ...any) {
		p.problem = append(p.problem, Problem{d.Source, "assignments", fmt.Sprintf(format, values...)})
	}
	if len(assignments) == 0 {
		problem("must have at least one role")
	}
	for _, one := range assignments {
		if !slices.Contains(admin.Roles(), admin.Role(one.Role)) {
			problem("%q is not a role; the roles are %v", one.Role, admin.Roles())
		}
		if one.Directory == storage.Everywhere {
			continue
		}
		_, err := p.directoryOf(ctx, one.Directory)
		switch {
		case errors.Is(err, admin.ErrNotFound):
			problem("directory %q does not exist; %q is all directories", one.Directory, storage.Everywhere)
		case err != nil:
			return p.invalid(d.Source, err)
		}
	}
	return nil
}

func bodyOfOperator(operator admin.Operator) operatorBody {
	return operatorBody{
		Username: operator.User.Username, Email: operator.User.Email, Disabled: operator.User.Status == storage.UserDisabled,
		Assignments: sorted(operator.User.Assignments),
	}
}

func (p *planner) operator(ctx context.Context, d described) error {
	asked := *d.operator
	asked.Assignments = sorted(asked.Assignments)
	if err := p.checkAssignments(ctx, d, asked.Assignments); err != nil {
		return err
	}
	current, err := p.service.Operator(ctx, asked.Username)
	if errors.Is(err, admin.ErrNotFound) {
		p.newOperator(d, asked)
		return nil
	}
	if err != nil {
		return p.invalid(d.Source, err)
	}
	before := bodyOfOperator(current)
	asked.Username, asked.Password = before.Username, ""
	asked.Email = cmp.Or(asked.Email, before.Email) // An absent address leaves the stored one.
	p.add(Change{
		Kind: d.Kind, ID: d.id(), Source: d.Source, Members: differences(members(before), members(asked)), state: stateOf(before),
		do: func(ctx context.Context) error { return p.changeOperator(ctx, before, asked) },
	})
	return nil
}

func (p *planner) newOperator(d described, asked operatorBody) {
	if asked.Password == "" && !p.recorded {
		p.problem = append(p.problem, Problem{d.Source, "password", "is needed for a new operator"})
		return
	}
	shown := asked
	shown.Password = ""
	p.add(Change{
		Action: ActionCreate, Kind: d.Kind, ID: d.id(), Source: d.Source, Members: differences(nil, members(shown)),
		do: func(ctx context.Context) error {
			_, _, err := p.service.CreateOperator(ctx, admin.NewOperator{
				Account: identity.Account{Username: asked.Username, Password: asked.Password}, Email: asked.Email, Assignments: admin.AssignmentsOf(asked.Assignments),
			})
			if err != nil || !asked.Disabled {
				return err
			}
			return p.service.DisableOperator(ctx, asked.Username)
		},
	})
}

// changeOperator changes an operator who is still as the plan found the operator.
func (p *planner) changeOperator(ctx context.Context, before, after operatorBody) error {
	current, err := p.service.Operator(ctx, before.Username)
	if err != nil {
		return err
	}
	if len(differences(members(before), members(bodyOfOperator(current)))) > 0 {
		return admin.ErrChanged
	}
	if after.Email != before.Email {
		if _, err := p.service.UpdateUser(ctx, storage.OperatorsDirectory, current.User.ID, admin.UserUpdate{Email: &after.Email}); err != nil {
			return err
		}
	}
	if !slices.Equal(before.Assignments, after.Assignments) {
		if _, err := p.service.SetOperatorRoles(ctx, before.Username, admin.AssignmentsOf(after.Assignments)); err != nil {
			return err
		}
	}
	switch {
	case after.Disabled && !before.Disabled:
		return p.service.DisableOperator(ctx, before.Username)
	case !after.Disabled && before.Disabled:
		return p.service.EnableOperator(ctx, before.Username)
	default:
		return nil
	}
}

func bodyOfService(client storage.Client) serviceBody {
	return serviceBody{ID: client.ID, Name: client.Name, Disabled: client.Disabled, Assignments: sorted(client.Assignments), ExpiresAt: client.ExpiresAt}
}

// findService returns a service client, or admin.ErrNotFound.
func (p *planner) findService(ctx context.Context, id string) (storage.Client, error) {
	for page := (admin.Page{Limit: storage.MaxPage}); ; {
		clients, next, err := p.service.ServiceClients(ctx, page)
		if err != nil {
			return storage.Client{}, err
		}
		if i := slices.IndexFunc(clients, func(client storage.Client) bool { return client.ID == id }); i >= 0 {
			return clients[i], nil
		}
		if page.After = next; next == "" {
			return storage.Client{}, admin.ErrNotFound
		}
	}
}

func (p *planner) serviceClient(ctx context.Context, d described) error {
	asked := *d.service
	asked.Assignments, asked.ExpiresAt = sorted(asked.Assignments), storage.Instant(asked.ExpiresAt)
	if err := p.checkAssignments(ctx, d, asked.Assignments); err != nil {
		return err
	}
	if asked.ExpiresAt.IsZero() {
		p.problem = append(p.problem, Problem{d.Source, "expires_at", "is needed: a service client is valid for at most two years"})
		return nil
	}
	current, err := p.findService(ctx, asked.ID)
	if errors.Is(err, admin.ErrNotFound) {
		p.newService(d, asked)
		return nil
	}
	if err != nil {
		return p.invalid(d.Source, err)
	}
	before := bodyOfService(current)
	change := Change{Kind: d.Kind, ID: d.id(), Source: d.Source, state: stateOf(before)}
	secret := asked.Secret
	asked.Secret = ""
	change.Members = differences(members(before), members(asked))
	if secret != "" {
		has, err := p.service.HasClientSecret(ctx, current, secret)
		if err != nil {
			return p.invalid(d.Source, err)
		}
		if has {
			secret = ""
		} else {
			change.Members = append(change.Members, Difference{Member: "secret", Secret: true})
		}
	}
	change.do = func(ctx context.Context) error { return p.changeService(ctx, before, asked, secret) }
	p.add(change)
	return nil
}

func (p *planner) newService(d described, asked serviceBody) {
	shown := asked
	shown.Secret = ""
	change := Change{
		Action: ActionCreate, Kind: d.Kind, Directory: storage.OperatorsDirectory, ID: d.id(), Source: d.Source,
		Members: differences(nil, members(shown)), GeneratedSecret: asked.Secret == "",
		do: func(ctx context.Context) error {
			_, _, err := p.service.CreateServiceClient(ctx, admin.NewServiceClient{
				ID: asked.ID, Name: asked.Name, Assignments: admin.AssignmentsOf(asked.Assignments), ExpiresAt: asked.ExpiresAt,
			})
			if err == nil && asked.Secret != "" {
				_, err = p.service.RotateClientSecret(ctx, storage.OperatorsDirectory, asked.ID, asked.Secret, true)
			}
			if err == nil && asked.Disabled {
				_, err = p.service.DisableClient(ctx, storage.OperatorsDirectory, asked.ID)
			}
			return err
		},
	}
	if asked.Secret != "" {
		change.fresh = admin.ActClientSecretAlone
	}
	p.add(change)
}

// changeService changes a service client that is still as the plan found it.
func (p *planner) changeService(ctx context.Context, before, after serviceBody, secret string) error {
	current, err := p.findService(ctx, before.ID)
	if err != nil {
		return err
	}
	if len(differences(members(before), members(bodyOfService(current)))) > 0 {
		return admin.ErrChanged
	}
	state := after
	state.Disabled = before.Disabled
	if len(differences(members(before), members(state))) > 0 {
		assignments := admin.AssignmentsOf(after.Assignments)
		update := admin.ServiceClientUpdate{Name: &after.Name, Assignments: &assignments, ExpiresAt: &after.ExpiresAt}
		if _, err := p.service.UpdateServiceClient(ctx, before.ID, update); err != nil {
			return err
		}
	}
	if secret != "" {
		if _, err := p.service.RotateClientSecret(ctx, storage.OperatorsDirectory, before.ID, secret, false); err != nil {
			return err
		}
	}
	switch {
	case after.Disabled && !before.Disabled:
		_, err = p.service.DisableClient(ctx, storage.OperatorsDirectory, before.ID)
	case !after.Disabled && before.Disabled:
		_, err = p.service.EnableClient(ctx, storage.OperatorsDirectory, before.ID)
	}
	return err
}
