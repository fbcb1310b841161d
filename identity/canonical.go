package identity

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

const (
	maxPhoneDigits   = 15
	minPhoneDigits   = 7
	maxCountryCode   = 3
	minUsername      = 3
	maxUsername      = 64
	maxEmail         = 254
	maxEmailLocal    = 64
	maxDomainLabel   = 63
	maxMarksInARow   = 3
	usernameMarks    = "._-"
	emailLocalMarks  = "!#$%&'*+-/=?^_`{|}~."
	bytesPerUsername = 4 * maxUsername
)

// Phone returns the E.164 form of a number that WeChat verified: "+", the country code and the national number, at most 15
// digits. Both parts are digits only, and the country code has 1 to 3 of them and no leading zero (ITU-T E.164 §6).
func Phone(countryCode, pureNumber string) (string, error) {
	if countryCode == "" || len(countryCode) > maxCountryCode || !digits(countryCode) || countryCode[0] == '0' {
		return "", invalid("country_code", InvalidCountryCode)
	}
	if pureNumber == "" || !digits(pureNumber) {
		return "", invalid("phone_number", InvalidNotDigits)
	}
	return ParsePhone("+" + countryCode + pureNumber)
}

// ParsePhone returns number, trimmed, if it is a phone number in E.164: "+" and 7 to 15 digits, the first of them not zero.
func ParsePhone(number string) (string, error) {
	number = TrimTyped(number)
	national, plus := strings.CutPrefix(number, "+")
	if !plus || len(national) < minPhoneDigits || len(national) > maxPhoneDigits || !digits(national) || national[0] == '0' {
		return "", invalid("phone_number", InvalidPhone)
	}
	return number, nil
}

func digits(text string) bool {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return true
}

// ParseEmail returns the lower-cased form of an address: an ASCII dot-atom (RFC 5322 §3.2.3) of at most 64 characters, "@", and
// a domain name of at least two labels, at most 254 characters in all. Internationalised domains are given in their xn-- form.
func ParseEmail(address string) (string, error) {
	address = TrimTyped(address)
	if len(address) > maxEmail {
		return "", invalid("email", InvalidOver254)
	}
	// The lower case of some non-ASCII letters is ASCII, so the check comes before the conversion.
	ascii := !strings.ContainsFunc(address, func(r rune) bool { return r >= utf8.RuneSelf })
	local, domain, found := strings.Cut(strings.ToLower(address), "@")
	if !ascii || !found || !emailLocal(local) || !emailDomain(domain) {
		return "", invalid("email", InvalidEmail)
	}
	return local + "@" + domain, nil
}

func emailLocal(local string) bool {
	if local == "" || len(local) > maxEmailLocal || local[0] == '.' || local[len(local)-1] == '.' || strings.Contains(local, "..") {
		return false
	}
	for i := range len(local) {
		if !lowerAlphanumeric(local[i]) && strings.IndexByte(emailLocalMarks, local[i]) < 0 {
			return false
		}
	}
	return true
}

func emailDomain(domain string) bool {
	labels := strings.Split(domain, ".")
	if len(labels) < 2 || digits(labels[len(labels)-1]) {
		return false
	}
	return !slices.ContainsFunc(labels, func(label string) bool { return !domainLabel(label) })
}

func domainLabel(label string) bool {
	if label == "" || len(label) > maxDomainLabel || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	for i := range len(label) {
		if !lowerAlphanumeric(label[i]) && label[i] != '-' {
			return false
		}
	}
	return true
}

func lowerAlphanumeric(b byte) bool { return 'a' <= b && b <= 'z' || '0' <= b && b <= '9' }

// Username is a username in two forms.
type Username struct {
	// Display is the form that its owner typed, in NFC.
	Display string
	// Folded is the form for look-ups and comparisons: NFKC and case-folded.
	Folded string
}

// ParseUsername accepts 3 to 64 letters, digits, marks and "._-" of any script. The first character is a letter or digit, and the
// last is none of "._-". It follows the idea of PRECIS (RFC 8265 §3): no spaces, controls or invisible characters, and nothing
// that changes the direction of writing. Latin, Greek and Cyrillic letters look similar and must not be mixed.
func ParseUsername(username string) (Username, error) {
	username = TrimTyped(username)
	if len(username) > bytesPerUsername || !utf8.ValidString(username) {
		return Username{}, invalid("username", InvalidUsernameUTF8)
	}
	name := Username{Display: norm.NFC.String(username), Folded: fold(username)}
	for _, form := range []string{name.Display, name.Folded} {
		if length := utf8.RuneCountInString(form); length < minUsername || length > maxUsername {
			return Username{}, invalid("username", InvalidUsernameLength)
		}
	}
	if err := checkUsername(name.Folded); err != nil {
		return Username{}, err
	}
	if fold(name.Display) != name.Folded || fold(name.Folded) != name.Folded {
		return Username{}, invalid("username", InvalidUnstableCase)
	}
	return name, nil
}

func fold(text string) string { return norm.NFKC.String(cases.Fold().String(norm.NFKC.String(text))) }

func checkUsername(folded string) error {
	runes := []rune(folded)
	marks := 0
	for _, r := range runes {
		if !usernameRune(r) {
			return invalid("username", InvalidUsernameCharacters)
		}
		if marks++; !unicode.IsMark(r) {
			marks = 0
		}
		if marks > maxMarksInARow {
			return invalid("username", InvalidTooManyMarks)
		}
	}
	if first := runes[0]; !unicode.IsLetter(first) && !unicode.IsDigit(first) {
		return invalid("username", InvalidFirstCharacter)
	}
	if strings.ContainsRune(usernameMarks, runes[len(runes)-1]) {
		return invalid("username", InvalidLastCharacter)
	}
	if lookalikeScripts(runes) > 1 {
		return invalid("username", InvalidMixedScripts)
	}
	return nil
}

func usernameRune(r rune) bool {
	if unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) || unicode.Is(unicode.Variation_Selector, r) {
		return false
	}
	return unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsDigit(r) || strings.ContainsRune(usernameMarks, r)
}

func lookalikeScripts(runes []rune) int {
	used := 0
	for _, script := range []*unicode.RangeTable{unicode.Latin, unicode.Greek, unicode.Cyrillic} {
		if slices.ContainsFunc(runes, func(r rune) bool { return unicode.Is(script, r) }) {
			used++
		}
	}
	return used
}
