package identity_test

import (
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/minifed/minifed/identity"
)

func TestParsePhone_IsE164(t *testing.T) {
	for _, test := range []struct{ code, number, want string }{
		{"86", "13800000001", "+8613800000001"},
		{"1", "2025550123", "+12025550123"},
		{"39", "0612345678", "+390612345678"}, // leading zero in Italy
		{"290", "21234", "+29021234"},
		{"852", "51234567", "+85251234567"},
		{"", "13800000001", ""},
		{"0", "13800000001", ""},
		{"086", "13800000001", ""},
		{"+86", "13800000001", ""},
		{"8600", "1380000000", ""},
		{"86", "", ""},
		{"86", "138 0000 0001", ""},
		{"86", "138-0000-0001", ""},
		{"86", "+8613800000001", ""},
		{"86", "13800000000001", ""},
		{"86", "1380", ""},
		{"86", "١٣٨٠٠٠٠٠٠٠١", ""},
		{"８６", "13800000001", ""},
	} {
		got, err := identity.Phone(test.code, test.number)
		if got != test.want || (err == nil) != (test.want != "") {
			t.Errorf("%q %q: got %q, %v, want %q", test.code, test.number, got, err, test.want)
		}
	}
	for _, bad := range []string{"", "+", "8613800000001", "+0861380000", "+861380", "+8613800000001x", "+86 13800000001", "++8613800000001"} {
		_, err := identity.ParsePhone(bad)
		wantInvalid(t, err, "phone_number")
	}
}

func TestParseEmail_IsLowerCase(t *testing.T) {
	for address, want := range map[string]string{
		"Alice@Example.COM":                     "alice@example.com",
		"a.b+c@mail.example.org":                "a.b+c@mail.example.org",
		"x@xn--fiq228c.cn":                      "x@xn--fiq228c.cn",
		strings.Repeat("a", 64) + "@example.cn": strings.Repeat("a", 64) + "@example.cn",
	} {
		if got, err := identity.ParseEmail(address); got != want || err != nil {
			t.Errorf("%s: got %q, %v", address, got, err)
		}
	}
	for _, bad := range []string{
		"", "@", "a@", "@example.com", "a@b", "a b@example.com", "a@exa mple.com", "a@@example.com", "a@b@example.com", ".a@example.com",
		"a.@example.com", "a..b@example.com", "a@-example.com", "a@example-.com", "a@.com", "a@example..com", "a@example.com.",
		"a@127.0.0.1", "a@[127.0.0.1]", `"a"@example.com`, "ä@example.com", "a@exämple.com", "a\n@example.com", "a@example.com\r\nBcc: b@c.de",
		"Alice <a@example.com>", strings.Repeat("a", 65) + "@example.com", "a@" + strings.Repeat("a.", 130) + "com",
		"a@" + strings.Repeat("a", 64) + ".com", "\u212a@example.com",
	} {
		_, err := identity.ParseEmail(bad)
		wantInvalid(t, err, "email")
	}
}

func TestParseUsername_FoldsCaseAndWidth(t *testing.T) {
	for _, same := range [][]string{
		{"Alice", "alice", "ALICE", "Ａｌｉｃｅ"},
		{"Straße", "STRASSE", "strasse"},
		{"ΣΊΣΥΦΟΣ", "σίσυφος", "σίσυφοσ"},
		{"café", "cafe\u0301", "CAFÉ"},
		{"王小明", "王小明"},
	} {
		first, err := identity.ParseUsername(same[0])
		if err != nil {
			t.Errorf("%s: %v", same[0], err)
		}
		for _, other := range same[1:] {
			if got, err := identity.ParseUsername(other); err != nil || got.Folded != first.Folded {
				t.Errorf("%s: got %q, %v, want %q", other, got.Folded, err, first.Folded)
			}
		}
	}
}

