package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

// Operator is a user of the directory of operators, with the roles.
type Operator struct {
	User        storage.User
	Assignments []Assignment
}

// IsOwner reports whether the operator is an active owner of the installation.
func (o Operator) IsOwner() bool { return isOwner(o.User) }

func isOwner(user storage.User) bool {
	return user.Status == storage.UserActive && slices.Contains(user.Assignments, storage.Assignment{Directory: storage.Everywhere, Role: string(RoleOwner)})
}

func operatorOf(user storage.User) Operator { return Operator{user, AssignmentsOf(user.Assignments)} }

const (
	// operatorsIdle and operatorsAbsolute are the lifetimes of a session of the console, in seconds. An operator can do more harm
	// than a user, so they are shorter than elsewhere.
	operatorsIdle     = 60 * 60
	operatorsAbsolute = 12 * 60 * 60
)

// EnsureOperators creates the directory of operators if it is missing, and completes its keys in any case.
func (s *Service) EnsureOperators(ctx context.Context) error {
	if err := s.Allowed(storage.Everywhere, ActDirectoryCreate); err != nil {
		return err
	}
	if err := s.ensureOperators(ctx); err != nil {
		return err
	}
	return s.ensureCommandLine(ctx)
}

// CommandLineClient is the ID of the public client by which `minifed login` signs operators in.
const CommandLineClient = "minifed-cli"

// ensureCommandLine creates the client of the command line if it is missing.
func (s *Service) ensureCommandLine(ctx context.Context) error {
	_, err := s.client(ctx, storage.OperatorsDirectory, CommandLineClient)
	if !errors.Is(err, ErrNotFound) {
		return err
	}
	_, _, err = s.createClient(ctx, NewClient{Client: storage.Client{
		Directory: storage.OperatorsDirectory, ID: CommandLineClient, Name: "minifed (command line)", Kind: storage.ClientNative, FirstParty: true,
		RedirectURIs: []string{"http://127.0.0.1/callback"}, Scopes: []string{"openid", "offline_access"}, IDTokenAlgorithm: "ES256",
	}})
	if errors.Is(err, ErrExists) { // Another instance started at the same time.
		return nil
	}
	return err
}

func (s *Service) ensureOperators(ctx context.Context) error {
	existing, err := s.directory(ctx, storage.OperatorsDirectory)
	if err == nil {
		return s.ensureKeys(ctx, existing.Record)
	}
	if !errors.Is(err, ErrNotFound) {
		return err
	}
	directory := storage.Directory{
		ID: storage.OperatorsDirectory, Name: "minifed console", CreatedAt: s.now(), UpdatedAt: s.now(),
		Lifetimes: storage.Lifetimes{SessionIdle: operatorsIdle, SessionAbsolute: operatorsAbsolute},
	}
	if directory.Incarnation, err = s.newIncarnation(); err != nil {
		return err
	}
	if err := s.ensureKeys(ctx, directory); err != nil {
		return err
	}
	_, err = create(ctx, s, directoryName(directory.ID), directoryEntry(directory.ID, ActDirectoryCreate), directory)
	if errors.Is(err, ErrExists) { // Another instance started at the same time.
		return nil
	}
	return err
}

// Operators returns one page of the operators, oldest first, and where the next page begins.
func (s *Service) Operators(ctx context.Context, page Page) ([]Operator, string, error) {
	if err := s.Allowed(storage.OperatorsDirectory, ActOperatorRead); err != nil {
		return nil, "", err
	}
	return s.operators(ctx, page)
}

func (s *Service) operators(ctx context.Context, page Page) (found []Operator, next string, err error) {
	directory, err := s.directory(ctx, storage.OperatorsDirectory)
	if errors.Is(err, ErrNotFound) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	users, next, err := list[storage.User](ctx, s, page.query(storage.OperatorsDirectory, storage.ByCreated))
	for _, user := range users {
		if user.Status != storage.UserDeleted && user.BelongsTo(directory.Record) {
			found = append(found, operatorOf(user))
		}
	}
	return found, next, err
}

