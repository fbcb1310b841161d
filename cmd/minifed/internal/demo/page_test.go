package demo

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/internal/chromiumtest"
)

// pageUser uses the page in Chromium.
type pageUser struct {
	*testing.T
	tab *chromiumtest.Tab
	// small means that the page shows one device.
	small bool
}

// until waits until an expression is true in a frame; the empty frame is the page.
func (u *pageUser) until(frame, expression string) {
	u.Helper()
	for end := time.Now().Add(40 * time.Second); u.evaluate(frame, expression) != "true"; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			u.Fatalf("not true in %q: %s\n%s\n%s", frame, expression, u.evaluate(frame, "document.body.innerText"), u.evaluate("", "document.body.innerText"))
		}
	}
}

// evaluate returns the value of an expression in a frame, by the ID of its element.
func (u *pageUser) evaluate(frame, expression string) string {
	if frame == "" {
		return u.tab.Evaluate(expression)
	}
	var tree struct {
		FrameTree struct {
			ChildFrames []struct {
				Frame struct{ ID, Name, URL string } `json:"frame"`
			} `json:"childFrames"`
		} `json:"frameTree"`
	}
	_ = json.Unmarshal(u.tab.Call("Page.getFrameTree", nil), &tree)
	for _, child := range tree.FrameTree.ChildFrames {
		var owner struct{ BackendNodeID int }
		_ = json.Unmarshal(u.tab.Call("DOM.getFrameOwner", map[string]any{"frameId": child.Frame.ID}), &owner)
		var described struct {
			Node struct{ Attributes []string }
		}
		_ = json.Unmarshal(u.tab.Call("DOM.describeNode", map[string]any{"backendNodeId": owner.BackendNodeID}), &described)
		if !strings.Contains(" "+strings.Join(described.Node.Attributes, " ")+" ", " id "+frame+" ") {
			continue
		}
		var world struct{ ExecutionContextID int }
		_ = json.Unmarshal(u.tab.Call("Page.createIsolatedWorld", map[string]any{"frameId": child.Frame.ID, "worldName": "test"}), &world)
		var result struct {
			Result struct{ Value any } `json:"result"`
		}
		_ = json.Unmarshal(u.tab.Call("Runtime.evaluate", map[string]any{"expression": "String(" + expression + ")", "contextId": world.ExecutionContextID}), &result)
		return fmt.Sprint(result.Result.Value)
	}
	return "no frame " + frame
}

// press presses a visible button of a frame.
func (u *pageUser) press(frame, selector string) {
	u.Helper()
	u.untilEnabled(frame, selector)
	u.evaluate(frame, `document.querySelector("`+selector+`").click()`)
}

func (u *pageUser) untilEnabled(frame, selector string) {
	u.Helper()
	u.until(frame, `(() => { const e = document.querySelector("`+selector+`"); return Boolean(e && e.checkVisibility() && !e.disabled) })()`)
}

// pressOnce presses a button if it is there and was not pressed: the page stays until the next one is loaded.
func (u *pageUser) pressOnce(frame, selector string) {
	u.evaluate(frame, `(() => { const e = document.querySelector("`+selector+`"); if (e && !e.dataset.pressed) { e.dataset.pressed = "yes"; e.click() } })()`)
}

// fill types into a visible field of a frame.
func (u *pageUser) fill(frame, selector, value string) {
	u.Helper()
	u.until(frame, `Boolean(document.querySelector("`+selector+`")?.checkVisibility())`)
	u.evaluate(frame, `(() => { const e = document.querySelector("`+selector+`"); e.value = "`+value+`"; e.dispatchEvent(new Event("input", {bubbles: true})) })()`)
}

func (u *pageUser) text(frame, selector string) string {
	u.Helper()
	u.until(frame, `Boolean(document.querySelector("`+selector+`")?.textContent.trim())`)
	return strings.TrimSpace(u.evaluate(frame, `document.querySelector("`+selector+`").textContent`))
}

// at shows a device on a small screen.
func (u *pageUser) at(device string) {
	if u.small {
		u.press("", "[data-view="+device+"]")
	}
}

// look finds barriers to users with disabilities.
func (u *pageUser) look(name string) {
	u.Helper()
	for _, problem := range u.tab.AccessibilityProblems() {
		u.Errorf("%s: %s", name, problem)
	}
}

