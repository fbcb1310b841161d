package token

import (
	"maps"
	"slices"
	"time"

	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
)

// UserClaims are the claims about users that a directory returns: the standard ones (OpenID Connect Core §5.1), and those to
// which its operator maps groups and attributes.
type UserClaims struct{ mapped []storage.ClaimMapping }

// ClaimsOf returns the claims of a directory.
func ClaimsOf(directory storage.Directory) UserClaims { return UserClaims{directory.Claims} }

// Scopes returns the scopes of mapped claims that are no standard scopes.
func (c UserClaims) Scopes() []string {
	var scopes []string
	for _, mapping := range c.mapped {
		if !slices.Contains(endpoint.ScopesSupported(), mapping.Scope) {
			scopes = append(scopes, mapping.Scope)
		}
	}
	slices.Sort(scopes)
	return slices.Compact(scopes)
}

// OfScope returns the names of the mapped claims of a scope.
func (c UserClaims) OfScope(scope string) []string {
	var names []string
	for _, mapping := range c.mapped {
		if mapping.Scope == scope {
			names = append(names, mapping.Claim)
		}
	}
	return names
}

// Supported returns every claim that this server can return.
func (c UserClaims) Supported() []string {
	names := slices.Collect(maps.Keys(standardClaims(completeUser(), endpoint.ScopesSupported())))
	for _, mapping := range c.mapped {
		names = append(names, mapping.Claim)
	}
	return append(names, "sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "azp", "at_hash", "sid")
}

// OfScopes returns the claims about a user that a client may see under its scopes (OpenID Connect Core §5.4). Claims that the
// user has no value for are omitted.
func (c UserClaims) OfScopes(subject string, user storage.User, scopes []string) map[string]any {
	claims := c.ofScopes(user, scopes)
	claims["sub"] = subject
	return claims
}

func (c UserClaims) ofScopes(user storage.User, scopes []string) map[string]any {
	claims := map[string]any{}
	for _, mapping := range c.mapped {
		if value := mapping.Value(user); value != nil && slices.Contains(scopes, mapping.Scope) {
			claims[mapping.Claim] = value
		}
	}
	maps.Copy(claims, standardClaims(user, scopes))
	return claims
}

// all returns every claim that a user has a value for.
func (c UserClaims) all(user storage.User) map[string]any {
	return c.ofScopes(user, append(endpoint.ScopesSupported(), c.Scopes()...))
}

// scopeOf returns the scope that requests a claim; empty for one that is unknown or not about the user.
func (c UserClaims) scopeOf(claim string) string {
	for _, mapping := range c.mapped {
		if mapping.Claim == claim {
			return mapping.Scope
		}
	}
	return scopeOfClaim(claim)
}

// standardClaims returns the claims of the standard scopes.
func standardClaims(user storage.User, scopes []string) map[string]any {
	claims := map[string]any{}
	for scope, of := range claimsOfScope() {
		if slices.Contains(scopes, scope) {
			maps.Copy(claims, of(user))
		}
	}
	return claims
}

// claimsOfScope maps scopes to the claims that they request.
func claimsOfScope() map[string]func(storage.User) map[string]any {
	return map[string]func(storage.User) map[string]any{
		endpoint.ScopeProfile: profileClaims,
		endpoint.ScopeEmail:   emailClaims,
		endpoint.ScopePhone:   phoneClaims,
		endpoint.ScopeAddress: AddressClaims,
	}
}

func profileClaims(user storage.User) map[string]any {
	p := user.Profile
	claims := present(map[string]string{
		"name": p.Name, "given_name": p.GivenName, "family_name": p.FamilyName, "middle_name": p.MiddleName,
		"nickname": p.Nickname, "preferred_username": user.Username, "profile": p.Profile, "picture": p.Picture,
		"website": p.Website, "gender": p.Gender, "birthdate": p.Birthdate, "zoneinfo": p.Zoneinfo, "locale": p.Locale,
	})
	if !user.UpdatedAt.IsZero() {
		claims["updated_at"] = user.UpdatedAt.Unix()
	}
	return claims
}

func emailClaims(user storage.User) map[string]any {
	if user.Email == "" {
		return nil
	}
	return map[string]any{"email": user.Email, "email_verified": user.EmailVerified}
}

// phoneClaims returns the phone claims. Only verified numbers are stored.
func phoneClaims(user storage.User) map[string]any {
	if user.Phone == "" {
		return nil
	}
	return map[string]any{"phone_number": user.Phone, "phone_number_verified": !user.PhoneVerifiedAt.IsZero()}
}

// AddressClaims returns the claim address (OpenID Connect Core §5.1.1).
func AddressClaims(user storage.User) map[string]any {
	if user.Profile.Address == nil || *user.Profile.Address == (storage.Address{}) {
		return nil
	}
	return map[string]any{"address": user.Profile.Address}
}

func present(members map[string]string) map[string]any {
	claims := make(map[string]any, len(members))
	for name, value := range members {
		if value != "" {
			claims[name] = value
		}
	}
	return claims
}

// completeUser has a value for every claim.
func completeUser() storage.User {
	return storage.User{
		Username: "-", Email: "-", Phone: "-", UpdatedAt: time.Unix(1, 0),
		Profile: storage.Profile{
			Name: "-", GivenName: "-", FamilyName: "-", MiddleName: "-", Nickname: "-", Profile: "-", Picture: "-", Website: "-",
			Gender: "-", Birthdate: "-", Zoneinfo: "-", Locale: "-", Address: &storage.Address{Formatted: "-"},
		},
	}
}

// scopeOfClaim returns the scope that requests a standard claim; empty for others.
func scopeOfClaim(claim string) string {
	switch claim {
	case "name", "given_name", "family_name", "middle_name", "nickname", "preferred_username", "profile", "picture", "website",
		"gender", "birthdate", "zoneinfo", "locale", "updated_at":
		return endpoint.ScopeProfile
	case "email", "email_verified":
		return endpoint.ScopeEmail
	case "phone_number", "phone_number_verified":
		return endpoint.ScopePhone
	case "address":
		return endpoint.ScopeAddress
	default:
		return ""
	}
}
