package federation

import (
	"context"
	"errors"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// readTerms stores the accepted version of a request. A version that is not the current one is rejected before the code is spent.
func (f *Service) readTerms(request grants.Exchange, v *Request) error {
	v.termsVersion = request.TermsVersion
	if v.termsVersion == "" {
		return nil
	}
	v.terms = v.Issuer.Directory.CurrentTerms(f.Now())
	if len(v.terms) == 0 {
		return endpoint.NewError(fosite.ErrInvalidRequest, "This directory has no terms. Leave terms_version out.")
	}
	if v.termsVersion != v.terms[0].Version {
		return termsRequired(v.terms, "terms_version is not the current version of the terms, so it was not accepted. Show the user the current version, and send that. The code is not spent.")
	}
	return nil
}

// needsTerms reports whether a sign-in without an acceptance is rejected unless the user accepted the current terms before.
func (f *Service) needsTerms(v *Request) bool {
	if !v.Issuer.Directory.Policy.RequireTerms || v.termsVersion != "" {
		return false
	}
	v.terms = v.Issuer.Directory.CurrentTerms(f.Now())
	return len(v.terms) > 0
}

// rejectsNewUser returns the error for an unknown user who has not accepted the terms, or is a minor without a guardian's consent: a user
// is not created before. It is nil if the user may be created.
func (f *Service) rejectsNewUser(v *Request) error {
	switch {
	case f.isNewMinor(v):
		return grants.GuardianConsentRequired()
	case f.needsTerms(v):
		return missingTerms(v.terms)
	default:
		return nil
	}
}

// checkNewUser rejects an unknown user as rejectsNewUser says. Methods that link an account sign in known users, too.
func (f *Service) checkNewUser(ctx context.Context, v *Request, login identity.Login) error {
	rejected := f.rejectsNewUser(v)
	if rejected == nil {
		return nil
	}
	_, err := f.Users.Resolve(ctx, login, false)
	if errors.Is(err, identity.ErrUnknownUser) {
		return rejected
	}
	return err
}

// acceptTerms records the acceptance of a request, or returns an error if the policy requires one. The user of a sign-in has been read
// already, so that a user who accepted the version before costs no operation.
func (f *Service) acceptTerms(ctx context.Context, client *oauth2.Client, v *Request, found *resolvedUser) error {
	required := f.needsTerms(v)
	if len(v.terms) == 0 || found.user.HasAccepted(v.terms) {
		return nil
	}
	if required {
		return missingTerms(v.terms)
	}
	user, err := f.Users.AcceptTerms(ctx, found.user, storage.TermsAcceptance{
		Version: v.termsVersion, Method: storage.TermsByBackend, Client: client.GetID(),
	})
	if err != nil {
		return err
	}
	found.user = user.Record
	return nil
}

func missingTerms(terms []storage.TermsDocument) error {
	return termsRequired(terms, "The user has not accepted the current terms. Show them, call wx.login again, and send the new code with terms_version once the user accepts.")
}

// termsRequired is the error with the current version and its documents.
func termsRequired(terms []storage.TermsDocument, description string) error {
	documents := make([]map[string]string, len(terms))
	for i, document := range terms {
		documents[i] = map[string]string{"locale": document.Locale, "terms_url": document.TermsURL, "privacy_url": document.PrivacyURL}
	}
	rejected := grants.TermsRequired(description)
	rejected.Extra = map[string]any{"terms_version": terms[0].Version, "terms": documents}
	return rejected
}
