package oauth2

import (
	"context"

	"github.com/minifed/minifed/storage"
)

// ClaimFormerSub is the claim with a "sub" that a user had before a merge, for 30 days after it: a string, or a list of several.
const ClaimFormerSub = "urn:minifed:former_sub"

// FormerSub returns the value of ClaimFormerSub for a client; nil if there is none.
func (s *Store) FormerSub(ctx context.Context, client *Client, user storage.User) (any, error) {
	var subjects []string
	for _, former := range user.FormerIDs {
		if !former.IsShown(s.now()) {
			continue
		}
		subject, err := s.subject(ctx, client, former.ID)
		if err != nil {
			return nil, err
		}
		subjects = append(subjects, subject)
	}
	switch len(subjects) {
	case 0:
		return nil, nil
	case 1:
		return subjects[0], nil
	default:
		return subjects, nil
	}
}
