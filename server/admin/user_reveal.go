package admin

import (
	"context"
	"slices"
	"strings"

	"github.com/minifed/minifed/storage"
)

// RevealUser returns a user with phone numbers, OpenIDs and UnionIDs, which every other method masks for operators and service
// clients. The audit entry names what was revealed.
func (s *Service) RevealUser(ctx context.Context, directory, id string) (Person, error) {
	if err := s.Allowed(directory, ActUserReveal); err != nil {
		return Person{}, err
	}
	person, err := s.person(ctx, directory, id)
	if err != nil {
		return Person{}, err
	}
	return person, s.audit(ctx, entry{
		directory: directory, action: ActUserReveal, target: "user:" + person.User.ID,
		details: map[string]string{"revealed": strings.Join(maskedMembers(person), " ")},
	})
}

// maskedMembers names what is masked of a person.
func maskedMembers(person Person) []string {
	names := []string{}
	if person.User.Phone != "" {
		names = append(names, string(storage.IdentityPhone))
	}
	for _, link := range person.Identities {
		if isMasked(link.Type) {
			names = append(names, string(link.Type))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// isMasked reports whether the values of a type of identity are masked.
func isMasked(typ storage.IdentityType) bool {
	return slices.Contains([]storage.IdentityType{storage.IdentityPhone, storage.IdentityOpenID, storage.IdentityUnionID}, typ)
}

// shown returns a user as the actor may see it. The command line sees the whole record: it can read the store. The last sign-ins are
// in Person alone.
func (s *Service) shown(user storage.User) storage.User {
	user.SignIns = nil
	if !s.config.Actor.Local {
		user.Phone = MaskPhone(user.Phone)
	}
	return user
}

// shownPerson is shown for a user with links.
func (s *Service) shownPerson(person Person) Person {
	person.User = s.shown(person.User)
	if s.config.Actor.Local {
		return person
	}
	person.Identities = slices.Clone(person.Identities)
	for i, link := range person.Identities {
		switch {
		case link.Type == storage.IdentityPhone:
			person.Identities[i].Value = MaskPhone(link.Value)
		case isMasked(link.Type):
			person.Identities[i].Value = maskOpenID(link.Value)
		}
	}
	return person
}

// MaskPhone hides the middle of a phone number in E.164: +8613812345678 becomes +86138****5678.
func MaskPhone(number string) string {
	const shown, hidden = 4, 4
	if len(number) <= shown+hidden {
		return strings.Repeat("*", len(number))
	}
	front := len(number) - shown - hidden
	return number[:front] + strings.Repeat("*", hidden) + number[len(number)-shown:]
}

// maskOpenID hides an OpenID or UnionID but for its last four characters: they are enough to compare two of them.
func maskOpenID(id string) string {
	const shown = 4
	if len(id) <= 4*shown {
		return strings.Repeat("*", len(id))
	}
	return "****" + id[len(id)-shown:]
}
