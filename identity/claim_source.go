package identity

import (
	"maps"
	"slices"
	"time"

	"github.com/minifed/minifed/storage"
)

// The names of the claims with a source: see storage.ClaimSource.
const (
	ClaimPhone     = "phone_number"
	ClaimNickname  = "nickname"
	ClaimName      = "name"
	ClaimPicture   = "picture"
	ClaimGender    = "gender"
	ClaimBirthdate = "birthdate"
	ClaimLocale    = "locale"
	ClaimZoneinfo  = "zoneinfo"
)

// sourcedClaims are all claims that a mini-program can set.
func sourcedClaims() []string {
	return []string{ClaimPhone, ClaimNickname, ClaimName, ClaimPicture, ClaimGender, ClaimBirthdate, ClaimLocale, ClaimZoneinfo}
}

// claimValue returns the value of a claim in a user's record; nil for a claim without source.
func claimValue(user *storage.User, claim string) *string {
	switch claim {
	case ClaimPhone:
		return &user.Phone
	case ClaimNickname:
		return &user.Profile.Nickname
	case ClaimName:
		return &user.Profile.Name
	case ClaimPicture:
		return &user.Profile.Picture
	case ClaimGender:
		return &user.Profile.Gender
	case ClaimBirthdate:
		return &user.Profile.Birthdate
	case ClaimLocale:
		return &user.Profile.Locale
	case ClaimZoneinfo:
		return &user.Profile.Zoneinfo
	default:
		return nil
	}
}

// setSources records in next where the values come from that differ from before: from the mini-program appID, or from elsewhere
// if that is empty.
func setSources(before storage.User, next *storage.User, appID string, now time.Time) {
	for _, claim := range sourcedClaims() {
		if *claimValue(next, claim) != *claimValue(&before, claim) {
			setSource(next, claim, appID, now)
		}
	}
}

// setSource records where the value of a claim comes from. A user who is not a shadow user needs no source for a value from
// elsewhere.
func setSource(user *storage.User, claim, appID string, now time.Time) {
	value := claimValue(user, claim)
	if value == nil {
		return
	}
	_, known := user.ClaimSources[claim]
	given := *value != ""
	if !known && (!given || appID == "" && !user.Shadow) {
		return
	}
	sources := maps.Clone(user.ClaimSources)
	if sources == nil {
		sources = map[string]storage.ClaimSource{}
	}
	delete(sources, claim)
	if given && (appID != "" || user.Shadow) {
		sources[claim] = storage.ClaimSource{AppID: appID, At: now}
	}
	user.ClaimSources = sources
}

// copySource takes over the source of a value that a merge copies.
func copySource(survivor *storage.User, alias storage.User, claim string) {
	source, known := alias.ClaimSources[claim]
	if !known {
		return
	}
	setSource(survivor, claim, source.AppID, source.At)
}

// withdrawn returns those of some claims whose values came from a mini-program, and not after a time.
func withdrawn(user storage.User, appID string, claims []string, until time.Time) []string {
	return slices.DeleteFunc(slices.Clone(claims), func(claim string) bool {
		if *claimValue(&user, claim) == "" {
			return true
		}
		source, known := user.ClaimSources[claim]
		if !known {
			return !user.Shadow
		}
		return source.AppID != appID || source.At.After(until)
	})
}