func TestPage_StoryAsANewUser(t *testing.T) {
	d, _ := start(t)
	browser := chromiumtest.Start(t)
	for _, c := range []struct {
		language string
		width    int
		dark     bool
	}{{"en", 1280, false}, {"zh-CN", 390, true}} {
		t.Run(fmt.Sprintf("%s %d", c.language, c.width), func(t *testing.T) {
			u := &pageUser{T: t, tab: browser.Open(browser.Profile(), "about:blank"), small: c.width < 900}
			u.tab.T = t
			u.tab.Screen(c.width, 900, c.width < 900)
			u.tab.Dark(c.dark)
			u.tab.Language(c.language)
			u.tab.Navigate(d.page)
			u.play()
			u.restart()
		})
	}
}

func (u *pageUser) play() {
	u.Helper()
	const books, cinema, phone = "frame-books", "frame-cinema", "phone-frame"
	u.until("", `document.readyState === "complete"`)
	u.until(books, `document.querySelector("#sign-in")?.checkVisibility()`)
	u.look("start")
	// 1. The mini-program.
	u.at("phone")
	u.press("", "#open-wechat")
	u.press("", "#open-mini")
	sub := u.text("", "#mini-sub")
	u.look("mini")
	// 2. The computer.
	u.at("computer")
	u.press(books, "#sign-in")
	u.press(books, "#scan")
	u.until(books, `document.querySelector("#picture")?.complete`)
	u.look("code")
	// 3. The scan.
	u.at("phone")
	u.press("", "#go-home")
	u.press("", "#open-wechat")
	u.press("", "#open-camera")
	u.until("", `document.querySelector("#seen").checkVisibility()`)
	u.until("", `document.querySelector("#ask").checkVisibility()`)
	number := u.text(books, "#number")
	u.fill("", "#ask-number", number)
	u.look("ask")
	u.press("", "#approve")
	u.at("computer")
	u.until("", `document.querySelector("[data-place=books]").textContent.includes("`+sub+`")`)
	u.look("signed-in")
	// 4. The second app.
	u.press("", "#tab-cinema")
	u.press(cinema, "#sign-in")
	u.until("", `document.querySelector("[data-place=cinema]").textContent.includes("`+sub+`")`)
	u.look("second")
	// 5. The phone's browser.
	u.at("phone")
	u.press("", "#go-home")
	u.press("", "#open-browser")
	u.press(phone, "#sign-in")
	u.press(phone, "#link")
	u.until(phone, `document.querySelector("#open")?.checkVisibility()`)
	u.look("link")
	u.press(phone, "#open")
	u.press("", "#approve")
	digits := u.text("", "#mini-digits")
	u.look("digits")
	u.press("", "#to-browser")
	u.fill(phone, "#digits", digits)
	u.press(phone, "#sign-in")
	u.until("", `document.querySelector("[data-place=phone]").textContent.includes("`+sub+`")`)
	u.look("phone")
	u.attack(sub)
}

// attack tries the four attacks of the page. Each one fails.
func (u *pageUser) attack(sub string) {
	u.Helper()
	const books = "frame-books"
	failed := func(name string) {
		u.Helper()
		u.until("", `document.querySelector("#attack-`+name+` .badge").classList.contains("well")`)
		u.until("", `document.querySelector("#mini-text").textContent !== ""`)
	}
	scanAlbum := func() {
		u.at("phone")
		u.press("", "#go-home")
		u.press("", "#open-wechat")
		u.press("", "#open-camera")
		u.press("", "#scan-album")
	}
	showCode := func() string {
		u.at("computer")
		u.press("", "#tab-books")
		u.untilEnabled(books, "#begin, #scan, #sign-in")
		u.pressOnce(books, "#begin, #scan, #sign-in")
		for u.evaluate(books, `Boolean(document.querySelector("#picture"))`) != "true" {
			u.pressOnce(books, "#scan")
			time.Sleep(50 * time.Millisecond)
		}
		u.at("phone")
		u.press("", "#go-home")
		u.press("", "#open-wechat")
		u.press("", "#open-camera")
		u.until("", `document.querySelector("#ask").checkVisibility()`)
		return u.text(books, "#number")
	}
	// An old picture.
	scanAlbum()
	failed("old")
	u.look("old")
	// A guess.
	u.at("computer")
	u.press("", "#tab-books")
	u.press(books, "#sign-out")
	u.until(books, `document.querySelector("#sign-in")?.checkVisibility()`)
	wrong := "10"
	if showCode() == wrong {
		wrong = "11"
	}
	u.fill("", "#ask-number", wrong)
	u.press("", "#approve")
	failed("guess")
	u.at("computer")
	u.text(books, "[role=alert]")
	u.look("guess")
	// Another person.
	showCode()
	u.press("", "[name=person][value=bob]")
	u.press("", "#open-wechat")
	u.press("", "#open-mini")
	if bob := u.text("", "#mini-sub"); bob == sub {
		u.Error("Bob has the sub of Alice")
	}
	scanAlbum()
	failed("person")
	u.look("person")
	// A forwarded picture.
	u.press("", "#forward")
	u.at("phone")
	u.press("", "#go-home")
	u.press("", "#open-wechat")
	u.press("", "#scan-message")
	u.until("", `document.querySelector("#ask-warning").checkVisibility()`)
	u.look("forwarded")
	u.press("", "#deny")
	failed("forward")
	u.look("denied")
	u.until("", `document.querySelectorAll("#steps .done").length === 6`)
}

