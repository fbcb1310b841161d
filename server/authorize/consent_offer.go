package authorize

import (
	"slices"

	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/token"
	"github.com/minifed/minifed/storage"
)

// OfferedScopes returns the scopes on the consent page: those for which the user has claims. The others are not granted, so that a
// client does not get an address that the user adds later. A client with placeholder addresses gets one for every user. If no
// scope would remain, all are shown.
func OfferedScopes(scopes []string, user storage.User, client storage.Client) []string {
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
