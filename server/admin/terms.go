package admin

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/minifed/minifed/storage"
)

const (
	maxTermsVersion = 32
	maxTermsURL     = 512
)

// checkTerms checks the versions of a directory's terms and privacy notice.
func (p *problems) checkTerms(directory storage.Directory) {
	if len(directory.Terms) > storage.MaxTermsDocuments {
		p.add("terms", "has %d documents; at most %d are allowed", len(directory.Terms), storage.MaxTermsDocuments)
		return
	}
	if directory.Policy.RequireTerms && len(directory.Terms) == 0 {
		p.add("policy.require_terms", "needs a version of the terms: add one with terms")
	}
	for i, document := range directory.Terms {
		p.check("terms", checkTermsDocument(document))
		for _, other := range directory.Terms[:i] {
			switch {
			case other.Version == document.Version && other.Locale == document.Locale:
				p.add("terms", "has version %q in %s twice", document.Version, document.Locale)
			case other.Version == document.Version && !other.EffectiveAt.Equal(document.EffectiveAt):
				p.add("terms", "has version %q with two effective times", document.Version)
			case other.Version != document.Version && other.EffectiveAt.Equal(document.EffectiveAt):
				p.add("terms", "has two versions with the same effective time")
			}
		}
	}
}

func checkTermsDocument(document storage.TermsDocument) error {
	version := document.Version
	if version == "" || len(version) > maxTermsVersion || strings.Trim(version, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz._-") != "" {
		return fmt.Errorf("has a version that is not 1 to %d letters, digits, dots, underscores and hyphens", maxTermsVersion)
	}
	if document.Locale != "en" && document.Locale != "zh-CN" {
		return fmt.Errorf("has version %q in a locale other than en and zh-CN", version)
	}
	if document.EffectiveAt.IsZero() {
		return fmt.Errorf("has version %q without an effective time", version)
	}
	for _, address := range []string{document.TermsURL, document.PrivacyURL} {
		parsed, err := url.Parse(address)
		if err != nil || parsed.Scheme != "https" || parsed.Host == "" || parsed.User != nil || len(address) > maxTermsURL || strings.ContainsAny(address, ", ") {
			return fmt.Errorf("has version %q with a URL that is not https, or is longer than %d bytes", version, maxTermsURL)
		}
	}
	return nil
}
