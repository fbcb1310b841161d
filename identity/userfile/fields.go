package userfile

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

// fields are the members of a row, before they are checked.
type fields struct {
	texts map[string]string
	// flags are "true" or "false".
	flags      map[string]string
	groups     []string
	attributes map[string][]string
	wechat     []identity.WeChatIdentity
}

// texts are the members that are texts.
func texts() []string {
	return append([]string{
		"sub", "external_id", "username", "email", "phone_number", "phone_number_verified_at", "password_hash", "password_scheme", "password_salt", "created_at", "guardian_consent",
	}, profileTexts()...)
}

func profileTexts() []string {
	return []string{
		"name", "given_name", "family_name", "middle_name", "nickname", "profile", "picture", "website", "gender", "birthdate", "zoneinfo", "locale",
		"address", "street_address", "locality", "region", "postal_code", "country",
	}
}

// profileMembers pairs the names of profile members with the members.
func profileMembers(p *storage.Profile, a *storage.Address) map[string]*string {
	return map[string]*string{
		"name": &p.Name, "given_name": &p.GivenName, "family_name": &p.FamilyName, "middle_name": &p.MiddleName, "nickname": &p.Nickname,
		"profile": &p.Profile, "picture": &p.Picture, "website": &p.Website, "gender": &p.Gender, "birthdate": &p.Birthdate,
		"zoneinfo": &p.Zoneinfo, "locale": &p.Locale, "address": &a.Formatted, "street_address": &a.StreetAddress, "locality": &a.Locality,
		"region": &a.Region, "postal_code": &a.PostalCode, "country": &a.Country,
	}
}

// row checks the fields of a row.
func (f fields) row() (Row, error) {
	user := identity.Import{
		Sub: f.texts["sub"], ExternalID: f.texts["external_id"], Username: f.texts["username"], Email: f.texts["email"], Phone: f.texts["phone_number"],
		Membership: identity.Membership{Groups: f.groups, Attributes: f.attributes, GuardianConsent: f.texts["guardian_consent"]}, WeChat: f.wechat,
	}
	address := storage.Address{}
	for name, member := range profileMembers(&user.Profile, &address) {
		*member = f.texts[name]
	}
	if address != (storage.Address{}) {
		user.Profile.Address = &address
	}
	var err error
	for name, member := range map[string]*time.Time{"created_at": &user.CreatedAt, "phone_number_verified_at": &user.PhoneVerifiedAt} {
		if *member, err = parseTime(f.texts[name]); err != nil {
			return Row{}, &Error{Member: name, Problem: "must be a time such as 2026-01-31T08:00:00Z (RFC 3339)"}
		}
	}
	flags := map[string]bool{"disabled": false, "email_verified": true, "phone_number_verified": true}
	for name, text := range f.flags {
		if flags[name], err = parseFlag(text); err != nil {
			return Row{}, &Error{Member: name, Problem: "must be true or false"}
		}
	}
	user.Disabled = flags["disabled"]
	row := Row{}
	if user.Email != "" && !flags["email_verified"] {
		user.Email, row.Dropped = "", append(row.Dropped, "email")
	}
	if user.Phone != "" && !flags["phone_number_verified"] {
		user.Phone, row.Dropped = "", append(row.Dropped, "phone_number")
	}
	user.Password, err = identity.ParseImportedPassword(f.texts["password_scheme"], f.texts["password_hash"], f.texts["password_salt"])
	if err == nil {
		row.User, err = user.Canonical()
	}
	if refused, ok := errors.AsType[*identity.InvalidError](err); ok {
		return row, &Error{Member: refused.Member, Problem: refused.Reason.String()}
	}
	return row, err
}

// parseTime reads RFC 3339, or what databases write: a space in place of "T", and UTC without a zone.
func parseTime(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	parsed, err := time.Parse(time.RFC3339, text)
	if err != nil {
		parsed, err = time.Parse(time.DateTime, text)
	}
	if err == nil && (parsed.Year() < 1970 || parsed.Year() > 9999) {
		err = errors.New("userfile: out of range")
	}
	return parsed, err
}

// parseFlag reads a truth as JSON or a database writes it.
func parseFlag(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "true", "1", "t", "yes":
		return true, nil
	case "false", "0", "f", "no":
		return false, nil
	default:
		return false, errors.New("userfile: not a truth")
	}
}

func isText(name string) bool { return slices.Contains(texts(), name) }

// stamp writes a time as parseTime reads it; empty for the zero time.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

func addressOf(profile storage.Profile) storage.Address {
	if profile.Address == nil {
		return storage.Address{}
	}
	return *profile.Address
}
