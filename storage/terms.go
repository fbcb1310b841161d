package storage

import (
	"slices"
	"time"
)

const (
	// MaxTermsDocuments bounds the documents of a directory's terms.
	MaxTermsDocuments = 32
	// MaxTermsAcceptances bounds the acceptances in a user's record: the newest stay.
	MaxTermsAcceptances = 16
)

// TermsDocument is a version of a directory's terms and privacy notice in one language. Users accept both together, in any language.
type TermsDocument struct {
	// Version is letters, digits, ".", "_" and "-". All its documents are effective at the same time.
	Version     string    `json:"version"`
	EffectiveAt time.Time `json:"effective_at"`
	// Locale is "en" or "zh-CN".
	Locale     string `json:"locale"`
	TermsURL   string `json:"terms_url"`
	PrivacyURL string `json:"privacy_url"`
}

// TermsAcceptance records that a user accepted a version of the terms and the privacy notice.
type TermsAcceptance struct {
	Version string    `json:"version"`
	At      time.Time `json:"at"`
	// Method is how: TermsByBrowser or TermsByBackend.
	Method string `json:"method"`
	// Client is the ID of the client whose backend reported it; empty for a page of the issuer.
	Client string `json:"client,omitempty"`
}

// The values of TermsAcceptance.Method.
const (
	// TermsByBrowser is a page of the issuer.
	TermsByBrowser = "browser"
	// TermsByBackend is the parameter terms_version, by which the backend of a client reports it.
	TermsByBackend = "backend"
)

// CurrentTerms returns the documents of the version that is effective now; none if there is no such version.
func (d Directory) CurrentTerms(now time.Time) []TermsDocument {
	var current TermsDocument
	for _, document := range d.Terms {
		if !document.EffectiveAt.After(now) && (current.Version == "" || document.EffectiveAt.After(current.EffectiveAt)) {
			current = document
		}
	}
	return slices.DeleteFunc(slices.Clone(d.Terms), func(document TermsDocument) bool {
		return current.Version == "" || document.Version != current.Version
	})
}

// HasAccepted reports whether a user has accepted the version of terms. No terms need no acceptance.
func (u User) HasAccepted(terms []TermsDocument) bool {
	return len(terms) == 0 || slices.ContainsFunc(u.TermsAccepted, func(accepted TermsAcceptance) bool {
		return accepted.Version == terms[0].Version
	})
}
