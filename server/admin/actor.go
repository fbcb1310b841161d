package admin

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

// The sentinels of authorisation.
var (
	// ErrForbidden says that the actor's roles do not allow the act; the wrapping text names both.
	ErrForbidden = errors.New("is not allowed")
	// ErrUnauthenticated says that a request names no actor: its session or token is missing, invalid or too weak.
	ErrUnauthenticated = errors.New("needs a sign-in")
	// ErrSignInAgain says that the act cannot be undone and that the actor's sign-in is older than FreshSignIn.
	ErrSignInAgain = errors.New("needs a new sign-in")
)

// FreshSignIn is the greatest age of the sign-in for an act that cannot be undone.
const FreshSignIn = 5 * time.Minute

// Role is what an operator may do in a directory. A stronger role includes the weaker ones.
type Role string

// The roles, strongest first.
const (
	// RoleOwner allows everything, including deletion and the export of keys.
	RoleOwner Role = "owner"
	// RoleAdmin allows all settings of a directory, its clients and users.
	RoleAdmin Role = "admin"
	// RoleSupport allows acts for users that show or set no secret.
	RoleSupport Role = "support"
	// RoleAuditor allows reading.
	RoleAuditor Role = "auditor"
)

// Roles returns the roles, strongest first.
func Roles() []Role { return []Role{RoleOwner, RoleAdmin, RoleSupport, RoleAuditor} }

// includes reports whether the role is at least as strong as another one. An unknown role includes nothing.
func (r Role) includes(weakest Role) bool {
	for _, role := range Roles() {
		if role == r {
			return true
		}
		if role == weakest {
			return false
		}
	}
	return false
}

// Assignment gives a role in one directory, or in all of them.
type Assignment struct {
	// Directory is a directory's ID, or storage.Everywhere.
	Directory string `json:"directory"`
	Role      Role   `json:"role"`
}

// AssignmentsOf returns the assignments of a record.
func AssignmentsOf(stored []storage.Assignment) []Assignment {
	assignments := make([]Assignment, len(stored))
	for i, one := range stored {
		assignments[i] = Assignment{one.Directory, Role(one.Role)}
	}
	return assignments
}

// Actor is the caller on whose authority the service acts.
type Actor struct {
	// Name is the actor in audit entries: "operator:ID", "service:CLIENT" or "cli:USER".
	Name        string
	Assignments []Assignment
	// From is the client address; it is empty at the command line.
	From string
	// RequestID is the ID of the request in the logs; it is empty at the command line.
	RequestID string
	// AuthTime is the last sign-in. It is zero for the command line and for service clients, which need none.
	AuthTime time.Time
	// Local allows everything. It is set for the command line, which reads the store and the master key anyway.
	Local bool
}

// The prefixes of Actor.Name.
const (
	servicePrefix = "service:"
	localPrefix   = "cli:"
)

// OperatorName returns the name of the actor of an operator.
func OperatorName(user string) string { return identity.Operator(user) }

// ServiceName returns the name of the actor of a service client.
func ServiceName(client string) string { return servicePrefix + client }

// LocalActor returns the actor of the command line: a user of the operating system.
func LocalActor(user string) Actor { return Actor{Name: localPrefix + user, Local: true} }

// As returns the same service for another actor.
func (s *Service) As(actor Actor) *Service {
	config := s.config
	config.Actor = actor
	return &Service{config, s.rules}
}

// Allowed returns nil if the actor may do an act in a directory, ErrForbidden if the actor's roles do not allow it, or
// ErrSignInAgain. The directory storage.Everywhere stands for the installation itself.
func (s *Service) Allowed(directory string, act Act) error {
	rule, known := s.rules[act]
	if !known {
		return fmt.Errorf("admin: act %q is not in the table of acts", act)
	}
	actor := s.config.Actor
	if actor.Local {
		return nil
	}
	if !actor.has(directory, rule) {
		return fmt.Errorf("%s in directory %q %w for %s", act, directory, ErrForbidden, actor.Name)
	}
	if rule.irreversible && !actor.automated() && s.now().Sub(actor.AuthTime) > FreshSignIn {
		return fmt.Errorf("%s cannot be undone and %w within the last %v", act, ErrSignInAgain, FreshSignIn)
	}
	return nil
}

// has reports whether an assignment of the actor allows an act in a directory. In the directory of operators, only the acts
// that concern operators are open to roles other than the owner of the installation.
func (a Actor) has(directory string, rule rule) bool {
	weakest, installation := rule.weakest, directory == storage.Everywhere
	if directory == storage.OperatorsDirectory {
		installation = true
		if !rule.operators {
			weakest = RoleOwner
		}
	}
	for _, assignment := range a.Assignments {
		here := assignment.Directory == storage.Everywhere || assignment.Directory == directory && !installation
		if here && assignment.Role.includes(weakest) {
			return true
		}
	}
	return false
}

// automated reports whether the actor is a service client, which cannot sign in again.
func (a Actor) automated() bool { return strings.HasPrefix(a.Name, servicePrefix) }
