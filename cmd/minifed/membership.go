package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/admin/setting"
	"github.com/minifed/minifed/storage"
)

// claims adds the flag that maps groups and attributes of users to claims.
func (f *fields[R]) claims(name string, member func(*R) *[]storage.ClaimMapping) {
	values := f.flags.StringArray(name, nil, "")
	f.files = append(f.files, func() error {
		mappings, err := parseClaimMappings(*values)
		f.sets[name] = func(record *R) { *member(record) = mappings }
		return err
	})
}

// parseClaimMappings reads the values of --claim; one that is empty empties the list.
func parseClaimMappings(values []string) ([]storage.ClaimMapping, error) {
	var mappings []storage.ClaimMapping
	for _, value := range slices.DeleteFunc(slices.Clone(values), func(value string) bool { return value == "" }) {
		mapping, err := setting.ParseClaim(value)
		switch {
		case errors.Is(err, setting.ErrClaimScope):
			return nil, wrongUsage("usage.flag.invalid", "--claim", value, locale.Text("usage.claim.scope"))
		case err != nil:
			return nil, wrongUsage("usage.flag.invalid", "--claim", value, locale.Text("usage.claim.name"))
		}
		mappings = append(mappings, mapping)
	}
	return mappings, nil
}

// claimsText writes mappings as --claim takes them.
func claimsText(mappings []storage.ClaimMapping) string {
	var parts []string
	for _, mapping := range mappings {
		parts = append(parts, setting.ClaimText(mapping))
	}
	return strings.Join(parts, " ")
}

// termsText writes documents as --terms takes them.
func termsText(documents []storage.TermsDocument) string {
	var parts []string
	for _, document := range documents {
		parts = append(parts, setting.TermsText(document))
	}
	return strings.Join(parts, " ")
}

// newMembershipFields adds the flags of a user's groups, attributes and guardian's consent.
func newMembershipFields(command *cobra.Command) *fields[identity.Membership] {
	f := newFields[identity.Membership](command.Flags())
	groups := f.flags.StringArray("group", nil, "")
	f.sets["group"] = func(m *identity.Membership) {
		m.Groups = slices.DeleteFunc(slices.Clone(*groups), func(name string) bool { return name == "" })
	}
	consent := f.flags.String("guardian-consent", "", "")
	f.sets["guardian-consent"] = func(m *identity.Membership) { m.GuardianConsent = *consent }
	attributes := f.flags.StringArray("attribute", nil, "")
	f.files = append(f.files, func() error {
		parsed, err := parseAttributes(*attributes)
		f.sets["attribute"] = func(m *identity.Membership) {
			if m.Attributes == nil {
				m.Attributes = map[string][]string{}
			}
			maps.Copy(m.Attributes, parsed)
		}
		return err
	})
	return f
}

// parseAttributes reads the values of --attribute. A name without a value has an empty list.
func parseAttributes(values []string) (map[string][]string, error) {
	parsed := map[string][]string{}
	for _, pair := range values {
		name, value, found := strings.Cut(pair, "=")
		if !found || name == "" {
			return nil, wrongUsage("usage.attribute")
		}
		if value == "" {
			parsed[name] = append(parsed[name], []string{}...)
			continue
		}
		parsed[name] = append(parsed[name], value)
	}
	return parsed, nil
}

// attributesText writes attributes on one line.
func attributesText(attributes map[string][]string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		parts = append(parts, fmt.Sprintf("%s=%s", name, strings.Join(attributes[name], ", ")))
	}
	return strings.Join(parts, "; ")
}