// Operator returns an operator. text is an ID, a username or a verified e-mail address.
func (s *Service) Operator(ctx context.Context, text string) (Operator, error) {
	if err := s.Allowed(storage.OperatorsDirectory, ActOperatorRead); err != nil {
		return Operator{}, err
	}
	return s.operator(ctx, text)
}

func (s *Service) operator(ctx context.Context, text string) (Operator, error) {
	entry, err := s.config.Identity.Named(ctx, storage.OperatorsDirectory, text)
	if errors.Is(err, identity.ErrUnknownUser) {
		return Operator{}, fmt.Errorf("operator %q %w", text, ErrNotFound)
	}
	if err != nil {
		return Operator{}, err
	}
	return operatorOf(entry.Record), nil
}

// NewOperator is the input for a new operator.
type NewOperator struct {
	identity.Account
	// Email is set as verified; empty for none.
	Email       string
	Assignments []Assignment
}

// CreateOperator creates an operator. Without a chosen password it generates one, which is returned only here.
func (s *Service) CreateOperator(ctx context.Context, asked NewOperator) (created Operator, password string, err error) {
	if err := s.Allowed(storage.OperatorsDirectory, ActOperatorCreate); err != nil {
		return Operator{}, "", err
	}
	if err := s.ensureOperators(ctx); err != nil {
		return Operator{}, "", err
	}
	if err := s.checkAssignments(ctx, asked.Assignments); err != nil {
		return Operator{}, "", err
	}
	if asked.Password == "" {
		if password, err = s.newID(); err != nil {
			return Operator{}, "", err
		}
		asked.Password = password
	}
	if created, err = s.newOperator(ctx, asked); err != nil {
		return Operator{}, "", err
	}
	return created, password, nil
}

// newOperator creates a user of the directory of operators, and gives the user the roles.
func (s *Service) newOperator(ctx context.Context, asked NewOperator) (Operator, error) {
	entry, err := s.config.Identity.Create(s.traced(ctx), storage.OperatorsDirectory, asked.Account, s.config.Actor.Name)
	if err != nil {
		return Operator{}, userError(asked.Username, err)
	}
	id := entry.Record.ID
	if asked.Email != "" {
		if _, err := s.config.Identity.SetEmail(s.traced(ctx), storage.OperatorsDirectory, id, asked.Email, s.config.Actor.Name); err != nil {
			return Operator{}, errors.Join(userError(id, err), s.config.Identity.Delete(s.traced(ctx), storage.OperatorsDirectory, id, s.config.Actor.Name))
		}
	}
	created, _, err := s.assign(ctx, id, ActOperatorCreate, asked.Assignments)
	return created, err
}

// assign replaces the assignments of an operator. It returns the former ones too.
func (s *Service) assign(ctx context.Context, id string, act Act, assignments []Assignment) (_ Operator, former []Assignment, err error) {
	entry, err := update(ctx, s, edit[storage.User]{
		what: operatorName(id), key: storage.Key(storage.OperatorsDirectory, id),
		entry: operatorEntry(id, act, map[string]string{"assignments": assignmentsText(assignments)}),
		change: func(user *storage.User) error {
			former = AssignmentsOf(user.Assignments)
			user.Assignments, user.UpdatedAt = storedAssignments(assignments), s.now()
			return nil
		},
	})
	if err != nil {
		return Operator{}, former, err
	}
	return operatorOf(entry.Record), former, nil
}

