package authorize

import (
	"slices"

	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/token"
	"github.com/minifed/minifed/storage"
)

// offered returns the scopes that user is asked about: not those whose claims the user has none of. These are not granted, so that
// a client never gets an address that the user adds later and was not asked about. A client with placeholder addresses gets one
// for every user. A request for nothing else is asked as it is.
func offered(scopes []string, user storage.User, client storage.Client) []string {
	empty := map[string]bool{
		endpoint.ScopeEmail:   user.Email == "" && client.PlaceholderEmailDomain == "",
		endpoint.ScopePhone:   user.Phone == "",
		endpoint.ScopeAddress: len(token.AddressClaims(user)) == 0,
	}
	left := slices.DeleteFunc(slices.Clone(scopes), func(scope string) bool { return empty[scope] })
	if len(left) == 0 {
		return scopes
	}
	return left
}
