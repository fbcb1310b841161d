package keys

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

func TestParseMaster_AcceptsUsualForms(t *testing.T) {
	secret := make([]byte, masterKeySize)
	if _, err := rand.Read(secret); err != nil {
		t.Fatal(err)
	}
	want := parseMaster(t, base64.StdEncoding.EncodeToString(secret)).IDs()[0]
	for name, text := range map[string]string{
		"base64":                    base64.StdEncoding.EncodeToString(secret) + "\n",
		"base64 without padding":    base64.RawStdEncoding.EncodeToString(secret),
		"base64url":                 base64.URLEncoding.EncodeToString(secret),
		"hex":                       hex.EncodeToString(secret),
		"upper-case hex":            strings.ToUpper(hex.EncodeToString(secret)),
		"comments and empty lines":  "# made 2026-03-01\r\n\r\n  " + hex.EncodeToString(secret) + " # first\r\n",
		"before an older one":       hex.EncodeToString(secret) + "\n" + masterLine(t),
		"before one after a comma":  hex.EncodeToString(secret) + "," + masterLine(t),
		"before an older, no break": hex.EncodeToString(secret) + " " + masterLine(t),
	} {
		t.Run(name, func(t *testing.T) {
			if got := parseMaster(t, text).IDs()[0]; got != want {
				t.Errorf("got key %s, want %s", got, want)
			}
		})
	}
}

func TestParseMaster_NamesTheReason(t *testing.T) {
	good := masterLine(t)
	for text, want := range map[string]MasterKeyError{
		"":                             {Reason: MasterKeyMissing},
		"\ufeff" + good:                {Reason: MasterKeyByteOrderMark},
		strings.Repeat("x", 70000):     {Reason: MasterKeyLineTooLong},
		good + "\nc2hvcnQ=":            {MasterKeyEncoding, 2},
		strings.Repeat("00", 32):       {MasterKeyNotRandom, 1},
		good + "\n\n" + good:           {MasterKeyRepeated, 3},
		strings.Join(masters(t), "\n"): {MasterKeyTooMany, maxMasterKeys + 1},
	} {
		var got *MasterKeyError
		if _, err := ParseMaster(text, rand.Reader); !errors.As(err, &got) || *got != want {
			t.Errorf("%.20q: %#v, want %#v", text, err, want)
		}
	}
}

// masters returns one master key more than are allowed.
func masters(t *testing.T) []string {
	t.Helper()
	lines := make([]string, maxMasterKeys+1)
	for i := range lines {
		lines[i] = masterLine(t)
	}
	return lines
}

func TestParseMaster_ErrorNamesLineNotText(t *testing.T) {
	good := masterLine(t)
	for name, test := range map[string]struct{ text, want string }{
		"nothing":       {"", "none given"},
		"comments only": {"# later\n", "none given"},
		"short":         {good + "\n" + "c2hvcnQ=", "line 2"},
		"hex, odd":      {strings.Repeat("ab", 31), "line 1"},
		"not base64":    {strings.Repeat("!", 44), "line 1"},
		"a placeholder": {strings.Repeat("00", 32), "not random"},
		"twice":         {good + "\n" + good, "line 2"},
		"too many":      {strings.Repeat("x", 70000), "line too long"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseMaster(test.text, rand.Reader)
			wantError(t, err, ErrMasterKey)
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %q, want %q in it", err, test.want)
			}
			for line := range strings.FieldsSeq(test.text) {
				if len(line) > 8 && strings.Contains(err.Error(), line) {
					t.Errorf("the error quotes the key: %v", err)
				}
			}
		})
	}
}

func TestParseMaster_RejectsTooManyKeys(t *testing.T) {
	var lines []string
	for range maxMasterKeys + 1 {
		lines = append(lines, masterLine(t))
	}
	_, err := ParseMaster(strings.Join(lines, "\n"), rand.Reader)
	wantError(t, err, ErrMasterKey)
}

func TestSeal_OpensUnderItsBindingOnly(t *testing.T) {
	master := newMaster(t)
	own := Binding{Purpose: "app_secret", Directory: "acme", ID: "client"}
	sealed, err := master.Seal([]byte("hush"), own)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := master.Open(sealed, own); err != nil || string(got) != "hush" {
		t.Errorf("got %q, %v", got, err)
	}
	if strings.Contains(sealed, base64.RawURLEncoding.EncodeToString([]byte("hush"))) {
		t.Error("the secret stands in the envelope")
	}
	for name, other := range map[string]Binding{
		"another purpose":        {"totp", "acme", "client"},
		"another directory":      {"app_secret", "other", "client"},
		"another record":         {"app_secret", "acme", "client2"},
		"the same letters moved": {"app_secret", "acmec", "lient"},
		"nothing":                {},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := master.Open(sealed, other)
			wantError(t, err, ErrSealed)
		})
	}
}

func TestOpen_DetectsEveryChange(t *testing.T) {
	master, binding := newMaster(t), Binding{Purpose: "p"}
	sealed, err := master.Seal([]byte("hush"), binding)
	if err != nil {
		t.Fatal(err)
	}
	for i := range sealed {
		for _, c := range []byte("0A_") {
			if sealed[i] == c {
				continue
			}
			changed := sealed[:i] + string(c) + sealed[i+1:]
			if secret, err := master.Open(changed, binding); err == nil {
				t.Errorf("byte %d changed to %c: still opens to %q", i, c, secret)
			}
		}
		if _, err := master.Open(sealed[:i], binding); err == nil {
			t.Errorf("cut to %d bytes: still opens", i)
		}
	}
}

