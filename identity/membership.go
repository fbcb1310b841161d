package identity

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/minifed/minifed/storage"
)

const (
	maxGroups          = 64
	maxGroup           = 64
	maxAttributes      = 16
	maxAttributeName   = 64
	maxAttributeValues = 32
	// maxMembership bounds groups and attributes of a user together, in bytes of JSON, so that the user's record has room for
	// the rest.
	maxMembership = 2 << 10
)

// Membership is the groups, the attributes and the guardian's consent of a user. Operators and imports set it. Clients and end-users
// cannot, but for the backend of a mini-program, which can report a guardian's consent.
type Membership struct {
	Groups     []string
	Attributes map[string][]string
	// GuardianConsent is User.GuardianConsent.
	GuardianConsent string
}

// Canonical returns the stored form: groups sorted and without duplicates, attributes without empty lists. A failure is an
// *InvalidError.
func (m Membership) Canonical() (Membership, error) {
	canonical := Membership{}
	for _, group := range m.Groups {
		name, reason := text(group)
		if reason != 0 || name == "" || utf8.RuneCountInString(name) > maxGroup {
			return Membership{}, invalid("groups", InvalidGroup)
		}
		canonical.Groups = append(canonical.Groups, name)
	}
	slices.Sort(canonical.Groups)
	canonical.Groups = slices.Compact(canonical.Groups)
	if len(canonical.Groups) > maxGroups {
		return Membership{}, invalid("groups", InvalidGroupCount)
	}
	for name, values := range m.Attributes {
		if !attributeName(name) {
			return Membership{}, invalid("attributes", InvalidAttributeName)
		}
		if len(values) == 0 {
			continue
		}
		if canonical.Attributes == nil {
			canonical.Attributes = map[string][]string{}
		}
		if len(values) > maxAttributeValues || len(canonical.Attributes) == maxAttributes {
			return Membership{}, invalid("attributes", InvalidAttributeCount)
		}
		for _, value := range values {
			value, reason := text(value)
			if reason != 0 || value == "" {
				return Membership{}, invalid("attributes", InvalidAttributeValue)
			}
			canonical.Attributes[name] = append(canonical.Attributes[name], value)
		}
	}
	consent, reason := text(m.GuardianConsent)
	if reason != 0 || utf8.RuneCountInString(consent) > storage.MaxGuardianConsent {
		return Membership{}, invalid("guardian_consent", InvalidGuardianConsent)
	}
	body, err := json.Marshal(canonical)
	if err != nil || len(body) > maxMembership {
		return Membership{}, invalid("attributes", InvalidMembershipSize)
	}
	canonical.GuardianConsent = consent
	return canonical, nil
}

// attributeName reports whether an attribute can have a name.
func attributeName(name string) bool {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
	return name != "" && len(name) <= maxAttributeName && strings.Trim(name, letters) == ""
}

// EditMembership changes the membership of a user by edit, which may be called more than once. Nothing is written if it does not
// change. ID tokens and UserInfo have the new values from then on. The end of a guardian's consent ends every grant and session.
func (s *Service) EditMembership(
	ctx context.Context, directory, userID string, edit func(*Membership), actor string,
) (*storage.Entry[storage.User], error) {
	return s.change(ctx, directory, userID, actor, ActionMembership, func(user *storage.User) (bool, error) {
		before := MembershipOf(*user)
		next := Membership{slices.Clone(user.Groups), maps.Clone(user.Attributes), user.GuardianConsent}
		edit(&next)
		canonical, err := next.Canonical()
		if err != nil {
			return false, err
		}
		user.Groups, user.Attributes = canonical.Groups, canonical.Attributes
		s.setGuardianConsent(user, canonical.GuardianConsent)
		return !before.Equal(canonical), nil
	})
}

// MembershipOf returns the membership of a user.
func MembershipOf(user storage.User) Membership {
	return Membership{user.Groups, user.Attributes, user.GuardianConsent}
}

// Equal reports whether two memberships are the same.
func (m Membership) Equal(other Membership) bool {
	return m.GuardianConsent == other.GuardianConsent && slices.Equal(m.Groups, other.Groups) && maps.EqualFunc(m.Attributes, other.Attributes, slices.Equal[[]string])
}
