package identity

import (
	"context"

	"github.com/minifed/minifed/storage"
)

// expectedRevision is the key of a context value: the revision that a user must have.
type expectedRevision struct{}

// WithRevision returns a context for one change of a user, who must have this revision at the write. If another change came first,
// the change returns ErrChanged and does nothing.
func WithRevision(ctx context.Context, revision string) context.Context {
	return context.WithValue(ctx, expectedRevision{}, revision)
}

// checkRevision returns ErrChanged if the context requires another revision of the user.
func checkRevision(ctx context.Context, user *storage.Entry[storage.User]) error {
	if expected, _ := ctx.Value(expectedRevision{}).(string); expected != "" && expected != user.Revision() {
		return ErrChanged
	}
	return nil
}

// unclaim releases the link of a value that the user's record did not get, because another change of the user came first.
func (s *Service) unclaim(ctx context.Context, user storage.User, value attribute) error {
	link, err := s.link(ctx, value.link)
	if err != nil || link == nil || link.Record.User != user.ID || value.valueOf(user) == value.link.Value {
		return err
	}
	return s.releaseValue(ctx, link)
}
