package totp

import (
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
)

// rfcSecret is the secret of the test values of RFC 4226 appendix D and RFC 6238 appendix B.
var rfcSecret = []byte("12345678901234567890")

func TestRFC4226_AppendixD_Values(t *testing.T) {
	want := []string{"755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"}
	for counter, code := range want {
		if got := hotp(rfcSecret, int64(counter)); got != code {
			t.Errorf("counter %d: got %s, want %s", counter, got, code)
		}
	}
}

// TestRFC6238_AppendixB_Values compares the last six of the eight digits in the RFC.
func TestRFC6238_AppendixB_Values(t *testing.T) {
	for seconds, code := range map[int64]string{
		59: "94287082", 1111111109: "07081804", 1111111111: "14050471", 1234567890: "89005924", 2000000000: "69279037", 20000000000: "65353130",
	} {
		if got := hotp(rfcSecret, stepAt(time.Unix(seconds, 0))); got != code[2:] {
			t.Errorf("at %d: got %s, want %s", seconds, got, code[2:])
		}
	}
}

func TestRFC6238_5_2_AcceptsNeighbourStepsOnce(t *testing.T) {
	now := time.Unix(1111111111, 0)
	step := stepAt(now)
	for _, test := range []struct {
		name     string
		at, used int64
		want     bool
	}{
		{"the current step", step, 0, true},
		{"the step before", step - 1, 0, true},
		{"the step after", step + 1, 0, true},
		{"two steps before", step - 2, 0, false},
		{"two steps after", step + 2, 0, false},
		{"the used step", step, step, false},
		{"a step before the used one", step - 1, step, false},
		{"a step after the used one", step + 1, step, true},
	} {
		got, accepted := acceptedStep(rfcSecret, hotp(rfcSecret, test.at), now, test.used)
		if accepted != test.want || accepted && got != test.at {
			t.Errorf("%s: got %d %t", test.name, got, accepted)
		}
	}
	for _, code := range []string{"", "05047", "0504711", "14050471", "abcdef", "０50471"} {
		if _, accepted := acceptedStep(rfcSecret, code, now, 0); accepted {
			t.Errorf("accepted %q", code)
		}
	}
}

func TestKeyURI_EscapesNames(t *testing.T) {
	got := keyURI("Tea & Co: Shop", "wanda@example.com", rfcSecret)
	want := "otpauth://totp/Tea%20%26%20Co%20%20Shop:wanda%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Tea%20%26%20Co%20%20Shop&algorithm=SHA1&digits=6&period=30"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestRecoveryCodes_WorkOnceHoweverTyped(t *testing.T) {
	codes, digests, err := newRecoveryCodes(strings.NewReader(strings.Repeat("0123456789abcdefghij", 10)), "default", "alice")
	if err != nil || len(codes) != 10 || len(codes[0]) != len("abcd-efgh-ijkl-mnop") {
		t.Fatalf("%v %v", codes, err)
	}
	record := storage.TOTP{Directory: "default", User: "alice", RecoveryCodes: digests[:2]}
	next, found := withoutRecoveryCode(record, canonicalCode(strings.ToUpper(strings.ReplaceAll(codes[0], "-", " "))))
	if !found || len(next.RecoveryCodes) != 1 || len(record.RecoveryCodes) != 2 {
		t.Errorf("found %t, %d left of %d", found, len(next.RecoveryCodes), len(record.RecoveryCodes))
	}
	if _, again := withoutRecoveryCode(next, canonicalCode(codes[0])); again {
		t.Error("a code works twice")
	}
	record.User = "bob"
	if _, others := withoutRecoveryCode(record, canonicalCode(codes[0])); others {
		t.Error("a code works for another user")
	}
}
