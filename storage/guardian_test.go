package storage_test

import (
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
)

func TestPolicy_IsMinorByTheBirthDate(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	policy := storage.Policy{GuardianConsentUnder: 14}
	for birthdate, minor := range map[string]bool{
		"2012-12-02": true, "2012-12-01": false, "2012-11-30": false, "2026-12-01": true, "1990-01-01": false,
		"2012": true, "2011": false, "0000-12-02": false, "": false, "unknown": false,
	} {
		if got := policy.IsMinor(birthdate, now); got != minor {
			t.Errorf("%q: %t", birthdate, got)
		}
		if (storage.Policy{}).IsMinor(birthdate, now) {
			t.Errorf("%q without a policy", birthdate)
		}
	}
	user := storage.User{Profile: storage.Profile{Birthdate: "2015-06-01"}}
	if !policy.NeedsGuardianConsent(user, now) {
		t.Error("a minor needs no consent")
	}
	user.GuardianConsent = "case-1"
	if policy.NeedsGuardianConsent(user, now) {
		t.Error("a minor with a consent needs another one")
	}
}
