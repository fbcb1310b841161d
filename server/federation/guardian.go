package federation

import (
	"context"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/storage/oauth2"
)

// isNewMinor reports whether a request asserts the birth date of a minor, without the consent of a guardian.
func (f *Service) isNewMinor(v *Request) bool {
	if v.guardianConsent != "" || v.profile == nil || v.profile.Birthdate == nil {
		return false
	}
	return v.Issuer.Directory.Policy.IsMinor(*v.profile.Birthdate, f.Now())
}

// checkGuardian records the guardian's consent of a request, and rejects a minor without one. The user of a sign-in has been read already,
// so that it costs other users no operation.
func (f *Service) checkGuardian(ctx context.Context, client *oauth2.Client, v *Request, found *resolvedUser) error {
	if v.guardianConsent != "" && found.user.GuardianConsent == "" {
		user, err := f.Users.ReportGuardianConsent(ctx, found.user, v.guardianConsent, client.GetID())
		if err != nil {
			return err
		}
		found.user = user.Record
	}
	if v.Issuer.Directory.Policy.NeedsGuardianConsent(found.user, f.Now()) {
		return grants.GuardianConsentRequired()
	}
	return nil
}