// SetOperatorRoles replaces the roles of an operator. They count from the operator's next request.
func (s *Service) SetOperatorRoles(ctx context.Context, text string, assignments []Assignment) (Operator, error) {
	if err := s.Allowed(storage.OperatorsDirectory, ActOperatorUpdate); err != nil {
		return Operator{}, err
	}
	current, err := s.operator(ctx, text)
	if err != nil {
		return Operator{}, err
	}
	if err := s.checkAssignments(ctx, assignments); err != nil {
		return Operator{}, err
	}
	id := current.User.ID
	if slices.Contains(assignments, Assignment{storage.Everywhere, RoleOwner}) {
		changed, _, err := s.assign(ctx, id, ActOperatorUpdate, assignments)
		return changed, err
	}
	var changed Operator
	var former []Assignment
	err = s.withOwner(ctx, id, ownership{
		end: func(ctx context.Context) (err error) {
			changed, former, err = s.assign(ctx, id, ActOperatorUpdate, assignments)
			return err
		},
		restore: func(ctx context.Context) error {
			_, _, err := s.assign(ctx, id, ActOperatorUpdate, former)
			return err
		},
	})
	if err != nil {
		return Operator{}, err
	}
	return changed, nil
}

// DisableOperator blocks an operator until EnableOperator, and ends every grant and session.
func (s *Service) DisableOperator(ctx context.Context, text string) error {
	return s.endOperator(ctx, text, ActOperatorDisable, nil)
}

// DeleteOperator removes an operator with all personal data.
func (s *Service) DeleteOperator(ctx context.Context, text string) error {
	return s.endOperator(ctx, text, ActOperatorDelete, s.config.Identity.Delete)
}

// endOperator disables an operator who is not the last owner, and then calls end, which may be nil. A deletion cannot be undone, so
// it follows when it is certain that an owner remains.
func (s *Service) endOperator(ctx context.Context, text string, act Act, end func(ctx context.Context, directory, id, actor string) error) error {
	if err := s.Allowed(storage.OperatorsDirectory, act); err != nil {
		return err
	}
	current, err := s.operator(ctx, text)
	if err != nil {
		return err
	}
	id, actor, ctx := current.User.ID, s.config.Actor.Name, s.traced(ctx)
	written := storage.AuditEntry{}
	err = s.withOwner(ctx, id, ownership{
		end: func(ctx context.Context) error {
			if written, err = s.record(ctx, operatorEntry(id, act, map[string]string{})); err != nil {
				return err
			}
			return s.config.Identity.Disable(ctx, storage.OperatorsDirectory, id, actor)
		},
		restore: func(ctx context.Context) error {
			return s.config.Identity.Enable(ctx, storage.OperatorsDirectory, id, actor)
		},
	})
	if err == nil && end != nil {
		err = end(ctx, storage.OperatorsDirectory, id, actor)
	}
	return s.failed(ctx, written, userError(id, err))
}

// EnableOperator lets a disabled operator in again.
func (s *Service) EnableOperator(ctx context.Context, text string) error {
	if err := s.Allowed(storage.OperatorsDirectory, ActOperatorEnable); err != nil {
		return err
	}
	current, err := s.operator(ctx, text)
	if err != nil {
		return err
	}
	id := current.User.ID
	if err := s.audit(ctx, operatorEntry(id, ActOperatorEnable, map[string]string{})); err != nil {
		return err
	}
	return userError(id, s.config.Identity.Enable(s.traced(ctx), storage.OperatorsDirectory, id, s.config.Actor.Name))
}

// ownership is an act that ends the ownership of an operator, and its reverse.
type ownership struct{ end, restore func(context.Context) error }

// withOwner ends the ownership of an operator if another owner of the installation remains, else it returns ErrRefused. Without an
// owner, only the command line could change operators. It checks before and after the act: of two owners who end each other's
// ownership at the same moment, the later one at least sees that none remains, and restores.
func (s *Service) withOwner(ctx context.Context, id string, act ownership) error {
	other, itself, err := s.activeOwners(ctx, id)
	if err != nil {
		return err
	}
	refused := fmt.Errorf("%w: %s is the last owner; create another owner first", ErrRefused, operatorName(id))
	if itself && !other {
		return refused
	}
	if err := act.end(ctx); err != nil || !other { // Without an owner before, nothing is lost.
		return err
	}
	ctx = context.WithoutCancel(ctx)
	other, itself, err = s.activeOwners(ctx, id)
	if err != nil {
		return errors.Join(err, act.restore(ctx))
	}
	if other || itself {
		return nil
	}
	return errors.Join(refused, act.restore(ctx))
}

