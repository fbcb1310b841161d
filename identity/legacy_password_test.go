package identity_test

import (
	"crypto/md5"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/minifed/minifed/identity"
)

const legacyPassword = "old-密码-1"

func hexMD5(text string) string { sum := md5.Sum([]byte(text)); return hex.EncodeToString(sum[:]) }
func hexSHA256(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// legacyHashes are hashes of legacyPassword as other systems store them: scheme, hash and salt.
func legacyHashes(t testing.TB) map[string][3]string {
	t.Helper()
	hashed, err := bcrypt.GenerateFromPassword([]byte(legacyPassword), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	key := func(salt string, iterations, size int) []byte {
		key, err := pbkdf2.Key(sha256.New, legacyPassword, []byte(salt), iterations, size)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	short, err := pbkdf2.Key(sha1.New, legacyPassword, []byte("salt"), 1000, 20)
	if err != nil {
		t.Fatal(err)
	}
	standard := base64.StdEncoding.EncodeToString
	passlib := func(raw []byte) string {
		return strings.ReplaceAll(base64.RawStdEncoding.EncodeToString(raw), "+", ".")
	}
	return map[string][3]string{
		"bcrypt":               {"", string(hashed), ""},
		"bcrypt of PHP":        {"", "$2y" + string(hashed)[3:], ""},
		"PBKDF2 of Django":     {"", "pbkdf2_sha256$30000$salt$" + standard(key("salt", 30000, 32)), ""},
		"PBKDF2 of passlib":    {"", "$pbkdf2-sha256$29000$" + passlib([]byte("salt salt")) + "$" + passlib(key("salt salt", 29000, 32)), ""},
		"PBKDF2 of Casdoor":    {"pbkdf2-sha256:27500", standard(key("user salt", 27500, 64)), standard([]byte("user salt"))},
		"PBKDF2 that is weak":  {"pbkdf2-sha1:1000", standard(short), standard([]byte("salt"))},
		"weak and long PBKDF2": {"pbkdf2-sha256:2", standard(key("salt", 2, 64)), standard([]byte("salt"))},
		"salt of Casdoor":      {"sha256(sha256(password)+salt)", hexSHA256(hexSHA256(legacyPassword) + "org"), "org"},
		"md5-salt of Casdoor":  {"md5(md5(password)+salt)", hexMD5(hexMD5(legacyPassword) + "user"), "user"},
		"password and salt":    {"sha256(password+salt)", strings.ToUpper(hexSHA256(legacyPassword + "s")), "s"},
		"salt and password":    {"md5(salt+password)", hexMD5("s" + legacyPassword), "s"},
		"MD5 in an old table":  {"md5(password)", hexMD5(legacyPassword), ""},
		"SHA-256, base64":      {"sha256(password)", standard([]byte(hexDecode(t, hexSHA256(legacyPassword)))), ""},
	}
}

func hexDecode(t testing.TB, text string) string {
	t.Helper()
	raw, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// TestLegacyPasswords_WorkOnceAndAreReplaced: the first sign-in stores argon2id, and a wrong password changes nothing.
func TestLegacyPasswords_WorkOnceAndAreReplaced(t *testing.T) {
	for name, row := range legacyHashes(t) {
		t.Run(name, func(t *testing.T) {
			w := newStoreHarness(t)
			stored, err := identity.ParseImportedPassword(row[0], row[1], row[2])
			if err != nil {
				t.Fatal(err)
			}
			id := w.importOne(t, identity.Import{Sub: "u1", Username: "alice", Password: stored}, identity.ImportCreated)
			before := w.user(id).Password
			if strings.Contains(name, "MD5") || strings.Contains(name, "weak") || strings.Contains(row[0], "(") {
				if !strings.Contains(before, "$argon2id$") || strings.Contains(before, strings.ToLower(row[1])) {
					t.Errorf("stored without argon2id: %s", before)
				}
			}
			if again, err := identity.ParseImportedPassword("", before, ""); err != nil || again != before {
				t.Errorf("the stored form cannot be imported: %v", err)
			}
			if _, err := w.VerifyPassword(t.Context(), directory, "alice", "wrong password"); !errors.Is(err, identity.ErrWrongPassword) {
				t.Errorf("wrong password: %v", err)
			}
			if w.user(id).Password != before {
				t.Error("a wrong password replaced the hash")
			}
			for range 2 {
				if _, err := w.VerifyPassword(t.Context(), directory, "alice", legacyPassword); err != nil {
					t.Fatal(err)
				}
				if after := w.user(id).Password; !strings.HasPrefix(after, "$argon2id$") {
					t.Errorf("after sign-in: %s", after)
				}
			}
		})
	}
}

func TestLegacyPasswords_RejectedForms(t *testing.T) {
	for name, row := range map[string][3]string{
		"a plain password":        {"", "hunter22", ""},
		"argon2i":                 {"", "$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA", ""},
		"costly bcrypt":           {"", "$2a$20$" + strings.Repeat("a", 53), ""},
		"an unknown scheme":       {"sha1(password)", strings.Repeat("0", 40), ""},
		"a digest of wrong size":  {"md5(password)", strings.Repeat("0", 40), ""},
		"no digest":               {"md5(password)", "not hexadecimal!", ""},
		"too many iterations":     {"pbkdf2-sha256:99999999", strings.Repeat("A", 43), "c2FsdA=="},
		"no iterations":           {"pbkdf2-sha256", strings.Repeat("A", 43), "c2FsdA=="},
		"a salt without a scheme": {"", "$2a$04$" + strings.Repeat("a", 53), "salt"},
		"a scheme without a hash": {"md5(password)", "", "salt"},
		"a long salt":             {"md5(password+salt)", strings.Repeat("0", 32), strings.Repeat("s", 129)},
	} {
		_, err := identity.ParseImportedPassword(row[0], row[1], row[2])
		if refused, ok := errors.AsType[*identity.InvalidError](err); !ok || strings.Contains(refused.Error(), row[1]) && row[1] != "" {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func FuzzParseImportedPassword(f *testing.F) {
	for _, row := range legacyHashes(f) {
		f.Add(row[0], row[1], row[2])
	}
	f.Add("", "$mf-legacy$md5(password)$$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "")
	f.Fuzz(func(t *testing.T, scheme, text, salt string) {
		stored, err := identity.ParseImportedPassword(scheme, text, salt)
		if err != nil || stored == "" {
			return
		}
		if again, err := identity.ParseImportedPassword("", stored, ""); err != nil || again != stored {
			t.Errorf("%q is stored as %q, which is read as %q, %v", text, stored, again, err)
		}
	})
}
