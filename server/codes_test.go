package server_test

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/server"
	"github.com/minifed/minifed/server/outbound"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

const (
	annNumber = "+8613800000001"
	bobNumber = "+8613800000002"
)

// phoneInbox receives the messages of the SMS provider log.
type phoneInbox struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (p *phoneInbox) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(text)
}

// codeServer is a page test server whose directory signs in by codes.
type codeServer struct {
	*pageTestServer
	inbox *phoneInbox
}

func newCodeServer(t *testing.T, edit func(*storage.Directory)) *codeServer {
	t.Helper()
	inbox := new(phoneInbox)
	ts := &codeServer{newPageTestServer(t, func(c *server.Config) { c.SMSWriter = inbox }), inbox}
	ts.editDirectory(func(d *storage.Directory) {
		d.SignInMethods = []string{storage.SignInPassword, storage.SignInPhoneCode, storage.SignInEmailCode}
		d.SMS.Provider = storage.SMSLog
		if edit != nil {
			edit(d)
		}
	})
	return ts
}

// codesTo returns the codes that were sent to a number or an address, oldest first.
func (ts *codeServer) codesTo(address string) (codes []string) {
	if strings.Contains(address, "@") {
		for _, message := range ts.mailTo(address) {
			codes = append(codes, regexp.MustCompile(`(?m)^\d{6}$`).FindString(message.Text))
		}
		return codes
	}
	ts.server.Wait()
	ts.inbox.mu.Lock()
	defer ts.inbox.mu.Unlock()
	for _, found := range regexp.MustCompile(`SMS to: (\S+)\n.*: (\d{6})\n`).FindAllStringSubmatch(ts.inbox.text.String(), -1) {
		if found[1] == address {
			codes = append(codes, found[2])
		}
	}
	return codes
}

// code returns the newest code of an address.
func (ts *codeServer) code(address string) string {
	ts.Helper()
	codes := ts.codesTo(address)
	if len(codes) == 0 {
		ts.Fatalf("nothing was sent to %s\n%s", address, ts.log)
	}
	return codes[len(codes)-1]
}

// addNumberUser creates a user with a number that was proven here.
func (ts *codeServer) addNumberUser(name, number string) storage.User {
	ts.Helper()
	user := ts.addPasswordUser(name)
	return must(ts.identities.ProvePhone(ts.Context(), "default", user.ID, number, identity.Self(user.ID)))(ts.T).Record
}

// ask asks for a code to an address, from the page of a method.
func (b *formBrowser) ask(path, address string) *page {
	b.Helper()
	field := "phone_number"
	if strings.Contains(address, "@") {
		field = "email"
	}
	b.get(b.pageServer.url + path)
	return b.press("send-form", "send", field, address)
}

func (b *formBrowser) askFor(address string) *page {
	b.Helper()
	path := "/login/phone-code"
	if strings.Contains(address, "@") {
		path = "/login/email-code"
	}
	return b.ask(path, address)
}

// typed types a code on the page that asks for it.
func (b *formBrowser) typed(code string) *page {
	b.Helper()
	return b.press("verify-form", "verify", "code", code)
}

// wrong returns a code that differs from another one.
func wrong(code string) string {
	if code == "000000" {
		return "000001"
	}
	return "000000"
}

func TestPhoneCode_SignsInAtAClient(t *testing.T) {
	t.Parallel()
	ts := newCodeServer(t, nil)
	ann := ts.addNumberUser("ann", annNumber)
	b := ts.newFormBrowser()
	login := b.openAuthorize()
	if !strings.Contains(login.body, "Sign in with a code by SMS") || !strings.Contains(login.body, "Sign in with a code by mail") {
		t.Fatalf("the login page has no links:\n%s", login.body)
	}
	link := findLink(t, b, "/login/phone-code")
	b.get(link)
	b.press("send-form", "send", "phone_number", "138 0000 0001")
	b.wantPage(t, http.StatusOK, "Enter the code")
	b.typed(ts.code(annNumber))
	session := b.storedSession()
	if session.User != ann.ID || strings.Join(session.AMR, " ") != "sms" || session.ACR != "1" || session.BackendInitiated {
		t.Errorf("got %+v", session)
	}
	if !strings.Contains(b.page.body+b.page.url, "consent") && !strings.Contains(b.page.url+b.page.body, "code=") {
		t.Errorf("it does not continue at the client: %s", b.page.url)
	}
}