// activeOwners reports whether the installation has an active owner other than an operator, or that operator itself.
func (s *Service) activeOwners(ctx context.Context, id string) (other, itself bool, err error) {
	for page := (Page{Limit: storage.MaxPage}); ; {
		found, next, err := s.operators(ctx, page)
		if err != nil {
			return false, false, err
		}
		for _, operator := range found {
			itself = itself || operator.IsOwner() && operator.User.ID == id
			if operator.IsOwner() && operator.User.ID != id {
				return true, itself, nil
			}
		}
		if page.After = next; next == "" {
			return false, itself, nil
		}
	}
}

// hasOwner reports whether an owner of the installation exists, also a disabled one.
func (s *Service) hasOwner(ctx context.Context) (bool, error) {
	for page := (Page{Limit: storage.MaxPage}); ; {
		found, next, err := s.operators(ctx, page)
		if err != nil {
			return false, err
		}
		for _, operator := range found {
			if slices.Contains(operator.Assignments, Assignment{storage.Everywhere, RoleOwner}) {
				return true, nil
			}
		}
		if page.After = next; next == "" {
			return false, nil
		}
	}
}

// checkAssignments checks the roles of an operator or a service client.
func (s *Service) checkAssignments(ctx context.Context, assignments []Assignment) error {
	var p problems
	if len(assignments) == 0 {
		p.add("assignments", "must have at least one role")
	}
	if len(assignments) > storage.MaxAssignments {
		p.add("assignments", "has %d values; at most %d are allowed", len(assignments), storage.MaxAssignments)
		return p.err()
	}
	seen := map[string]bool{}
	for _, one := range assignments {
		if !slices.Contains(Roles(), one.Role) {
			p.add("assignments", "%q is not a role; the roles are %s", one.Role, joinRoles())
		}
		if seen[one.Directory] {
			p.add("assignments", "directory %q stands there twice", one.Directory)
		}
		seen[one.Directory] = true
		if one.Directory == storage.Everywhere {
			continue
		}
		_, err := s.directory(ctx, one.Directory)
		switch {
		case one.Directory == storage.OperatorsDirectory, errors.Is(err, ErrNotFound):
			p.add("assignments", "directory %q does not exist; %q is all directories", one.Directory, storage.Everywhere)
		case err != nil:
			return err
		}
	}
	return p.err()
}

func joinRoles() string {
	names := []string{}
	for _, role := range Roles() {
		names = append(names, string(role))
	}
	return strings.Join(names, ", ")
}

// storedAssignments returns assignments as a record has them, sorted.
func storedAssignments(assignments []Assignment) []storage.Assignment {
	stored := make([]storage.Assignment, len(assignments))
	for i, one := range assignments {
		stored[i] = storage.Assignment{Directory: one.Directory, Role: string(one.Role)}
	}
	slices.SortFunc(stored, func(a, b storage.Assignment) int { return cmp.Compare(a.Directory, b.Directory) })
	return stored
}

// assignmentsText writes assignments for an audit entry, as the command line reads them.
func assignmentsText(assignments []Assignment) string {
	texts := []string{}
	for _, one := range assignments {
		texts = append(texts, one.String())
	}
	return strings.Join(texts, " ")
}

// String returns the assignment as ParseAssignment reads it.
func (a Assignment) String() string {
	if a.Directory == storage.Everywhere {
		return string(a.Role)
	}
	return string(a.Role) + ":" + a.Directory
}

// ParseAssignment reads ROLE, for all directories, or ROLE:DIRECTORY.
func ParseAssignment(text string) Assignment {
	role, directory, found := strings.Cut(text, ":")
	if !found {
		directory = storage.Everywhere
	}
	return Assignment{Directory: directory, Role: Role(role)}
}

func operatorEntry(id string, act Act, details map[string]string) entry {
	return entry{directory: storage.OperatorsDirectory, action: act, target: "operator:" + id, details: details}
}

func operatorName(id string) string { return fmt.Sprintf("operator %q", id) }
