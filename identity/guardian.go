package identity

import (
	"context"
	"time"

	"github.com/minifed/minifed/storage"
)

// ReportGuardianConsent records the consent of a user's guardian, which the backend of a client reports. An earlier consent remains: only
// an operator replaces or withdraws it.
func (s *Service) ReportGuardianConsent(ctx context.Context, user storage.User, consent, client string) (*storage.Entry[storage.User], error) {
	canonical, err := Membership{GuardianConsent: consent}.Canonical()
	if err != nil {
		return nil, err
	}
	recorded := s.recording(Self(user.ID), ActionGuardian)
	recorded.details = map[string]string{"client": client}
	return s.changeFrom(ctx, recorded, "", user.Directory, user.ID, func(user *storage.User) (bool, error) {
		if err := checkStatus(*user); err != nil {
			return false, err
		}
		if user.GuardianConsent != "" {
			return false, nil
		}
		s.setGuardianConsent(user, canonical.GuardianConsent)
		return true, nil
	})
}

// setGuardianConsent changes the guardian's consent in the write that stores the user. Its end ends every grant and session of the user.
func (s *Service) setGuardianConsent(user *storage.User, consent string) {
	if user.GuardianConsent == consent {
		return
	}
	user.GuardianConsent, user.GuardianConsentAt = consent, s.now()
	if consent == "" {
		user.GuardianConsentAt = time.Time{}
		s.endAll(user)
	}
}
