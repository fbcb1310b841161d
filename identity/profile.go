package identity

import (
	"cmp"
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"time"
	_ "time/tzdata" // a container without time zones must still accept every zoneinfo
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/language"
	"golang.org/x/text/unicode/norm"

	"github.com/minifed/minifed/storage"
)

const (
	maxText    = 256
	maxURL     = 1024
	maxGender  = 32
	maxLocale  = 35
	maxZone    = 64
	maxProfile = 6 << 10
	maxUpdate  = 16 << 10
	// profileMembers is the number of rules for members of the profile itself; those of the address follow.
	profileMembers = 12
)

// ProfileUpdate is the member "user" of a request: values that a mini-program sets for its user. A nil member stays as it is, an
// empty one is cleared. It has no OpenIDs, phone numbers, e-mail addresses or verification flags: those come from proofs only.
type ProfileUpdate struct {
	Nickname  *string `json:"nickname,omitempty"`
	Name      *string `json:"name,omitempty"`
	Picture   *string `json:"picture,omitempty"`
	Gender    *string `json:"gender,omitempty"`
	Birthdate *string `json:"birthdate,omitempty"`
	Locale    *string `json:"locale,omitempty"`
	Zoneinfo  *string `json:"zoneinfo,omitempty"`

	// AppID is the mini-program that sets the values; empty if they come from elsewhere.
	AppID string `json:"-"`
}

