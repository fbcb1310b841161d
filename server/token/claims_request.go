package token

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"slices"

	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
)

// RequestedClaims is the request parameter "claims" (OpenID Connect Core §5.5), as far as this server knows its claims.
type RequestedClaims struct {
	// UserInfo and IDToken are the claims that are wanted there, sorted.
	UserInfo []string
	IDToken  []string
	// userInfoValues and idTokenValues are the values that claims are restricted to.
	userInfoValues claimValues
	idTokenValues  claimValues
	// Subjects are the lists of "sub" of which the user must have one each, one list for ID token and UserInfo each.
	Subjects [][]string
	// ACR are the authentication context classes of which one is essential; empty for any.
	ACR []string
}

const (
	// maxClaims bounds the parameter, in bytes.
	maxClaims = 4 << 10
	// maxClaimValues bounds how many values a claim may be restricted to.
	maxClaimValues = 16
)

// errClaims says that a claims parameter is too long, or not what the specification describes.
var errClaims = errors.New("server: malformed claims parameter")

// ParseClaims reads the parameter, or answers errClaims. Empty text asks for nothing.
func ParseClaims(text string) (RequestedClaims, error) {
	if text == "" {
		return RequestedClaims{}, nil
	}
	if len(text) > maxClaims || !isObject(text) || endpoint.CheckJSON([]byte(text)) != nil {
		return RequestedClaims{}, errClaims
	}
	var members struct {
		UserInfo map[string]json.RawMessage `json:"userinfo"`
		IDToken  map[string]json.RawMessage `json:"id_token"`
	}
	if json.Unmarshal([]byte(text), &members) != nil {
		return RequestedClaims{}, errClaims
	}
	idToken, err := parseWishes(members.IDToken)
	if err != nil {
		return RequestedClaims{}, err
	}
	userInfo, err := parseWishes(members.UserInfo)
	if err != nil {
		return RequestedClaims{}, err
	}
	claims := RequestedClaims{
		UserInfo: knownClaims(members.UserInfo), IDToken: knownClaims(members.IDToken),
		userInfoValues: valuesOf(userInfo), idTokenValues: valuesOf(idToken),
	}
	for _, wishes := range []map[string]claimWish{idToken, userInfo} {
		if subjects := wishes["sub"].texts(); len(subjects) > 0 {
			claims.Subjects = append(claims.Subjects, subjects)
		}
	}
	if acr := idToken["acr"]; acr.essential {
		claims.ACR = acr.texts()
	}
	return claims, nil
}

func isObject(text string) bool { return bytes.HasPrefix(bytes.TrimSpace([]byte(text)), []byte("{")) }

// knownClaims are those about the user that this server has; others are ignored (§5.5).
func knownClaims(members map[string]json.RawMessage) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(members)), func(name string) bool { return scopeOfClaim(name) == "" })
}

// Scopes are those that cover the claims: whoever asks for a claim asks the user for no less than the scope would.
func (c RequestedClaims) Scopes() []string {
	var scopes []string
	for _, name := range slices.Concat(c.UserInfo, c.IDToken) {
		scopes = append(scopes, scopeOfClaim(name))
	}
	slices.Sort(scopes)
	return slices.Compact(scopes)
}

// Within leaves out the claims that scopes do not cover.
func (c RequestedClaims) Within(scopes []string) RequestedClaims {
	covered := func(names []string) []string {
		return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !slices.Contains(scopes, scopeOfClaim(name)) })
	}
	c.UserInfo, c.IDToken = covered(c.UserInfo), covered(c.IDToken)
	return c
}

// Matching leaves out the claims that have another value than the request names.
func (c RequestedClaims) Matching(user storage.User) RequestedClaims {
	c.UserInfo = c.userInfoValues.met(c.UserInfo, user)
	c.IDToken = c.idTokenValues.met(c.IDToken, user)
	return c
}

// grantedClaims is how a grant keeps the claims that were granted: as a claims parameter.
type grantedClaims struct {
	UserInfo map[string]json.RawMessage `json:"userinfo,omitempty"`
	IDToken  map[string]json.RawMessage `json:"id_token,omitempty"`
}

// Encode returns what a grant keeps; nil when nothing was granted.
func (c RequestedClaims) Encode() (json.RawMessage, error) {
	if len(c.UserInfo) == 0 && len(c.IDToken) == 0 {
		return nil, nil
	}
	members := func(names []string) map[string]json.RawMessage {
		wishes := make(map[string]json.RawMessage, len(names))
		for _, name := range names {
			wishes[name] = nil
		}
		return wishes
	}
	return json.Marshal(grantedClaims{UserInfo: members(c.UserInfo), IDToken: members(c.IDToken)})
}

// userInfoClaims are the claims of user that a grant's claims parameter adds to the UserInfo answer.
func userInfoClaims(granted json.RawMessage, user storage.User) map[string]any {
	return pickClaims(granted, user, func(g grantedClaims) map[string]json.RawMessage { return g.UserInfo })
}

// idTokenClaims are those that it adds to the ID token.
func idTokenClaims(granted json.RawMessage, user storage.User) map[string]any {
	return pickClaims(granted, user, func(g grantedClaims) map[string]json.RawMessage { return g.IDToken })
}

func pickClaims(granted json.RawMessage, user storage.User, part func(grantedClaims) map[string]json.RawMessage) map[string]any {
	var members grantedClaims
	if len(granted) == 0 || json.Unmarshal(granted, &members) != nil {
		return nil
	}
	wanted := part(members)
	if len(wanted) == 0 {
		return nil
	}
	claims := StandardClaims("", user, endpoint.ScopesSupported())
	maps.DeleteFunc(claims, func(name string, _ any) bool {
		_, ok := wanted[name]
		return !ok || name == "sub"
	})
	return claims
}
