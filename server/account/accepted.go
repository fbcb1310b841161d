package account

import (
	"slices"
	"time"

	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/storage"
)

// AcceptedTerms are the versions of the terms that a user accepted, and the consent of a guardian.
type AcceptedTerms struct {
	Accepted          []AcceptedVersion `json:"accepted"`
	CurrentVersion    string            `json:"current_version,omitempty"`
	Current           []CurrentDocument `json:"current,omitempty"`
	GuardianConsent   string            `json:"guardian_consent,omitempty"`
	GuardianConsentAt time.Time         `json:"guardian_consent_at,omitzero"`
}

// AcceptedVersion is an accepted version of the terms.
type AcceptedVersion struct {
	Version    string    `json:"version"`
	AcceptedAt time.Time `json:"accepted_at"`
	Method     string    `json:"method"`
	Client     string    `json:"client_id,omitempty"`
}

// CurrentDocument is the current version of the terms in one language.
type CurrentDocument struct {
	Locale     string `json:"locale"`
	TermsURL   string `json:"terms_url"`
	PrivacyURL string `json:"privacy_url"`
}

// TermsOf returns what a user accepted.
func (a *Account) TermsOf(r *endpoint.Request, user storage.User) AcceptedTerms {
	terms := AcceptedTerms{Accepted: acceptedVersions(user), GuardianConsent: user.GuardianConsent, GuardianConsentAt: user.GuardianConsentAt}
	for _, document := range r.Issuer.Directory.CurrentTerms(a.Now()) {
		terms.CurrentVersion = document.Version
		terms.Current = append(terms.Current, CurrentDocument{document.Locale, document.TermsURL, document.PrivacyURL})
	}
	return terms
}

func acceptedVersions(user storage.User) []AcceptedVersion {
	versions := []AcceptedVersion{}
	for _, accepted := range user.TermsAccepted {
		versions = append(versions, AcceptedVersion{accepted.Version, accepted.At, accepted.Method, accepted.Client})
	}
	return versions
}

// termsRows are the accepted versions, newest first, and the guardian's consent, for the account page.
func termsRows(user storage.User) []accountRow {
	var rows []accountRow
	for _, version := range slices.Backward(acceptedVersions(user)) {
		note := page.Text("account.terms.accepted", version.AcceptedAt)
		if version.Client != "" {
			note = page.Text("account.terms.reported", version.AcceptedAt, version.Client)
		}
		rows = append(rows, accountRow{Label: page.Text("account.terms.version", version.Version), Note: note})
	}
	if user.GuardianConsent != "" {
		rows = append(rows, accountRow{
			Label: page.Text("account.guardian"), Value: user.GuardianConsent, Note: page.Text("account.guardian.since", user.GuardianConsentAt),
		})
	}
	return rows
}