// ParseProfileUpdate reads and checks the JSON object "user". Unknown members are ignored, as OAuth requires for parameters. A
// failure is an *InvalidError.
func ParseProfileUpdate(raw []byte) (ProfileUpdate, error) {
	if len(raw) > maxUpdate {
		return ProfileUpdate{}, invalid("user", InvalidTooLong)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil || members == nil {
		return ProfileUpdate{}, invalid("user", InvalidNotObject)
	}
	var update ProfileUpdate
	for _, known := range update.named() {
		// Names are case-sensitive: decoding into the struct would also accept "NICKNAME".
		if text, ok := members[known.name]; ok && json.Unmarshal(text, known.member) != nil {
			return ProfileUpdate{}, invalid(known.name, InvalidNotString)
		}
	}
	return update.Canonical()
}

// Canonical returns the update with every member in the stored form, or an *InvalidError that names the first invalid member.
func (u ProfileUpdate) Canonical() (ProfileUpdate, error) {
	profile, err := CanonicalProfile(u.apply(storage.Profile{}))
	if err != nil {
		return ProfileUpdate{}, err
	}
	canonical := u
	for member, value := range canonical.members(&profile) {
		if *member != nil {
			*member = value
		}
	}
	return canonical, nil
}

type namedMember struct {
	name   string
	member **string
}

// named are the members with their names.
func (u *ProfileUpdate) named() []namedMember {
	return []namedMember{
		{"nickname", &u.Nickname},
		{"name", &u.Name},
		{"picture", &u.Picture},
		{"gender", &u.Gender},
		{"birthdate", &u.Birthdate},
		{"locale", &u.Locale},
		{"zoneinfo", &u.Zoneinfo},
	}
}

// Over returns the members of u, and those of base that u does not have.
func (u ProfileUpdate) Over(base ProfileUpdate) ProfileUpdate {
	theirs := base.named()
	for i, mine := range u.named() {
		if *mine.member == nil {
			*mine.member = *theirs[i].member
		}
	}
	return u
}

// members pairs the members of an update with those of a profile.
func (u *ProfileUpdate) members(profile *storage.Profile) map[**string]*string {
	return map[**string]*string{
		&u.Nickname: &profile.Nickname, &u.Name: &profile.Name, &u.Picture: &profile.Picture, &u.Gender: &profile.Gender,
		&u.Birthdate: &profile.Birthdate, &u.Locale: &profile.Locale, &u.Zoneinfo: &profile.Zoneinfo,
	}
}

// apply returns profile changed by the members that the update has.
func (u ProfileUpdate) apply(profile storage.Profile) storage.Profile {
	for member, value := range u.members(&profile) {
		if *member != nil {
			*value = **member
		}
	}
	return profile
}

// UpdateProfile changes the members of a user's profile that the update has. It writes nothing if they do not change.
func (s *Service) UpdateProfile(
	ctx context.Context, directory, userID string, update ProfileUpdate, actor string,
) (*storage.Entry[storage.User], error) {
	update, err := update.Canonical()
	if err != nil {
		return nil, err
	}
	return s.setProfile(ctx, update.AppID, directory, userID, actor, func(profile storage.Profile) (storage.Profile, error) {
		return update.apply(profile), nil
	})
}

// EditProfile changes a user's profile by edit, which may change every member and may be called more than once. It is for
// operators. Nothing is written when the profile does not change. An address without members is removed.
func (s *Service) EditProfile(
	ctx context.Context, directory, userID string, edit func(*storage.Profile), actor string,
) (*storage.Entry[storage.User], error) {
	return s.setProfile(ctx, "", directory, userID, actor, func(profile storage.Profile) (storage.Profile, error) {
		address := *cmp.Or(profile.Address, &storage.Address{})
		profile.Address = &address
		edit(&profile)
		profile, err := CanonicalProfile(profile)
		if profile.Address != nil && *profile.Address == (storage.Address{}) {
			profile.Address = nil
		}
		return profile, err
	})
}

func (s *Service) setProfile(
	ctx context.Context, appID, directory, userID, actor string, edit func(storage.Profile) (storage.Profile, error),
) (*storage.Entry[storage.User], error) {
	return s.changeFrom(ctx, s.recording(actor, ActionProfile), appID, directory, userID, func(user *storage.User) (bool, error) {
		profile, err := edit(user.Profile)
		if err != nil {
			return false, err
		}
		changed := !sameProfile(profile, user.Profile)
		user.Profile = profile
		if err := mayEdit(*user, actor); err != nil {
			return false, err
		}
		return changed, profileSize(profile)
	})
}

func sameProfile(a, b storage.Profile) bool {
	address := func(p storage.Profile) storage.Address { return *cmp.Or(p.Address, &storage.Address{}) }
	same := address(a) == address(b)
	a.Address, b.Address = nil, nil
	return same && a == b
}

// CanonicalProfile returns a profile with every member in the stored form, or an *InvalidError that names the first invalid
// member (OpenID Connect Core 1.0 §5.1).
func CanonicalProfile(profile storage.Profile) (storage.Profile, error) {
	if profile.Address != nil {
		address := *profile.Address
		profile.Address = &address
	}
	for _, rule := range profileRules(&profile) {
		if *rule.value == "" {
			continue
		}
		canonical, reason := rule.check(*rule.value)
		if reason != 0 {
			return storage.Profile{}, invalid(rule.member, reason)
		}
		*rule.value = canonical
	}
	return profile, profileSize(profile)
}

func profileSize(profile storage.Profile) error {
	body, err := json.Marshal(profile)
	if err != nil || len(body) > maxProfile {
		return invalid("profile", InvalidProfileTooLong)
	}
	return nil
}

// profileRule is the check of one member: check returns the stored form, or the reason why the value is invalid.
type profileRule struct {
	member string
	value  *string
	check  func(string) (canonical string, reason InvalidReason)
}

func profileRules(p *storage.Profile) []profileRule {
	rules := []profileRule{
		{"nickname", &p.Nickname, text},
		{"name", &p.Name, text},
		{"picture", &p.Picture, httpsURL},
		{"gender", &p.Gender, gender},
		{"birthdate", &p.Birthdate, birthdate},
		{"locale", &p.Locale, locale},
		{"zoneinfo", &p.Zoneinfo, zoneinfo},
		{"given_name", &p.GivenName, text},
		{"family_name", &p.FamilyName, text},
		{"middle_name", &p.MiddleName, text},
		{"profile", &p.Profile, httpsURL},
		{"website", &p.Website, httpsURL},
	}
	if p.Address == nil {
		return rules
	}
	return append(rules,
		profileRule{"address.formatted", &p.Address.Formatted, lines},
		profileRule{"address.street_address", &p.Address.StreetAddress, lines},
		profileRule{"address.locality", &p.Address.Locality, text},
		profileRule{"address.region", &p.Address.Region, text},
		profileRule{"address.postal_code", &p.Address.PostalCode, text},
		profileRule{"address.country", &p.Address.Country, text},
	)
}

func text(value string) (canonical string, reason InvalidReason) {
	if len(value) > 4*maxText || !utf8.ValidString(value) {
		return "", InvalidOver256UTF8
	}
	value = strings.TrimSpace(norm.NFC.String(value))
	if utf8.RuneCountInString(value) > maxText {
		return "", InvalidOver256
	}
	if strings.ContainsFunc(value, unprintable) {
		return "", InvalidCharacters
	}
	return value, 0
}

// lines is text that may contain line breaks, as addresses do (OpenID Connect Core 1.0 §5.1.1).
func lines(value string) (canonical string, reason InvalidReason) {
	parts := strings.Split(strings.ReplaceAll(value, "\r\n", "\n"), "\n")
	if _, reason := text(strings.Join(parts, " ")); reason != 0 {
		return "", reason
	}
	for i, part := range parts {
		parts[i], _ = text(part)
	}
	return strings.TrimSpace(strings.Join(parts, "\n")), 0
}

// unprintable reports controls, line separators and characters that change the direction of writing. It permits the joiners of
// emoji and Indic scripts.
func unprintable(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r) || r == '\ufeff' ||
		r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}

