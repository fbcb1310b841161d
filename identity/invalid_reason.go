package identity

import (
	"fmt"

	"github.com/minifed/minifed/storage"
)

// InvalidReason is the reason why a value is invalid. Callers may switch on it; its text may change.
type InvalidReason int

// The reasons of an InvalidError.
const (
	InvalidMissing InvalidReason = iota + 1
	InvalidCountryCode
	InvalidNotDigits
	InvalidPhone
	InvalidOver32
	InvalidOver35
	InvalidOver254
	InvalidOver256
	InvalidOver256UTF8
	InvalidOver1024
	InvalidTooLong
	InvalidProfileTooLong
	InvalidEmail
	InvalidUsernameUTF8
	InvalidUsernameLength
	InvalidUnstableCase
	InvalidUsernameCharacters
	InvalidTooManyMarks
	InvalidFirstCharacter
	InvalidLastCharacter
	InvalidMixedScripts
	InvalidShortPassword
	InvalidPasswordIsUsername
	InvalidBreachedPassword
	InvalidNotObject
	InvalidNotString
	InvalidCharacters
	InvalidURL
	InvalidBirthdate
	InvalidLocale
	InvalidZoneinfo
	InvalidNoOpenID
	InvalidLongID
	InvalidMergeLimit
	InvalidGroup
	InvalidGroupCount
	InvalidGuardianConsent
	InvalidAttributeName
	InvalidAttributeCount
	InvalidAttributeValue
	InvalidMembershipSize
	InvalidPasswordHash
	InvalidPasswordSalt
	InvalidSub
	InvalidSubOfWeChat
	InvalidImportKeys
	InvalidImportLinks
	InvalidExternalID
	endOfInvalidReasons
)

// InvalidReasons returns all reasons.
func InvalidReasons() []InvalidReason {
	var all []InvalidReason
	for reason := InvalidMissing; reason < endOfInvalidReasons; reason++ {
		all = append(all, reason)
	}
	return all
}

// String returns the text of the reason, which continues the name of the member: "must be an absolute https URL".
func (r InvalidReason) String() string {
	return invalidReasonTexts()[r]
}

func invalidReasonTexts() map[InvalidReason]string {
	return map[InvalidReason]string{
		InvalidMissing:            "is missing",
		InvalidCountryCode:        "must be 1 to 3 digits without a leading zero",
		InvalidNotDigits:          "must be digits only",
		InvalidPhone:              `must be "+", the country code and the number, 7 to 15 digits`,
		InvalidOver32:             "must be at most 32 characters",
		InvalidOver35:             "must be at most 35 characters",
		InvalidOver254:            "must be at most 254 characters",
		InvalidOver256:            "must be at most 256 characters",
		InvalidOver256UTF8:        "must be at most 256 characters of UTF-8",
		InvalidOver1024:           "must be at most 1024 characters",
		InvalidTooLong:            "is too long",
		InvalidProfileTooLong:     "is too long altogether",
		InvalidEmail:              "must be a plain address such as name@example.com",
		InvalidUsernameUTF8:       "must be 3 to 64 characters of UTF-8",
		InvalidUsernameLength:     "must be 3 to 64 characters",
		InvalidUnstableCase:       "has characters whose case is not stable",
		InvalidUsernameCharacters: `may hold letters, digits and "._-" only`,
		InvalidTooManyMarks:       "stacks too many accents",
		InvalidFirstCharacter:     "must begin with a letter or digit",
		InvalidLastCharacter:      "must end with a letter or digit",
		InvalidMixedScripts:       "must not mix Latin, Greek and Cyrillic letters",
		InvalidShortPassword:      "must be at least 8 characters",
		InvalidPasswordIsUsername: "must not be the username",
		InvalidBreachedPassword:   "is known from a data breach",
		InvalidNotObject:          "must be a JSON object",
		InvalidNotString:          "must be a string",
		InvalidCharacters:         "must not hold control characters or change the direction of writing",
		InvalidURL:                "must be an absolute https URL",
		InvalidBirthdate:          "must be YYYY-MM-DD, 0000-MM-DD or YYYY",
		InvalidLocale:             "must be a language tag such as zh-CN (BCP 47)",
		InvalidZoneinfo:           "must be a time zone name such as Asia/Shanghai",
		InvalidNoOpenID:           "needs an AppID and an OpenID",
		InvalidLongID:             "has a part that is too long",
		InvalidMergeLimit:         fmt.Sprintf("has %d users merged into it already, which is the limit", maxAliases),
		InvalidGroup:              fmt.Sprintf("must be names of 1 to %d characters without control characters", maxGroup),
		InvalidGroupCount:         fmt.Sprintf("must be at most %d", maxGroups),
		InvalidAttributeName:      fmt.Sprintf(`must have names of 1 to %d letters, digits and "._-"`, maxAttributeName),
		InvalidAttributeCount:     fmt.Sprintf("must be at most %d names with at most %d values each", maxAttributes, maxAttributeValues),
		InvalidAttributeValue:     "must have values of 1 to 256 characters without control characters",
		InvalidPasswordHash:       "must be bcrypt, argon2id, PBKDF2, or a hash of the named scheme",
		InvalidPasswordSalt:       "needs a password_scheme: hashes that name their scheme contain their salt",
		InvalidSub:                fmt.Sprintf(`must be 1 to %d letters, digits and "._~-", and begin with a letter or digit`, maxSub),
		InvalidSubOfWeChat:        "must not be an OpenID or UnionID of WeChat: use external_id instead",
		InvalidImportKeys:         "needs sub, external_id, username, email, phone_number, or a WeChat identity",
		InvalidImportLinks:        fmt.Sprintf("must be at most %d WeChat identities", maxImportLinks),
		InvalidExternalID:         "must have 1 to 128 printable characters",
		InvalidGuardianConsent:    fmt.Sprintf("must be at most %d characters", storage.MaxGuardianConsent),
		InvalidMembershipSize:     fmt.Sprintf("must have at most %d bytes together with the groups, as JSON", maxMembership),
	}
}