func TestParseUsername_RejectsInvisibleCharacters(t *testing.T) {
	for name, bad := range map[string]string{
		"too short":               "ab",
		"too long":                strings.Repeat("a", 65),
		"long once folded":        strings.Repeat("ﷺ", 20),
		"not UTF-8":               "ali\xffce",
		"space":                   "ali ce",
		"ideographic space":       "ali\u3000ce",
		"control":                 "ali\x00ce",
		"line break":              "ali\nce",
		"right-to-left override":  "ali\u202ece",
		"isolate":                 "ali\u2066ce",
		"zero-width space":        "ali\u200bce",
		"zero-width joiner":       "ali\u200dce",
		"soft hyphen":             "ali\u00adce",
		"byte order mark":         "ali\ufeffce",
		"Hangul filler":           "\u3164\u3164\u3164\u3164",
		"variation selector":      "alice\ufe0f",
		"grapheme joiner":         "ali\u034fce",
		"at sign":                 "alice@example.com",
		"fullwidth at sign":       "alice＠example",
		"slash":                   "alice/bob",
		"leading dot":             ".alice",
		"trailing dot":            "alice.",
		"leading hyphen":          "-alice",
		"trailing underscore":     "alice_",
		"leading accent":          "\u0301alice",
		"stacked accents":         "a\u0301\u0302\u0303\u0304\u0305lice",
		"Cyrillic among Latin":    "аlice",
		"Greek among Latin":       "αlice",
		"emoji":                   "alice😀",
		"fraction that unfolds":   "alice½",
		"superscript parenthesis": "alice⑴",
	} {
		if got, err := identity.ParseUsername(bad); err == nil {
			t.Errorf("%s: accepted as %q", name, got.Folded)
		} else {
			wantInvalid(t, err, "username")
		}
	}
	for _, good := range []string{"a.b-c_d", "007", "Иван", "Ελένη", "山田太郎", "नमस्ते", "محمد", "o1", "user²"} {
		if utf8.RuneCountInString(good) < 3 {
			continue
		}
		if _, err := identity.ParseUsername(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
}

func TestInvalidError_HasNoValue(t *testing.T) {
	const secret = "+86138secret"
	_, phone := identity.ParsePhone(secret)
	_, email := identity.ParseEmail(secret)
	_, username := identity.ParseUsername(secret)
	_, hash := identity.ParsePasswordHash(secret)
	_, profile := identity.ParseProfileUpdate([]byte(`{"picture":"` + secret + `"}`))
	for _, err := range []error{phone, email, username, hash, profile} {
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("got %v", err)
		}
	}
}

func FuzzPhone(f *testing.F) {
	f.Add("86", "13800000001")
	f.Add("39", "0612345678")
	f.Add("0", "")
	form := regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)
	f.Fuzz(func(t *testing.T, code, number string) {
		got, err := identity.Phone(code, number)
		if err != nil {
			return
		}
		if !form.MatchString(got) || got != "+"+code+number {
			t.Fatalf("got %q", got)
		}
		if again, err := identity.ParsePhone(got); err != nil || again != got {
			t.Fatalf("%q is not canonical: %q, %v", got, again, err)
		}
	})
}

func FuzzParseEmail(f *testing.F) {
	f.Add("Alice@Example.COM")
	f.Add("a@b.c\r\n")
	f.Add("a@127.0.0.1")
	form := regexp.MustCompile(`^[a-z0-9.!#$%&'*+/=?^_{|}~\x60-]+@[a-z0-9-]+(\.[a-z0-9-]+)+$`)
	f.Fuzz(func(t *testing.T, address string) {
		got, err := identity.ParseEmail(address)
		if err != nil {
			return
		}
		if !form.MatchString(got) || len(got) > 254 {
			t.Fatalf("got %q", got)
		}
		if again, err := identity.ParseEmail(got); err != nil || again != got {
			t.Fatalf("%q is not canonical: %q, %v", got, again, err)
		}
	})
}

func FuzzParseUsername(f *testing.F) {
	for _, seed := range []string{"Alice", "Ａｌｉｃｅ", "Straße", "аlice", "ab", "王小明", "ΐϋσς", "\u0345abc", "İstanbul"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, username string) {
		name, err := identity.ParseUsername(username)
		if err != nil {
			return
		}
		for _, form := range []string{name.Display, name.Folded} {
			again, err := identity.ParseUsername(form)
			if err != nil || again.Folded != name.Folded {
				t.Fatalf("%q is not canonical: %q, %v", form, again.Folded, err)
			}
		}
		if strings.ContainsFunc(name.Display, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }) {
			t.Fatalf("%q hides something", name.Display)
		}
	})
}
