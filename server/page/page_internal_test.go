package page

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/internal/templates"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/sms"
	"github.com/minifed/minifed/server/stylesheet"
	"github.com/minifed/minifed/storage/oauth2"
)

// textsOf returns the texts of a language, by key.
func textsOf(t *testing.T, locale *Locale) map[string]string {
	t.Helper()
	texts, err := locale.texts()
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

func TestTemplates_AllParse(t *testing.T) {
	pages, err := templates.Read(pageFiles)
	if err != nil || len(pages) == 0 {
		t.Fatalf("%d templates: %v", len(pages), err)
	}
	for name, parse := range pages {
		if _, err := parse(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLocales_HaveTheSameTexts(t *testing.T) {
	all := readLocales().all
	first := textsOf(t, all[0])
	verbs := regexp.MustCompile(`%(\[\d\])?[sd]`)
	for _, other := range all[1:] {
		if a, b := slices.Sorted(maps.Keys(first)), slices.Sorted(maps.Keys(textsOf(t, other))); !slices.Equal(a, b) {
			t.Errorf("%s and %s have not the same keys", all[0].Tag, other.Tag)
		}
		for key, text := range textsOf(t, other) {
			a, b := verbs.FindAllString(first[key], -1), verbs.FindAllString(text, -1)
			slices.Sort(a)
			slices.Sort(b)
			if strings.TrimSpace(text) == "" || !slices.Equal(a, b) {
				t.Errorf("%s of %s is %q, while %s has the parameters %v", key, other.Tag, text, all[0].Tag, a)
			}
		}
	}
}

// TestChineseTexts_AddressTheUserInOneForm: texts with 你 and with 您 appear on the same page.
func TestChineseTexts_AddressTheUserInOneForm(t *testing.T) {
	for _, locale := range readLocales().all {
		for key, text := range textsOf(t, locale) {
			if strings.Contains(text, "您") {
				t.Errorf("%s of %s is %q, want 你", key, locale.Tag, text)
			}
		}
	}
}

// matches returns the first groups of pattern in the files of glob, except tests.
func matches(t *testing.T, pattern, glob string) []string {
	t.Helper()
	files, err := filepath.Glob(glob)
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %v", glob, err)
	}
	var all []string
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(source), -1) {
			all = append(all, found[1])
		}
	}
	return all
}

// usedKeys returns the keys of all texts that pages, forms and mail use.
func usedKeys(t *testing.T) map[string]bool {
	t.Helper()
	said := map[string]bool{"invalid.other": true}
	find := func(pattern string, globs ...string) {
		for _, glob := range globs {
			for _, found := range matches(t, pattern, glob) {
				said[found] = true
			}
		}
	}
	find(`\.(?:T|Around) "([^"]+)"`, "pages/*.html")
	find(`Text\("([^"]+)"[,)]`, "../*/*.go", "../method/*/*.go")
	find(`\.T\("([^"]+)"`, "../*/*.go")
	find(`\b[tT]ext[A-Z]\w* += "([^"]+)"`, "../*/*.go")
	find(`"(passkey_\w+)", "`, "../method/passkey/*.go")
	for _, key := range invalidTexts() {
		said[key] = true
	}
	for _, kind := range failureKinds() {
		said["failure."+kind], said["failure."+kind+".what"], said["failure."+kind+".next"] = true, true, true
	}
	literals := map[string]bool{oauth2.ScopeLink: true, oauth2.ScopeAccount: true}
	for _, found := range matches(t, `"([a-z_]+)"`, "../*/*.go") {
		literals[found] = true
	}
	for key := range textsOf(t, readLocales().all[0]) { // Texts of scopes, acts and profile fields: their tests are next to the lists of these.
		kind, of, _ := strings.Cut(strings.TrimSuffix(key, ".detail"), ".")
		if slices.Contains([]string{"scope", "done", "field"}, kind) && literals[of] {
			said[key] = true
		}
	}
	for _, member := range []string{"birthdate", "locale", "zoneinfo"} {
		said["field."+member+".hint"] = true
	}
	for _, what := range []string{"username", "password", "email", "phone", "passkey", "totp"} {
		said["account.change."+what], said["account.set."+what] = true, true
	}
	for _, what := range []string{"sign_ins", "apps", "export", "merge"} {
		said["account.more."+what], said["account.more."+what+".note"], said["account.show."+what] = true, true, true
	}
	for key := range textsOf(t, readLocales().all[0]) { // Their lists have a test in package account.
		if strings.HasPrefix(key, "method.name.") || strings.HasPrefix(key, "identity.") {
			said[key] = true
		}
	}
	texts := textsOf(t, readLocales().all[0])
	for _, key := range slices.Concat(
		matches(t, `(?:text|page)\("(\w+)"`, "../method/onetimecode/*.go"), matches(t, `lead :?= "(\w+)"`, "../method/onetimecode/*.go"),
	) {
		for _, method := range []string{"phone_code.", "email_code."} {
			if texts[method+key] != "" {
				said[method+key] = true
			}
		}
		if !said["phone_code."+key] {
			t.Errorf("no text phone_code.%s", key)
		}
	}
	for _, method := range []string{"scan", "link"} {
		said["login."+method], said[method+".title"] = true, true
	}
	for _, decision := range matches(t, `message\(w, r, "(device\.\w+)"`, "../device/*.go") {
		said[decision], said[decision+".lead"] = true, true
	}
	for _, reason := range matches(t, `\bdenied[A-Z]\w* += "(\w+)"`, "../method/scan/*.go") {
		said["scan.denied."+reason] = true
	}
	letters := []string{"reset", "email", "email_changed", "password", "first_password", "linked"}
	letters = slices.Concat(letters, matches(t, `"mail\.(\w+)"`, "../method/*/*.go"), matches(t, `"mail\.(\w+)"`, "../account/*.go"), matches(t, `"mail\.(\w+)"`, "../device/*.go"))
	for _, letter := range letters {
		said["mail."+letter+".subject"], said["mail."+letter+".text"] = true, true
		if !slices.Contains([]string{"reset", "email", "code", "totp_lost"}, letter) { // They are for the owner of the address.
			said["sms."+letter] = true
		}
	}
	return said
}

func TestLocales_TextsAreUsedAndComplete(t *testing.T) {
	texts := textsOf(t, readLocales().all[0])
	said := usedKeys(t)
	for key := range said {
		if texts[key] == "" {
			t.Errorf("no text %q", key)
		}
	}
	for key := range texts {
		if !said[key] {
			t.Errorf("no page uses %q", key)
		}
	}
}

func TestNotices_FitTheVariableOfATemplate(t *testing.T) {
	for _, locale := range readLocales().all {
		for key, text := range textsOf(t, locale) {
			if strings.HasPrefix(key, "sms.") && locale.Tag == localeChinese && utf8.RuneCountInString(text) > sms.MaxChange {
				t.Errorf("%s is too long: %s", key, text)
			}
		}
	}
}

func TestLocale_PrefersLinkThenClientThenBrowser(t *testing.T) {
	long := strings.Repeat("de-DE,", 200) + "zh"
	for _, c := range []struct{ query, client, header, want string }{
		{"", "", "", "en"},
		{"", "", "zh-CN,zh;q=0.9,en;q=0.8", "zh-CN"},
		{"", "", "zh-TW", "zh-CN"},
		{"", "", "zh-Hant-HK,en;q=0.5", "en"},
		{"", "", "fr-FR,fr;q=0.9,zh;q=0.2", "zh-CN"},
		{"", "", "de", "en"},
		{"", "", "*", "en"},
		{"", "zh-CN", "en", "zh-CN"},
		{"", "se", "zh", "zh-CN"},
		{"", "fr zh en", "en", "zh-CN"},
		{"zh-CN", "en", "en", "zh-CN"},
		{"en", "zh-CN", "zh-CN", "en"},
		{"nonsense%%", "", "zh", "zh-CN"},
		{"", "", long, "en"},
		{long, "", "zh", "zh-CN"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL.RawQuery = "ui_locales=" + strings.ReplaceAll(c.query, " ", "+")
		r.Header.Set("Accept-Language", c.header)
		if got := readLocales().Choose(r, strings.Fields(c.client)).Tag; got != c.want {
			t.Errorf("ui_locales %.20q, client %q, Accept-Language %.20q: %s, want %s", c.query, c.client, c.header, got, c.want)
		}
	}
}

// sheetColours returns the variables of style.css for light and dark mode.
func sheetColours(t *testing.T) (light, dark map[string]colour) {
	t.Helper()
	sheet, err := pageFiles.ReadFile("pages/style.css")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile(`(?s):root \{(.*?)\}`).FindAllStringSubmatch(string(stylesheet.WithBase(sheet)), 2)
	read := func(block string, into map[string]colour) map[string]colour {
		for _, found := range regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]{6});`).FindAllStringSubmatch(block, -1) {
			into[found[1]], _ = parseColour(found[2])
		}
		return into
	}
	light = read(blocks[0][1], map[string]colour{})
	return light, read(blocks[1][1], maps.Clone(light))
}

// TestWCAG_1_4_3_TextContrasts measures every pair of colours that style.css combines.
func TestWCAG_1_4_3_TextContrasts(t *testing.T) {
	light, dark := sheetColours(t)
	for scheme, colours := range map[string]map[string]colour{"light": light, "dark": dark} {
		for _, pair := range []struct {
			ink, ground string
			least       float64
		}{
			{"text", "page", contrastText},
			{"text", "surface", contrastText},
			{"text", "raised", contrastText},
			{"text", "field", contrastText},
			{"muted", "page", contrastText},
			{"muted", "surface", contrastText},
			{"muted", "raised", contrastText},
			{"danger", "surface", contrastText},
			{"danger", "raised", contrastText},
			{"danger", "danger-surface", contrastText},
			{"good", "good-surface", contrastText},
			{"field-line", "field", contrastEdge},
			{"field-line", "surface", contrastEdge},
		} {
			a, b := colours[pair.ink], colours[pair.ground]
			if got := contrast(a, b); got < pair.least {
				t.Errorf("%s: %s on %s contrasts by %.2f, want %.1f", scheme, pair.ink, pair.ground, got, pair.least)
			}
		}
	}
}

func TestPalette_MatchesStylesheet(t *testing.T) {
	lightSheet, darkSheet := sheetColours(t)
	light, dark := schemes()
	for _, c := range []struct {
		scheme ink
		sheet  map[string]colour
	}{{light, lightSheet}, {dark, darkSheet}} {
		if want := []colour{c.sheet["surface"], c.sheet["page"], c.sheet["raised"]}; !slices.Equal(c.scheme.grounds, want) {
			t.Errorf("grounds are %v, the sheet has %v", c.scheme.grounds, want)
		}
	}
}

// TestWCAG_1_4_3_AccentIsReadable tries accents from the whole colour space.
func TestWCAG_1_4_3_AccentIsReadable(t *testing.T) {
	light, dark := schemes()
	for i := range 9 * 9 * 9 {
		level := func(n int) uint8 { return uint8(min(255, n*32)) }
		accent := colour{level(i / 81), level(i / 9 % 9), level(i % 9)}
		for name, scheme := range map[string]ink{"light": light, "dark": dark} {
			p := paletteOf(accent, scheme)
			wrong := func(what string, a, b colour, least float64) {
				if got := contrast(a, b); got < least {
					t.Errorf("%s, %s: %s contrasts by %.2f", accent, name, what, got)
				}
			}
			wrong("the text of a button", p.on, p.accent, contrastText)
			wrong("the text of a button under the pointer", p.on, p.hover, contrastText)
			wrong("the edge of a button", p.edge, scheme.grounds[0], contrastEdge)
			wrong("text on a badge", p.text, p.tint, contrastText)
			for _, ground := range scheme.grounds {
				wrong("text", p.text, ground, contrastText)
			}
		}
	}
}

func TestAccent_ReadableIsUnchanged(t *testing.T) {
	light, dark := schemes()
	own, ok := parseColour(ownAccent)
	if !ok || paletteOf(own, light).accent != own || paletteOf(own, light).text != own {
		t.Errorf("light: %+v", paletteOf(own, light))
	}
	gold := colour{0xff, 0xcc, 0x00}
	if p := paletteOf(gold, dark); p.accent != gold || p.text != gold {
		t.Errorf("dark: %+v", p)
	}
}

func TestParseColour_IsStrict(t *testing.T) {
	for text, want := range map[string]bool{
		"#2f5bd7": true, "#ABCDEF": true, "2f5bd7": false, "#2f5bd": false, "#2f5bd77": false, "#2f5bdg": false, "": false, "red": false, "#+2f5bd": false,
	} {
		if _, ok := parseColour(text); ok != want {
			t.Errorf("%q: %v", text, ok)
		}
	}
}

func TestErrorPage_ExplainsByStatus(t *testing.T) {
	for status, want := range map[int]string{400: "request", 405: "no_page", 413: "too_large", 404: "not_found", 429: "rate_limited", 500: "internal", 503: "unavailable"} {
		problem := endpoint.NewErrorStatus(fosite.ErrInvalidRequest, status, "")
		problem.Reason = "unheard_of"
		if got := failureKind(problem); got != want {
			t.Errorf("%d: %s, want %s", status, got, want)
		}
	}
}

func TestLocale_FillsParameters(t *testing.T) {
	v := &view{locale: readLocales().all[0]}
	if got, err := v.Say(Text("login.wait", Text("wait.minutes", 3))); err != nil || got != "Too many failed attempts. Please try again in 3 min." {
		t.Errorf("%q %v", got, err)
	}
	if _, err := v.T("no.such.text"); err == nil {
		t.Error("a missing text was returned")
	}
	for name, want := range map[string]string{"": "·", "  ada": "A", "王小明": "王", "éa": "É"} {
		if got := v.Initial(name); got != want {
			t.Errorf("the initial of %q is %q", name, got)
		}
	}
}

func TestAssets_NamesHaveContentHash(t *testing.T) {
	name := hashed("style.css", []byte("a"))
	if plainName(name) != "style.css" || hashed("style.css", []byte("b")) == name || strings.Count(name, ".") != 2 {
		t.Errorf("%q", name)
	}
	for odd, want := range map[string]string{"": "", "..": ".", "style": "style", "style.css": "style.css", "a.b.c.d": "a.b.d"} {
		if got := plainName(odd); got != want {
			t.Errorf("%q without its hash is %q, want %q", odd, got, want)
		}
	}
}

func TestBreakableAddress_BreaksBeforeDots(t *testing.T) {
	for text, want := range map[string]string{
		"":                              "",
		"Name of wanda":                 "Name of wanda",
		"w.van_der@mail.example.org":    "w|.van|_der|@mail|.example|.org",
		"A link is sent. It works.":     "A link is sent. It works.",
		"sent to 王@example.cn。It works": "sent to 王|@example|.cn。It works",
		"@ . _":                         "@ . _",
	} {
		if got := strings.Join((*view)(nil).Parts(text), "|"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestInvalidTexts_ExplainEveryReason(t *testing.T) {
	texts := invalidTexts()
	for _, reason := range identity.InvalidReasons() {
		if reason.String() == "" || texts[reason] == "" {
			t.Errorf("reason %d has the text %q and the explanation %q", reason, reason, texts[reason])
		}
	}
	if len(texts) != len(identity.InvalidReasons()) {
		t.Errorf("%d explanations for %d reasons", len(texts), len(identity.InvalidReasons()))
	}
}