// submitOnce submits a form without following the redirect.
func (b *formBrowser) submitOnce(action string, values url.Values) *page {
	b.Helper()
	request := must(http.NewRequestWithContext(b.Context(), http.MethodPost, action, strings.NewReader(values.Encode())))(b.T)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for name, value := range b.cookies {
		request.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	return b.send(request)
}

// findLink returns the address of a link of the page whose path ends so.
func findLink(t *testing.T, b *formBrowser, suffix string) string {
	t.Helper()
	for _, found := range regexp.MustCompile(`href="([^"]+)"`).FindAllStringSubmatch(b.page.body, -1) {
		address := must(must(url.Parse(b.page.url))(t).Parse(strings.ReplaceAll(found[1], "&amp;", "&")))(t)
		if strings.HasSuffix(address.Path, suffix) {
			return address.String()
		}
	}
	t.Fatalf("no link to %s on\n%s", suffix, b.page.body)
	return ""
}

func TestEmailCode_SignsInAtTheAccount(t *testing.T) {
	t.Parallel()
	ts := newCodeServer(t, nil)
	ann := ts.addEmailUser("ann")
	b := ts.newFormBrowser()
	b.askFor("Ann@Example.com")
	b.typed(ts.code("ann@example.com"))
	if session := b.storedSession(); session.User != ann.ID || strings.Join(session.AMR, " ") != "otp email" {
		t.Errorf("got %+v", session)
	}
	if !strings.HasSuffix(b.page.url, "/account") {
		t.Errorf("at %s", b.page.url)
	}
}

func TestEmailCode_RestoresAnAccountThatAwaitsDeletion(t *testing.T) {
	t.Parallel()
	ts := newCodeServer(t, nil)
	ann := ts.addEmailUser("ann")
	must(ts.identities.RequestDeletion(ts.Context(), "default", ann.ID, identity.Self(ann.ID)))(t)
	b := ts.newFormBrowser()
	b.askFor("ann@example.com")
	b.typed(ts.code("ann@example.com"))
	b.wantAt(t, "/login/restore", http.StatusOK, "Restore the account?")
	b.press("restore-form", "restore")
	b.wantAt(t, "/account", http.StatusOK, "Name of ann")
}

func TestCodes_SendNothingToUnknownAddressesWithoutRegistration(t *testing.T) {
	t.Parallel()
	ts := newCodeServer(t, nil)
	ts.addNumberUser("ann", annNumber)
	user := ts.addPasswordUser("weixin") // WeChat proved the number, this issuer did not.
	must(ts.identities.SetPhone(ts.Context(), "default", user.ID, bobNumber, identity.System))(t)
	var pages []string
	for _, address := range []string{annNumber, bobNumber, "+8613900000009", "nobody@example.com"} {
		b := ts.newFormBrowser()
		shown := b.askFor(address)
		b.wantPage(t, http.StatusOK, "can sign in here")
		pages = append(pages, normalized(shown.body, address))
		if got := len(ts.codesTo(address)); (got > 0) != (address == annNumber) {
			t.Errorf("%s got %d messages", address, got)
		}
	}
	if pages[0] != pages[1] || pages[0] != pages[2] {
		t.Errorf("the pages differ:\n%s\n%s\n%s", pages[0], pages[1], pages[2])
	}
}

// normalized returns a page without what is random or names the address.
func normalized(body, address string) string {
	body = strings.ReplaceAll(strings.ReplaceAll(body, "&#43;", "+"), address, "ADDRESS")
	body = regexp.MustCompile(`(sent=|name="csrf" value=")[^"&]+`).ReplaceAllString(body, "$1")
	return body
}

func TestCodes_KnownAndUnknownTakeAsManyOperations(t *testing.T) {
	t.Parallel()
	ts := newCodeServer(t, nil)
	ts.addNumberUser("ann", annNumber)
	ts.addEmailUser("mail")
	count := func(address string) (request, later [2]int) {
		b := ts.newFormBrowser()
		ts.askWarm(b, address)
		var mu sync.Mutex
		ts.engine.Before = func(ctx context.Context, o storagetest.Operation) error {
			mu.Lock()
			defer mu.Unlock()
			at := &request
			if _, background := ctx.Deadline(); background {
				at = &later
			}
			if o.Write() {
				at[1]++
			} else {
				at[0]++
			}
			return nil
		}
		b.press("send-form", "send", map[bool]string{true: "email", false: "phone_number"}[strings.Contains(address, "@")], address)
		ts.server.Wait()
		ts.engine.Before = nil
		return request, later
	}
	known, knownLater := count(annNumber)
	unknown, unknownLater := count("+8613900000009")
	if known != [2]int{1, 1} || unknown != known {
		t.Errorf("reads and writes of the request: %v, unknown %v; the budget is 1 and 1", known, unknown)
	}
	// Only a message that is sent counts for the directory.
	if knownLater[0]-unknownLater[0] > 2 || knownLater[1]-unknownLater[1] > 1 {
		t.Errorf("after the response: %v, unknown %v", knownLater, unknownLater)
	}
	mail, _ := count("mail@example.com")
	if mail != known {
		t.Errorf("by mail: %v", mail)
	}
}

// askWarm opens the page of an address.
func (ts *codeServer) askWarm(b *formBrowser, address string) {
	path := "/login/phone-code"
	if strings.Contains(address, "@") {
		path = "/login/email-code"
	}
	b.get(ts.url + path)
}

func TestCodes_SignInWithinStoreBudget(t *testing.T) {
	t.Parallel()
	ts := newCodeServer(t, nil)
	ts.addNumberUser("ann", annNumber)
	ts.addEmailUser("mail")
	for _, address := range []string{annNumber, "mail@example.com"} {
		b := ts.newFormBrowser()
		b.askFor(address)
		code := ts.code(address)
		action, values := b.readForm("verify-form", "verify")
		values.Set("code", code)
		counted := &operationCounter{}
		ts.engine.Before = counted.count
		b.submitOnce(action, values)
		ts.engine.Before = nil
		if counted.reads > 2 || counted.writes > 2 || counted.lists > 0 {
			t.Errorf("%s: %d reads, %d writes, %d lists: %v", address, counted.reads, counted.writes, counted.lists, counted.operations)
		}
	}
}

func TestCodes_RegisterUnderThePolicy(t *testing.T) {
	t.Parallel()
	ts := newCodeServer(t, func(d *storage.Directory) { d.Policy.SelfRegistration = true })
	for _, address := range []string{annNumber, "new@example.com"} {
		b := ts.newFormBrowser()
		b.askFor(address)
		b.typed(ts.code(address))
		user := must(storage.Get[storage.User](t.Context(), ts.engine, storage.Key("default", b.storedSession().User)))(t).Record
		if user.Phone+user.Email != address || user.Phone != "" && user.PhoneProvenAt.IsZero() || user.Email != "" && !user.EmailVerified {
			t.Errorf("got %+v", user)
		}
	}
}

func TestCodes_WorkOnceForFiveMinutesAtTheirInteraction(t *testing.T) {
	t.Parallel()
	ts := newCodeServer(t, nil)
	ts.addNumberUser("ann", annNumber)
	b, thief := ts.newFormBrowser(), ts.newFormBrowser()
	b.askFor(annNumber)
	code := ts.code(annNumber)
	thief.askFor(annNumber)
	thief.typed(code)
	thief.wantPage(t, http.StatusBadRequest, "wrong, too old")
	thief.get(b.page.url) // The page of another browser.
	if !strings.HasSuffix(thief.page.url, "/login/phone-code") {
		t.Errorf("at %s", thief.page.url)
	}
	ts.clock.Advance(5*time.Minute + time.Second)
	b.typed(code)
	b.wantPage(t, http.StatusBadRequest, "wrong, too old")
	b.askFor(annNumber)
	first := ts.code(annNumber)
	ts.clock.Advance(time.Minute)
	b.askFor(annNumber)
	second := ts.code(annNumber)
	if first != second {
		b.typed(first)
		b.wantPage(t, http.StatusBadRequest, "wrong, too old") // One live code.
	}
	again, values := b.readForm("verify-form", "verify")
	values.Set("code", second)
	b.typed(second)
	if b.storedSession().User == "" {
		t.Fatal("not signed in")
	}
	b.post(again, values, true) // The button was pressed twice.
	if !strings.HasSuffix(b.page.url, "/account") {
		t.Errorf("at %s %d", b.page.url, b.page.status)
	}
}

func TestCodes_GuessesCountAcrossInteractions(t *testing.T) {
	t.Parallel()
	ts := newCodeServer(t, nil)
	ts.addNumberUser("ann", annNumber)
	known := ts.newFormBrowser()
	known.askFor(annNumber)
	known.typed(ts.code(annNumber)) // It is a known browser from now on.
	known.get(ts.url + "/account")
	known.press("sign-out-form", "sign-out")

	var last *formBrowser
	for i := range 10 {
		if i%5 == 0 {
			ts.clock.Advance(61 * time.Minute / 5)
		}
		if i%3 == 0 {
			last = ts.newFormBrowser()
			last.askFor(annNumber)
		}
		last.typed(wrong(ts.code(annNumber)))
		last.wantPage(t, http.StatusBadRequest, "wrong, too old")
	}
	last.typed(ts.code(annNumber))
	last.wantPage(t, http.StatusTooManyRequests, "Too many codes")
	known.askFor(annNumber)
	known.typed(ts.code(annNumber))
	if !strings.HasSuffix(known.page.url, "/account") {
		t.Errorf("the known browser is blocked: %s\n%s", known.page.url, known.page.body)
	}
}

func TestCodes_PumpingIsLimited(t *testing.T) {
	t.Parallel()
	ts := newCodeServer(t, func(d *storage.Directory) { d.Policy.SelfRegistration, d.SMS.DailyLimit = true, 20 })
	ask := func(number string) int {
		return ts.newFormBrowser().askFor(number).status
	}
	for range 5 {
		if got := ask(annNumber); got != http.StatusOK {
			t.Fatalf("got %d", got)
		}
	}
	if got := ask(annNumber); got != http.StatusTooManyRequests {
		t.Errorf("the sixth code in an hour: %d", got)
	}
	for _, number := range []string{"+12025550123", "+85251234567"} {
		b := ts.newFormBrowser()
		b.askFor(number)
		b.wantPage(t, http.StatusBadRequest, "cannot be sent to this country")
	}
	sent := 5
	for i := range 30 {
		number := "+86139000000" + string(rune('0'+i/10)) + string(rune('0'+i%10))
		ask(number)
		sent += len(ts.codesTo(number))
	}
	if sent != 20 {
		t.Errorf("%d messages were sent; the limit of the directory is 20", sent)
	}
	for i := range 40 {
		ask("+86137000000" + string(rune('0'+i/10)) + string(rune('0'+i%10)))
		ts.server.Wait()
	}
	if got := ask(bobNumber); got != http.StatusTooManyRequests {
		t.Errorf("the network may go on: %d", got)
	}
}

func TestCodes_FirstProofOfAPlantedEmailEndsWhatWasSetBefore(t *testing.T) {
	t.Parallel()
	ts := newCodeServer(t, nil)
	attacker := ts.addEmailUser("attacker")
	entry := must(storage.Get[storage.User](t.Context(), ts.engine, storage.Key("default", attacker.ID)))(t)
	planted := entry.Record
	planted.EmailVerified = false
	must(entry.Replace(t.Context(), ts.engine, planted))(t)
	evil := ts.newFormBrowser()
	evil.get(ts.url + "/login")
	evil.press("login-form", "login", "username", "attacker", "password", goodPassword)
	if evil.storedSession().User != attacker.ID {
		t.Fatal("not signed in")
	}
	b := ts.newFormBrowser()
	b.askFor("attacker@example.com")
	b.typed(ts.code("attacker@example.com"))
	if !strings.HasSuffix(b.page.url, "/account") {
		t.Fatalf("at %s", b.page.url)
	}
	evil.get(ts.url + "/account")
	if !strings.Contains(evil.page.url, "/login") {
		t.Errorf("the old session lives: %s", evil.page.url)
	}
	evil.press("login-form", "login", "username", "attacker", "password", goodPassword)
	evil.wantPage(t, http.StatusBadRequest, "wrong")
}

func TestPhoneCode_RecycledNumberOpensNoAccount(t *testing.T) {
	t.Parallel()
	ts := newCodeServer(t, func(d *storage.Directory) { d.Policy.SelfRegistration = true })
	ts.addNumberUser("ann", annNumber)
	ts.clock.Advance(91 * 24 * time.Hour)
	b := ts.newFormBrowser()
	b.askFor(annNumber)
	b.typed(ts.code(annNumber))
	b.wantPage(t, http.StatusConflict, "cannot sign in with it")
}

func TestAccountPhone_AddsReplacesAndRemoves(t *testing.T) {
	t.Parallel()
	ts := newCodeServer(t, nil)
	ann := ts.addEmailUser("ann")
	b := ts.newFormBrowser()
	b.get(ts.url + "/login")
	b.press("login-form", "login", "username", "ann", "password", goodPassword)
	user := func() storage.User {
		return must(storage.Get[storage.User](t.Context(), ts.engine, storage.Key("default", ann.ID)))(t).Record
	}
	for _, number := range []string{annNumber, bobNumber} {
		b.get(ts.url + "/account/phone")
		b.press("send-form", "send", "phone_number", number, "current_password", "wrong")
		b.wantPage(t, http.StatusBadRequest, "password")
		b.press("send-form", "send", "phone_number", number, "current_password", goodPassword)
		b.typed(wrong(ts.code(number)))
		b.wantPage(t, http.StatusBadRequest, "wrong, too old")
		b.typed(ts.code(number))
		b.wantPage(t, http.StatusOK, "Your phone number is confirmed")
		if got := user(); got.Phone != number || got.PhoneProvenAt.IsZero() {
			t.Errorf("got %+v", got)
		}
	}
	if mails := ts.mailTo("ann@example.com"); len(mails) != 2 {
		t.Errorf("%d notifications", len(mails))
	}
	b.get(ts.url + "/account/phone?remove=1")
	b.press("remove-form", "remove", "current_password", goodPassword)
	b.wantPage(t, http.StatusOK, "Your phone number is removed")
	if got := user(); got.Phone != "" || !got.PhoneProvenAt.IsZero() {
		t.Errorf("got %+v", got)
	}
}

func TestCaptcha_ComesBeforeACode(t *testing.T) {
	t.Parallel()
	const key = "a-key-of-the-captcha"
	ts := newCodeServer(t, nil)
	ts.addNumberUser("ann", annNumber)
	ts.editDirectory(func(d *storage.Directory) {
		d.CaptchaURL = "https://captcha.example.com/check?site=1"
		d.CaptchaKey = must(ts.master.Seal([]byte(key), keys.CaptchaKeyBinding("default")))(t)
	})
	b := ts.newFormBrowser()
	b.get(ts.url + "/login/phone-code")
	to := b.press("send-form", "send", "phone_number", annNumber).callback
	if !strings.HasPrefix(to, "https://captcha.example.com/check?") {
		t.Fatalf("went to %q", to)
	}
	query := b.page.sent
	back := must(must(url.Parse(ts.url))(t).Parse(query.Get("return_to")))(t).String()
	b.get(back + "&proof=wrong")
	b.wantPage(t, http.StatusBadRequest, "check was not passed")
	if len(ts.codesTo(annNumber)) > 0 {
		t.Error("a code was sent without a proof")
	}
	b.get(back + "&proof=" + url.QueryEscape(outbound.Sign([]byte(key), []byte(query.Get("state")), ts.clock.Now())))
	b.typed(ts.code(annNumber))
	if !strings.HasSuffix(b.page.url, "/account") {
		t.Errorf("at %s", b.page.url)
	}
}
