package setting

import (
	"errors"
	"strings"

	"github.com/minifed/minifed/storage"
)

var (
	// ErrClaimScope says that a mapping ends with @ and no scope.
	ErrClaimScope = errors.New("has an @ without a scope after it")
	// ErrClaimName says that a mapping names no claim.
	ErrClaimName = errors.New("names no claim")
)

// ParseClaim reads a mapping of the form CLAIM[=SOURCE][@SCOPE]. Without a source, the claim groups or external_id returns what
// its name says, and another one the attribute of its name as a list. Without a scope, the scope has the claim's name.
func ParseClaim(text string) (storage.ClaimMapping, error) {
	mapping, scope := text, ""
	if at := strings.LastIndex(text, "@"); at >= 0 {
		mapping, scope = text[:at], text[at+1:]
		if scope == "" {
			return storage.ClaimMapping{}, ErrClaimScope
		}
	}
	claim, source, _ := strings.Cut(mapping, "=")
	if claim == "" {
		return storage.ClaimMapping{}, ErrClaimName
	}
	if source == "" {
		source = storage.ClaimList + claim
		if claim == storage.ClaimGroups || claim == storage.ClaimExternalID {
			source = claim
		}
	}
	if scope == "" {
		scope = claim
	}
	return storage.ClaimMapping{Claim: claim, Source: source, Scope: scope}, nil
}

// ClaimText writes a mapping in the form that ParseClaim reads.
func ClaimText(m storage.ClaimMapping) string { return m.Claim + "=" + m.Source + "@" + m.Scope }
