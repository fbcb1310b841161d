package setting

import (
	"errors"
	"strings"
	"time"

	"github.com/minifed/minifed/storage"
)

// ErrTerms means that a text is not VERSION,DATE,LOCALE,TERMS_URL,PRIVACY_URL.
var ErrTerms = errors.New("must be VERSION,DATE,LOCALE,TERMS_URL,PRIVACY_URL, such as 2,2026-12-01,en,https://example.com/terms,https://example.com/privacy")

// ParseTerms reads a document of a directory's terms: VERSION,DATE,LOCALE,TERMS_URL,PRIVACY_URL. The date is YYYY-MM-DD, in UTC.
func ParseTerms(text string) (storage.TermsDocument, error) {
	parts := strings.Split(text, ",")
	const members = 5
	if len(parts) != members {
		return storage.TermsDocument{}, ErrTerms
	}
	effective, err := time.Parse(time.DateOnly, parts[1])
	if err != nil {
		effective, err = time.Parse(time.RFC3339, parts[1])
	}
	if err != nil {
		return storage.TermsDocument{}, ErrTerms
	}
	return storage.TermsDocument{
		Version: parts[0], EffectiveAt: effective.UTC(), Locale: parts[2], TermsURL: parts[3], PrivacyURL: parts[4],
	}, nil
}

// TermsText writes a document in the form that ParseTerms reads.
func TermsText(document storage.TermsDocument) string {
	effective := document.EffectiveAt.Format(time.DateOnly)
	if !document.EffectiveAt.Equal(document.EffectiveAt.Truncate(24 * time.Hour)) {
		effective = document.EffectiveAt.Format(time.RFC3339)
	}
	return strings.Join([]string{document.Version, effective, document.Locale, document.TermsURL, document.PrivacyURL}, ",")
}