// restart begins again: no browser is signed in any more. Then the user changes the language.
func (u *pageUser) restart() {
	u.Helper()
	u.press("", "#restart")
	u.until("", `document.readyState === "complete" && document.querySelectorAll("#steps .done").length === 0`)
	u.at("computer")
	u.until("frame-books", `document.querySelector("#sign-in")?.checkVisibility()`)
	u.press("frame-books", "#sign-in")
	u.until("frame-books", `Boolean(document.querySelector("#scan"))`)
	language := u.tab.Evaluate("document.documentElement.lang")
	u.press("", "#other-language")
	u.until("", `document.readyState === "complete" && document.documentElement.lang !== "`+language+`"`)
}

func TestPage_IsForItsOwnOriginAndFrames(t *testing.T) {
	d, _ := start(t)
	direct := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	send := func(method, address string, header ...string) *http.Response {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), method, address, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(header); i += 2 {
			request.Header.Set(header[i], header[i+1])
		}
		response, err := direct.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		return response
	}
	other := strings.Replace(d.page, "127.0.0.1", "localhost", 1)
	if got := send(http.MethodGet, other); got.StatusCode != http.StatusTemporaryRedirect || got.Header.Get("Location") != d.page {
		t.Errorf("localhost: %d %s", got.StatusCode, got.Header.Get("Location"))
	}
	page := send(http.MethodGet, d.page)
	cookie, _, _ := strings.Cut(page.Header.Get("Set-Cookie"), ";")
	if policy := page.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "frame-ancestors 'none'") || !strings.Contains(policy, "default-src 'none'") {
		t.Errorf("policy of the page: %s", policy)
	}
	for name, c := range map[string]struct {
		header []string
		status int
	}{
		"without the page":    {nil, http.StatusBadRequest},
		"by another site":     {[]string{"Cookie", cookie, "Sec-Fetch-Site", "cross-site"}, http.StatusForbidden},
		"by another origin":   {[]string{"Cookie", cookie, "Sec-Fetch-Site", "same-site"}, http.StatusForbidden},
		"by the page":         {[]string{"Cookie", cookie, "Sec-Fetch-Site", "same-origin"}, http.StatusOK},
		"without a known tab": {[]string{"Cookie", "minifed-demo-8093=unknown"}, http.StatusBadRequest},
	} {
		if got := send(http.MethodPost, d.page+"phone/login", c.header...); got.StatusCode != c.status {
			t.Errorf("a code of wx.login %s: %d, want %d", name, got.StatusCode, c.status)
		}
	}
	login := d.issuer + "/login"
	if got := send(http.MethodGet, login).Header; got.Get("X-Frame-Options") != "" || !strings.Contains(got.Get("Content-Security-Policy"), "frame-ancestors "+strings.TrimSuffix(d.page, "/")+";") {
		t.Errorf("the page cannot frame %s: %s", login, got.Get("Content-Security-Policy"))
	}
}

// TestPage_SeveralDemonstrationsInOneBrowser share its cookies, because they are on one host.
func TestPage_SeveralDemonstrationsInOneBrowser(t *testing.T) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	read := func(address string) string {
		t.Helper()
		response, err := browser.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		content, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
	run := regexp.MustCompile(`"run":"(\w+)"`)
	runs := map[string]bool{}
	var pages []string
	for range 2 {
		d, _ := start(t)
		read(d.page)
		pages = append(pages, d.page)
		if found := run.FindStringSubmatch(read(d.site.Apps[0].Origin + "/")); found != nil {
			runs[found[1]] = true
		}
	}
	if len(runs) != 2 {
		t.Errorf("the apps store under %v: a tab of one demonstration shows the user of another one", runs)
	}
	for _, page := range pages {
		response, err := browser.Post(page+"phone/login", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusOK {
			t.Errorf("%s does not know its browser: %d", page, response.StatusCode)
		}
	}
}