func TestSeal_IsRandomized(t *testing.T) {
	master := newMaster(t)
	a, err1 := master.Seal([]byte("hush"), Binding{})
	b, err2 := master.Seal([]byte("hush"), Binding{})
	if err := errors.Join(err1, err2); err != nil || a == b {
		t.Errorf("both are %s, %v", a, err)
	}
}

func TestSeal_FailsWithoutRandomness(t *testing.T) {
	broken := errors.New("no entropy")
	master, err := ParseMaster(masterLine(t), iotest.ErrReader(broken))
	if err != nil {
		t.Fatal(err)
	}
	_, err = master.Seal(nil, Binding{})
	wantError(t, err, broken)
	_, err = GenerateMasterKey(iotest.ErrReader(broken))
	wantError(t, err, broken)
}

func TestOpen_NamesMissingMasterKey(t *testing.T) {
	right, wrong := newMaster(t), newMaster(t)
	sealed, err := right.Seal([]byte("hush"), Binding{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = wrong.Open(sealed, Binding{})
	var missing *MissingKeyError
	if !errors.As(err, &missing) || missing.KeyID != right.IDs()[0] || !strings.Contains(err.Error(), right.IDs()[0]) {
		t.Errorf("got %v, want key %s named", err, right.IDs()[0])
	}
}

func TestMaster_FirstKeySealsAndEveryKeyOpens(t *testing.T) {
	oldLine, newLine := masterLine(t), masterLine(t)
	old, both, fresh := parseMaster(t, oldLine), parseMaster(t, newLine+"\n"+oldLine), parseMaster(t, newLine)
	before, err1 := old.Seal([]byte("before"), Binding{})
	after, err2 := both.Seal([]byte("after"), Binding{})
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	if got, err := both.Open(before, Binding{}); err != nil || string(got) != "before" {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := fresh.Open(after, Binding{}); err != nil || string(got) != "after" {
		t.Errorf("got %q, %v", got, err)
	}
	if resealed, changed, err := both.Reseal(after, Binding{}); err != nil || changed || resealed != after {
		t.Errorf("a fresh envelope was sealed again: %v, %v", changed, err)
	}
	resealed, changed, err := both.Reseal(before, Binding{})
	if err != nil || !changed {
		t.Fatalf("got %v, %v", changed, err)
	}
	if got, err := fresh.Open(resealed, Binding{}); err != nil || string(got) != "before" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, _, err := both.Reseal(before, Binding{Purpose: "another"}); !errors.Is(err, ErrSealed) {
		t.Errorf("sealed again under another binding: %v", err)
	}
}

func TestCheckMaster_RejectsWrongKeyAndNamesRight(t *testing.T) {
	engine := storagetest.NewMemory(newClock().now)
	right, wrong := newMaster(t), newMaster(t)
	for range 2 {
		if err := CheckMaster(t.Context(), engine, right); err != nil {
			t.Fatal(err)
		}
	}
	err := CheckMaster(t.Context(), engine, wrong)
	var missing *MissingKeyError
	if !errors.As(err, &missing) || missing.KeyID != right.IDs()[0] {
		t.Errorf("got %v, want key %s named", err, right.IDs()[0])
	}
}

func TestCheckMaster_ConcurrentStartsAcceptOneKey(t *testing.T) {
	memory := storagetest.NewMemory(newClock().now)
	first, second := newMaster(t), newMaster(t)
	// The second instance has found no record yet when the first inserts it.
	late := &storagetest.Hooks{Engine: memory}
	late.Before = func(ctx context.Context, operation storagetest.Operation) error {
		if operation.Method == "Insert" {
			return CheckMaster(ctx, memory, first)
		}
		return nil
	}
	var missing *MissingKeyError
	if err := CheckMaster(t.Context(), late, second); !errors.As(err, &missing) || missing.KeyID != first.IDs()[0] {
		t.Errorf("got %v, want key %s named", err, first.IDs()[0])
	}
}

func TestCheckMaster_ReportsStoreOutage(t *testing.T) {
	engine := newSwitchable(storagetest.NewMemory(newClock().now))
	engine.dead.Store(true)
	wantError(t, CheckMaster(t.Context(), engine, newMaster(t)), storage.ErrUnavailable)
}

func FuzzOpen(f *testing.F) {
	master, err := ParseMaster(masterLine(f), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	binding := Binding{Purpose: "fuzz"}
	sealed, err := master.Seal([]byte("hush"), binding)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add("mk1:0123456789ab:")
	f.Add("mk1::::")
	f.Fuzz(func(t *testing.T, envelope string) {
		secret, err := master.Open(envelope, binding)
		if err == nil && (envelope != sealed || !bytes.Equal(secret, []byte("hush"))) {
			t.Errorf("%q opens to %q", envelope, secret)
		}
	})
}

func FuzzParseMaster(f *testing.F) {
	f.Add(masterLine(f))
	f.Add("# comment\n" + strings.Repeat("0f", 32))
	f.Fuzz(func(t *testing.T, text string) {
		master, err := ParseMaster(text, rand.Reader)
		if err == nil && len(master.IDs()) == 0 {
			t.Error("a master without keys")
		}
	})
}
