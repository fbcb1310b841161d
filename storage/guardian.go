package storage

import (
	"time"
)

const (
	// MaxGuardianConsent bounds User.GuardianConsent, in characters.
	MaxGuardianConsent = 128
	// MaxGuardianConsentUnder bounds Policy.GuardianConsentUnder, in years: the age of majority in most countries.
	MaxGuardianConsentUnder = 21
)

// NeedsGuardianConsent reports whether a user is younger than Policy.GuardianConsentUnder, and has no consent of a guardian.
func (p Policy) NeedsGuardianConsent(user User, now time.Time) bool {
	return user.GuardianConsent == "" && p.IsMinor(user.Profile.Birthdate, now)
}

// IsMinor reports whether the person with a birth date, such as "2015-06-01" or "2015", is younger than GuardianConsentUnder. Without
// a day it is the last day of the year. A person whose year of birth is unknown is no minor.
func (p Policy) IsMinor(birthdate string, now time.Time) bool {
	if p.GuardianConsentUnder == 0 {
		return false
	}
	const year = len("2015")
	if len(birthdate) == year {
		birthdate += "-12-31"
	}
	born, err := time.Parse(time.DateOnly, birthdate)
	if err != nil || born.Year() == 0 {
		return false
	}
	return born.AddDate(int(p.GuardianConsentUnder), 0, 0).After(now.UTC())
}
