package storage

import "strings"

// ClaimMapping returns groups or an attribute of users as a claim to the clients that have its scope. Only operators and
// imports set what it returns.
type ClaimMapping struct {
	// Claim is the name of the claim.
	Claim string `json:"claim"`
	// Source is ClaimGroups, ClaimExternalID, or an attribute: ClaimText or ClaimList and its name.
	Source string `json:"source"`
	// Scope releases the claim.
	Scope string `json:"scope"`
}

// The sources of a ClaimMapping.
const (
	// ClaimGroups is all groups of the user, as a list.
	ClaimGroups = "groups"
	// ClaimExternalID is the user's ID in the system from which an import took the user.
	ClaimExternalID = "external_id"
	// ClaimText before the name of an attribute is its first value, as a text.
	ClaimText = "text:"
	// ClaimList before the name of an attribute is all its values, as a list.
	ClaimList = "list:"
)

// MaxClaimMappings bounds the mappings of a directory.
const MaxClaimMappings = 16

// Value returns the claim of a user, or nil if the user has no value for it.
func (m ClaimMapping) Value(user User) any {
	var values []string
	switch {
	case m.Source == ClaimGroups:
		values = user.Groups
	case m.Source == ClaimExternalID && user.ExternalID != "":
		return user.ExternalID
	case strings.HasPrefix(m.Source, ClaimList):
		values = user.Attributes[strings.TrimPrefix(m.Source, ClaimList)]
	case strings.HasPrefix(m.Source, ClaimText):
		if values = user.Attributes[strings.TrimPrefix(m.Source, ClaimText)]; len(values) > 0 {
			return values[0]
		}
	}
	if len(values) == 0 {
		return nil
	}
	return values
}
