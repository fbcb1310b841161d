package identity

import (
	"context"
	"slices"

	"github.com/minifed/minifed/storage"
)

// AcceptTerms records that a user accepted a version of the directory's terms and privacy notice. The caller has checked that it is the
// current version. A repeated acceptance changes nothing.
func (s *Service) AcceptTerms(ctx context.Context, user storage.User, accepted storage.TermsAcceptance) (*storage.Entry[storage.User], error) {
	recorded := s.recording(Self(user.ID), ActionTerms)
	recorded.details = map[string]string{"version": accepted.Version, "method": accepted.Method}
	if accepted.Client != "" {
		recorded.details["client"] = accepted.Client
	}
	accepted.At = s.now()
	return s.changeFrom(ctx, recorded, "", user.Directory, user.ID, func(user *storage.User) (bool, error) {
		if err := checkStatus(*user); err != nil {
			return false, err
		}
		if user.HasAccepted([]storage.TermsDocument{{Version: accepted.Version}}) {
			return false, nil
		}
		list := append(slices.Clone(user.TermsAccepted), accepted)
		user.TermsAccepted = list[max(0, len(list)-storage.MaxTermsAcceptances):]
		return true, nil
	})
}