func httpsURL(value string) (canonical string, reason InvalidReason) {
	if len(value) > maxURL {
		return "", InvalidOver1024
	}
	const wrong = InvalidURL
	if strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune("<>\"\\^`{|}", r) }) {
		return "", wrong
	}
	parsed, err := url.Parse(value)
	if err != nil || parsed.Scheme != "https" || parsed.Hostname() == "" || parsed.User != nil || parsed.Opaque != "" {
		return "", wrong
	}
	return value, 0
}

func gender(value string) (canonical string, reason InvalidReason) {
	if canonical, reason = text(value); reason != 0 {
		return "", reason
	}
	if utf8.RuneCountInString(canonical) > maxGender {
		return "", InvalidOver32
	}
	return canonical, 0
}

// birthdate accepts YYYY-MM-DD, 0000-MM-DD when the year is withheld, and YYYY.
func birthdate(value string) (canonical string, reason InvalidReason) {
	full := value
	switch {
	case len(value) == len("2006"):
		full = value + "-01-01"
	case strings.HasPrefix(value, "0000-"):
		full = "2000" + strings.TrimPrefix(value, "0000")
	}
	if _, err := time.Parse(time.DateOnly, full); err != nil || full != value && value == "0000" {
		return "", InvalidBirthdate
	}
	return value, 0
}

func locale(value string) (canonical string, reason InvalidReason) {
	if len(value) > maxLocale {
		return "", InvalidOver35
	}
	tag, err := language.Parse(value)
	if err != nil || tag == language.Und {
		return "", InvalidLocale
	}
	return tag.String(), 0
}

func zoneinfo(value string) (canonical string, reason InvalidReason) {
	const wrong = InvalidZoneinfo
	// Other files in the zone folder begin with a lower-case letter, and "Local" is the zone of this machine.
	if len(value) > maxZone || value[0] < 'A' || value[0] > 'Z' || value == "Local" {
		return "", wrong
	}
	if _, err := time.LoadLocation(value); err != nil {
		return "", wrong
	}
	return value, 0
}
