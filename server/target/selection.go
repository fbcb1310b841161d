package target

import (
	"cmp"
	"slices"
	"time"

	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// Selection is what one request of a client is for: resources, the issuer, and audiences that have no record.
type Selection struct {
	client *oauth2.Client
	issuer string
	chosen []choice
	// explicit means that the request names them.
	explicit bool
}

// choice is one audience of a selection.
type choice struct {
	audience string
	// resource is nil for the issuer and for an audience without a record.
	resource *storage.Resource
	// whole means that the client may have all scopes of the resource. A client that is only registered for its audience may have
	// those that it registered too.
	whole bool
}

// Resources returns the resources of the selection. They are shared and must not be changed.
func (s *Selection) Resources() []*storage.Resource {
	var resources []*storage.Resource
	for _, c := range s.chosen {
		if c.resource != nil {
			resources = append(resources, c.resource)
		}
	}
	return resources
}

// Audience returns the audience of a token with these scopes. A default resource is followed by the issuer if openid is among
// them, so that the token works at UserInfo, except for clients that no operator registered.
func (s *Selection) Audience(scopes []string) []string {
	audience := make([]string, 0, len(s.chosen)+1)
	for _, c := range s.chosen {
		audience = append(audience, c.audience)
	}
	if s.addsIssuer(scopes) && !slices.Contains(audience, s.issuer) {
		audience = append(audience, s.issuer)
	}
	return audience
}

func (s *Selection) addsIssuer(scopes []string) bool {
	return !s.explicit && s.hasResource() && !unknown(s.client) && slices.Contains(scopes, endpoint.ScopeOpenID)
}

// unknown reports whether no operator registered the client.
func unknown(client *oauth2.Client) bool { return client.Record().Origin != storage.OriginOperator }

func (s *Selection) hasResource() bool {
	return slices.ContainsFunc(s.chosen, func(c choice) bool { return c.resource != nil })
}

// Scopes returns the scopes that a request for these scopes may be granted: those of its resources, those of OpenID Connect that
// the client may have, and the client's others if the tokens are for the issuer or an audience without a record.
func (s *Selection) Scopes(asked []string) []string {
	registered := s.client.GetScopes()
	if !s.hasResource() {
		return registered
	}
	return union(endpoint.Intersection(registered, endpoint.ScopesSupported()), s.tokenScopes(asked))
}

// tokenScopes returns the scopes that a token can contain which is granted these scopes.
func (s *Selection) tokenScopes(granted []string) []string {
	registered := s.client.GetScopes()
	var scopes []string
	for _, c := range s.chosen {
		switch {
		case c.resource == nil:
			scopes = union(scopes, registered)
		case c.whole:
			scopes = union(scopes, c.resource.ScopeNames())
		default:
			scopes = union(scopes, endpoint.Intersection(c.resource.ScopeNames(), registered))
		}
	}
	if s.addsIssuer(granted) {
		scopes = union(scopes, registered)
	}
	return scopes
}

// DefaultScopes returns the scopes of an authorization request that names none: the defaults of the resources that it names, or
// else the client's. offline_access must be requested.
func (s *Selection) DefaultScopes() []string {
	if s.explicit && s.hasResource() {
		return s.resourceDefaults()
	}
	return endpoint.Difference(s.client.DefaultScopes(), []string{endpoint.ScopeOfflineAccess})
}

// AllDefaultScopes returns the scopes of a request to the token endpoint that names none: the client's, and those of the resources
// that it names.
func (s *Selection) AllDefaultScopes() []string {
	if !s.explicit {
		return s.client.DefaultScopes()
	}
	return union(s.client.DefaultScopes(), s.resourceDefaults())
}

func (s *Selection) resourceDefaults() []string {
	var scopes []string
	for _, c := range s.chosen {
		if c.resource != nil {
			scopes = union(scopes, c.resource.DefaultScopes())
		}
	}
	return endpoint.Intersection(scopes, s.tokenScopes(nil))
}

// AllowsNoScope reports whether the request may do without any scope: an API need not have scopes.
func (s *Selection) AllowsNoScope() bool { return s.explicit && s.hasResource() }

// ForGrant returns the client of a grant with these scopes, whose tokens may each be for a part of the resources.
func (s *Selection) ForGrant(scopes []string) *oauth2.Client {
	if !s.hasResource() {
		return s.client
	}
	return s.client.For(oauth2.TokenTarget{Scopes: s.Scopes(scopes), Audience: s.Audience(scopes), TokenScopes: s.tokenScopes(scopes)})
}

// ForToken returns the client of one token with these scopes, with the settings of its resources: format, algorithm, lifetime, and
// the scopes that the token contains. It is invalid_target if one token cannot be for all of the resources.
func (s *Selection) ForToken(scopes []string) (*oauth2.Client, error) {
	audience := s.Audience(scopes)
	if unknown(s.client) && len(audience) > 1 && slices.Contains(audience, s.issuer) {
		return nil, endpoint.InvalidTarget("A token of this client is for the issuer or for resources, not for both. Ask for one token for each.")
	}
	resources := s.Resources()
	if len(resources) == 0 {
		return s.client, nil
	}
	if err := checkShared(resources, scopes); err != nil {
		return nil, err
	}
	first := resources[0]
	lifetime := first.TokenLifetime
	for _, other := range resources[1:] {
		if other.TokenFormat != first.TokenFormat || other.TokenAlgorithm != first.TokenAlgorithm {
			return nil, endpoint.InvalidTarget("The resources " + first.Identifier + " and " + other.Identifier + " have different formats of tokens. Ask for one token for each.")
		}
		if lifetime == 0 || other.TokenLifetime != 0 {
			lifetime = min(cmp.Or(lifetime, other.TokenLifetime), cmp.Or(other.TokenLifetime, lifetime))
		}
	}
	return s.client.For(oauth2.TokenTarget{
		Scopes: s.Scopes(scopes), DefaultScopes: s.AllDefaultScopes(), Audience: audience, TokenScopes: s.tokenScopes(scopes),
		Format: first.TokenFormat, Algorithm: first.TokenAlgorithm, Lifetime: time.Duration(lifetime) * time.Second,
	}), nil
}

// checkShared rejects resources that share a scope: the token could not say for which of them it was granted.
func checkShared(resources []*storage.Resource, scopes []string) error {
	for _, name := range scopes {
		var of *storage.Resource
		for _, resource := range resources {
			if _, has := resource.Scope(name); !has {
				continue
			}
			if of != nil {
				return endpoint.InvalidTarget("The resources " + of.Identifier + " and " + resource.Identifier + " share the scope " + name + ". Ask for one token for each.")
			}
			of = resource
		}
	}
	return nil
}

// union returns the values of both lists, without duplicates, in order.
func union(a, b []string) []string {
	all := slices.Clone(a)
	for _, value := range b {
		if !slices.Contains(all, value) {
			all = append(all, value)
		}
	}
	return all
}
