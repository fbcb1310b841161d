package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/minifed/minifed/storage"
)

// CreateResource creates a resource. Directory and Identifier are required. Failures are *Invalid, ErrNotFound for the directory, and
// ErrExists.
func (s *Service) CreateResource(ctx context.Context, asked storage.Resource) (*storage.Entry[storage.Resource], error) {
	if err := s.Allowed(asked.Directory, ActResourceCreate); err != nil {
		return nil, err
	}
	directory, err := s.directory(ctx, asked.Directory)
	if err != nil {
		return nil, err
	}
	resource, err := s.newResource(asked, directory.Record)
	if err != nil {
		return nil, err
	}
	if err := s.drawLogo(ctx, "logo", nil, &resource.Logo); err != nil {
		return nil, err
	}
	if resource.Incarnation, err = s.newIncarnation(); err != nil {
		return nil, err
	}
	return create(ctx, s, resourceName(resource.Directory, resource.Identifier), resourceEntry(resource.Directory, resource.ID, ActResourceCreate), resource)
}

// newResource returns the record of a new resource, or what is wrong with it.
func (s *Service) newResource(asked storage.Resource, directory storage.Directory) (storage.Resource, error) {
	asked.DirectoryIncarnation, asked.Incarnation, asked.Disabled = directory.Incarnation, "", false
	asked.ID = storage.ResourceID(asked.Identifier)
	asked.CreatedAt = s.now()
	asked.UpdatedAt = asked.CreatedAt
	return asked, s.checkResource(asked, directory)
}

// checkResource says what is wrong with a resource.
func (s *Service) checkResource(resource storage.Resource, directory storage.Directory) error {
	var p problems
	p.check("identifier", checkIdentifier(resource.Identifier))
	if storage.SameResource(resource.Identifier, s.IssuerOf(directory)) {
		p.add("identifier", "is the issuer of the directory, which is no resource")
	}
	if directory.ID == storage.OperatorsDirectory {
		p.add("identifier", "the clients of operators get tokens for the admin API alone")
	}
	p.check("name", checkLabel(resource.Name))
	p.checkResourceScopes(resource.Scopes)
	switch resource.TokenFormat {
	case "", storage.TokenATJWT, storage.TokenJWT, storage.TokenOpaque:
	default:
		p.add("token_format", "must be at+jwt, jwt or opaque")
	}
	p.signedWith("token_algorithm", resource.TokenAlgorithm, SigningAlgorithms(directory))
	if resource.TokenFormat == storage.TokenOpaque && resource.TokenAlgorithm != "" {
		p.add("token_algorithm", "has no effect on opaque tokens, which are not signed")
	}
	if resource.TokenLifetime < 0 || resource.TokenLifetime > maxResourceTokenLife {
		p.add("token_lifetime", "must be at most one day")
	}
	switch resource.AskedBy {
	case "", storage.AskedByListed, storage.AskedByRegistered, storage.AskedByAny:
	default:
		p.add("asked_by", "must be listed, registered or any")
	}
	p.each("introspected_by", resource.IntrospectedBy, storage.MaxIntrospectors, checkClientID)
	return p.err()
}

// maxResourceTokenLife bounds the lifetime of access tokens of a resource, in seconds: APIs that check tokens offline accept a
// revoked one until then.
const maxResourceTokenLife = 24 * 60 * 60

func (p *problems) checkResourceScopes(scopes []storage.ResourceScope) {
	names, size := make([]string, len(scopes)), 0
	for i, scope := range scopes {
		names[i] = scope.Name
		size += len(scope.Name) + len(scope.TextEN) + len(scope.TextZH)
		if err := errors.Join(checkLabel(scope.TextEN), checkLabel(scope.TextZH)); err != nil {
			p.add("scopes", "the text of scope %q is too long, or has characters that cannot be shown", scope.Name)
		}
	}
	p.each("scopes", names, storage.MaxResourceScopes, func(scope string) error {
		if slices.Contains(reservedScopes(), scope) || strings.HasPrefix(scope, "urn:minifed:") {
			return errors.New("is a scope of the issuer")
		}
		if strings.HasPrefix(scope, "*") {
			return errors.New("must not begin with *")
		}
		return checkScope(scope)
	})
	if size > storage.MaxResourceTexts {
		p.add("scopes", "have names and texts of %d bytes; at most %d are allowed", size, storage.MaxResourceTexts)
	}
}

// reservedScopes are the scopes of OpenID Connect, which are the issuer's.
func reservedScopes() []string {
	return []string{"openid", "profile", "email", "phone", "address", "offline_access"}
}

// Resource returns a resource by its identifier or its ID.
func (s *Service) Resource(ctx context.Context, directory, name string) (*storage.Entry[storage.Resource], error) {
	if err := s.Allowed(directory, ActResourceRead); err != nil {
		return nil, err
	}
	return s.resource(ctx, directory, name)
}

func (s *Service) resource(ctx context.Context, directory, name string) (*storage.Entry[storage.Resource], error) {
	return get[storage.Resource](ctx, s, resourceName(directory, name), storage.Key(directory, resourceID(name)))
}

