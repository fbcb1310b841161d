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

// RequestedClaims is the parsed request parameter "claims" (OpenID Connect Core §5.5), limited to the claims that this server
// supports.
type RequestedClaims struct {
	// UserInfo and IDToken are the names of the claims requested for each, sorted.
	UserInfo []string
	IDToken  []string
	// userInfoValues and idTokenValues are the values that claims are restricted to.
	userInfoValues claimValues
	idTokenValues  claimValues
	// Subjects are the requested values of "sub": one list for the ID token and one for UserInfo. The user must be in each.
	Subjects [][]string
	// ACR are the authentication context classes of which one is essential; empty means any.
	ACR []string

	// of are the claims of the request's directory.
	of UserClaims
}

const (
	// maxClaims bounds the parameter, in bytes.
	maxClaims = 4 << 10
	// maxClaimValues bounds the values that a claim can be restricted to.
	maxClaimValues = 16
)

// errClaims means that a claims parameter is too long or malformed.
var errClaims = errors.New("token: malformed claims parameter")

// ParseClaims parses the parameter, or returns errClaims. Empty text requests no claims.
func ParseClaims(text string, of UserClaims) (RequestedClaims, error) {
	if text == "" {
		return RequestedClaims{of: of}, nil
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
	idToken, err := parseClaimRequests(members.IDToken)
	if err != nil {
		return RequestedClaims{}, err
	}
	userInfo, err := parseClaimRequests(members.UserInfo)
	if err != nil {
		return RequestedClaims{}, err
	}
	claims := RequestedClaims{
		of:       of,
		UserInfo: of.known(members.UserInfo), IDToken: of.known(members.IDToken),
		userInfoValues: valuesOf(userInfo), idTokenValues: valuesOf(idToken),
	}
	for _, requests := range []map[string]claimRequest{idToken, userInfo} {
		if subjects := requests["sub"].texts(); len(subjects) > 0 {
			claims.Subjects = append(claims.Subjects, subjects)
		}
	}
	if acr := idToken["acr"]; acr.essential {
		claims.ACR = acr.texts()
	}
	return claims, nil
}

func isObject(text string) bool { return bytes.HasPrefix(bytes.TrimSpace([]byte(text)), []byte("{")) }

// known returns the claims about the user that this server supports; others are ignored (§5.5).
func (c UserClaims) known(members map[string]json.RawMessage) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(members)), func(name string) bool { return c.scopeOf(name) == "" })
}

// Scopes returns the scopes that cover the claims: a claim requires the same consent as its scope.
func (c RequestedClaims) Scopes() []string {
	var scopes []string
	for _, name := range slices.Concat(c.UserInfo, c.IDToken) {
		scopes = append(scopes, c.of.scopeOf(name))
	}
	slices.Sort(scopes)
	return slices.Compact(scopes)
}

// Within removes the claims that scopes do not cover.
func (c RequestedClaims) Within(scopes []string) RequestedClaims {
	covered := func(names []string) []string {
		return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !slices.Contains(scopes, c.of.scopeOf(name)) })
	}
	c.UserInfo, c.IDToken = covered(c.UserInfo), covered(c.IDToken)
	return c
}

// Matching removes the claims whose value is not one of those requested.
func (c RequestedClaims) Matching(user storage.User) RequestedClaims {
	c.UserInfo = c.userInfoValues.met(c.UserInfo, c.of.all(user))
	c.IDToken = c.idTokenValues.met(c.IDToken, c.of.all(user))
	return c
}

// grantedClaims is how a grant stores the granted claims: as a claims parameter.
type grantedClaims struct {
	UserInfo map[string]json.RawMessage `json:"userinfo,omitempty"`
	IDToken  map[string]json.RawMessage `json:"id_token,omitempty"`
}

// Encode returns the granted claims for storage; nil if there are none.
func (c RequestedClaims) Encode() (json.RawMessage, error) {
	if len(c.UserInfo) == 0 && len(c.IDToken) == 0 {
		return nil, nil
	}
	members := func(names []string) map[string]json.RawMessage {
		requests := make(map[string]json.RawMessage, len(names))
		for _, name := range names {
			requests[name] = nil
		}
		return requests
	}
	return json.Marshal(grantedClaims{UserInfo: members(c.UserInfo), IDToken: members(c.IDToken)})
}

// userInfo returns the claims of user that a grant's claims parameter adds to the UserInfo response.
func (c UserClaims) userInfo(granted json.RawMessage, user storage.User) map[string]any {
	return c.pick(granted, user, func(g grantedClaims) map[string]json.RawMessage { return g.UserInfo })
}

// idToken returns the claims that it adds to the ID token.
func (c UserClaims) idToken(granted json.RawMessage, user storage.User) map[string]any {
	return c.pick(granted, user, func(g grantedClaims) map[string]json.RawMessage { return g.IDToken })
}

func (c UserClaims) pick(granted json.RawMessage, user storage.User, part func(grantedClaims) map[string]json.RawMessage) map[string]any {
	var members grantedClaims
	if len(granted) == 0 || json.Unmarshal(granted, &members) != nil {
		return nil
	}
	wanted := part(members)
	if len(wanted) == 0 {
		return nil
	}
	claims := c.all(user)
	maps.DeleteFunc(claims, func(name string, _ any) bool {
		_, ok := wanted[name]
		return !ok
	})
	return claims
}