// resourceID returns the ID of a resource that is named by its identifier, which has a colon, or by its ID.
func resourceID(name string) string {
	if strings.Contains(name, ":") {
		return storage.ResourceID(name)
	}
	return name
}

// Resources returns one page of a directory's resources, oldest first, and where the next page begins.
func (s *Service) Resources(ctx context.Context, directory string, page Page) ([]storage.Resource, string, error) {
	if err := s.Allowed(directory, ActResourceRead); err != nil {
		return nil, "", err
	}
	if _, err := s.directory(ctx, directory); err != nil {
		return nil, "", err
	}
	return list[storage.Resource](ctx, s, page.query(directory, storage.ByCreated))
}

// UpdateResource applies change to a resource and checks the result. change may not alter Directory, Identifier, state and times. If
// revision is not empty and not the resource's current one, the error is ErrChanged.
func (s *Service) UpdateResource(ctx context.Context, directory, name, revision string, change func(*storage.Resource)) (*storage.Entry[storage.Resource], error) {
	if err := s.Allowed(directory, ActResourceUpdate); err != nil {
		return nil, err
	}
	of, err := s.directory(ctx, directory)
	if err != nil {
		return nil, err
	}
	return s.changeResource(ctx, directory, name, revision, ActResourceUpdate, func(resource *storage.Resource) error {
		before := *resource
		change(resource)
		keepResource(resource, before)
		if err := s.checkResource(*resource, of.Record); err != nil {
			return err
		}
		return s.drawLogo(ctx, "logo", before.Logo, &resource.Logo)
	})
}

// keepResource restores the members that no update changes.
func keepResource(resource *storage.Resource, before storage.Resource) {
	resource.Directory, resource.DirectoryIncarnation, resource.Incarnation = before.Directory, before.DirectoryIncarnation, before.Incarnation
	resource.Identifier, resource.ID, resource.Disabled, resource.CreatedAt = before.Identifier, before.ID, before.Disabled, before.CreatedAt
}

// changeResource is update for resources; it sets UpdatedAt.
func (s *Service) changeResource(ctx context.Context, directory, name, revision string, act Act, change func(*storage.Resource) error) (*storage.Entry[storage.Resource], error) {
	id := resourceID(name)
	return update(ctx, s, edit[storage.Resource]{
		what: resourceName(directory, name), key: storage.Key(directory, id), revision: revision, entry: resourceEntry(directory, id, act),
		change: func(resource *storage.Resource) error {
			resource.UpdatedAt = s.now()
			return change(resource)
		},
	})
}

// DisableResource stops the issuance of tokens for a resource until it is enabled again. Introspection returns its tokens as inactive.
func (s *Service) DisableResource(ctx context.Context, directory, name string) (*storage.Entry[storage.Resource], error) {
	if err := s.Allowed(directory, ActResourceDisable); err != nil {
		return nil, err
	}
	return s.changeResource(ctx, directory, name, "", ActResourceDisable, func(resource *storage.Resource) error {
		resource.Disabled = true
		return nil
	})
}

// EnableResource permits tokens for a disabled resource again.
func (s *Service) EnableResource(ctx context.Context, directory, name string) (*storage.Entry[storage.Resource], error) {
	if err := s.Allowed(directory, ActResourceEnable); err != nil {
		return nil, err
	}
	return s.changeResource(ctx, directory, name, "", ActResourceEnable, func(resource *storage.Resource) error {
		resource.Disabled = false
		return nil
	})
}

// DeleteResource removes a resource. Grants for it get no further tokens, unless their client is registered for its audience.
func (s *Service) DeleteResource(ctx context.Context, directory, name string) error {
	if err := s.Allowed(directory, ActResourceDelete); err != nil {
		return err
	}
	entry, err := s.resource(ctx, directory, name)
	if err != nil {
		return err
	}
	if err := s.audit(ctx, resourceEntry(directory, resourceID(name), ActResourceDelete)); err != nil {
		return err
	}
	return s.config.Engine.Delete(ctx, storage.KindResource, entry.Record.Document().ID)
}

// PreviewResource returns the record that CreateResource would store. directory is the record that the resource's directory has, or
// will have. Nothing is written.
func (s *Service) PreviewResource(directory storage.Directory, asked storage.Resource) (storage.Resource, error) {
	if err := s.Allowed(directory.ID, ActResourceRead); err != nil {
		return storage.Resource{}, err
	}
	asked.Directory = directory.ID
	disabled := asked.Disabled
	resource, err := s.newResource(asked, directory)
	resource.Disabled = disabled
	return resource, err
}

// PreviewResourceUpdate returns the record that UpdateResource would store. Nothing is written.
func (s *Service) PreviewResourceUpdate(current storage.Resource, directory storage.Directory, change func(*storage.Resource)) (storage.Resource, error) {
	if err := s.Allowed(current.Directory, ActResourceRead); err != nil {
		return storage.Resource{}, err
	}
	before := current
	change(&current)
	keepResource(&current, before)
	return current, s.checkResource(current, directory)
}

func resourceEntry(directory, id string, act Act) entry {
	return entry{directory: directory, action: act, target: "resource:" + id}
}

func resourceName(directory, name string) string {
	return fmt.Sprintf("resource %q of directory %q", name, directory)
}
