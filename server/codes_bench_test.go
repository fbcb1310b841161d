package server_test

import (
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/audit/audittest"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server"
	"github.com/minifed/minifed/storage"
)

// codeBench is a server in memory whose user "ann" signs in by codes, with what it has sent.
type codeBench struct {
	*benchServer
	phone   phoneInbox
	mailbox mailbox
	user    string
	// csrfField finds the token of a form, and sentCode a code in a message.
	csrfField, sentCode *regexp.Regexp
}

func newCodeBench(bench *testing.B) *codeBench {
	bench.Helper()
	b := &codeBench{csrfField: regexp.MustCompile(`name="csrf" value="([^"]+)"`), sentCode: regexp.MustCompile(`(?m)\b\d{6}$`)}
	b.benchServer = newBenchServer(bench, func(c *server.Config) { c.SMSWriter, c.Mailer = &b.phone, &b.mailbox })
	entry := must(storage.Get[storage.Directory](b.Context(), b.engine, "default"))(bench)
	next := entry.Record
	next.SignInMethods, next.SMS.Provider = []string{storage.SignInPhoneCode, storage.SignInEmailCode}, storage.SMSLog
	must(entry.Replace(b.Context(), b.engine, next))(bench)
	b.ahead.Add(int64(time.Minute))
	people := must(identity.New(identity.Config{
		Engine: b.engine, Audit: audittest.New(bench, b.engine, time.Now), Now: b.now, Rand: rand.Reader, Logger: slog.New(slog.DiscardHandler), Argon2: cheapArgon2(),
	}))(bench)
	ann := must(people.Create(b.Context(), "default", identity.Account{Username: "ann", Password: goodPassword}, identity.System))(bench).Record
	must(people.ProvePhone(b.Context(), "default", ann.ID, annNumber, identity.Self(ann.ID)))(bench)
	must(people.SetEmail(b.Context(), "default", ann.ID, "ann@example.com", identity.System))(bench)
	b.user = ann.ID
	return b
}

// RoundTrip implements http.RoundTripper by a call of the server.
func (b *codeBench) RoundTrip(r *http.Request) (*http.Response, error) {
	received := httptest.NewRequestWithContext(r.Context(), r.Method, r.URL.String(), r.Body)
	received.Header = r.Header
	if r.Method == http.MethodPost {
		received.Header.Set("Origin", benchURL)
	}
	answer := httptest.NewRecorder()
	b.server.ServeHTTP(answer, received)
	response := answer.Result()
	response.Request = r
	return response, nil
}

// signIn signs ann in by a code, in a browser that is new, and returns 200.
func (b *codeBench) signIn(path, field, address string) int {
	b.Helper()
	b.ahead.Add(int64(3 * time.Hour)) // The limits of an address are 5 codes an hour and 10 a day.
	browser := &http.Client{Transport: b, Jar: must(cookiejar.New(nil))(b.TB), CheckRedirect: func(next *http.Request, _ []*http.Request) error {
		if next.URL.Path == "/account" {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	page := b.read(must(browser.Get(benchURL + path))(b.TB))
	page = b.read(must(browser.PostForm(benchURL+path, url.Values{field: {address}, "csrf": {page.csrf}}))(b.TB))
	b.server.Wait()
	end := b.read(must(browser.PostForm(page.url, url.Values{"code": {b.sent()}, "csrf": {page.csrf}}))(b.TB))
	if !strings.HasSuffix(end.next, "/account") {
		b.Fatalf("it does not sign in: %s\n%s", end.url, end.text)
	}
	return http.StatusOK
}

// benchPage is a page of a benchmark: where it is, where it goes on to, its text, and the token of its form.
type benchPage struct{ url, next, text, csrf string }

func (b *codeBench) read(response *http.Response) benchPage {
	b.Helper()
	page := benchPage{url: response.Request.URL.String(), next: response.Header.Get("Location") + response.Header.Get("Refresh"), text: string(must(io.ReadAll(response.Body))(b.TB))}
	if found := b.csrfField.FindStringSubmatch(page.text); found != nil {
		page.csrf = found[1]
	}
	return page
}

// sent returns the code that was sent, and empties both inboxes.
func (b *codeBench) sent() string {
	b.phone.mu.Lock()
	text := b.phone.text.String()
	b.phone.text.Reset()
	b.phone.mu.Unlock()
	b.mailbox.mu.Lock()
	for _, message := range b.mailbox.mails {
		if !isNewBrowser(message) {
			text += message.Text
		}
	}
	b.mailbox.mails = nil
	b.mailbox.mu.Unlock()
	return b.sentCode.FindString(text)
}

// BenchmarkCodes measures a sign-in by a code: the page of the address, the page of the code, and the session, with the sending of
// the message and without the network. Its floor is HTTP handlers that parse both forms, read three records and write three.
func BenchmarkCodes(bench *testing.B) {
	for _, row := range []struct{ name, path, field, address string }{
		{"phone", "/login/phone-code", "phone_number", annNumber},
		{"email", "/login/email-code", "email", "ann@example.com"},
	} {
		bench.Run(row.name, func(bench *testing.B) {
			b := newCodeBench(bench)
			bare := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				check(bench, r.ParseForm())
				entry := must(storage.Get[storage.User](r.Context(), b.engine, storage.Key("default", b.user)))(bench)
				must(entry.Replace(r.Context(), b.engine, entry.Record))(bench)
				w.WriteHeader(http.StatusSeeOther)
			})
			floor := func() {
				for _, form := range []string{"", row.field + "=" + url.QueryEscape(row.address), "code=123456"} {
					request := httptest.NewRequest(http.MethodPost, benchURL+row.path, strings.NewReader(form))
					request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
					bare.ServeHTTP(httptest.NewRecorder(), request)
				}
			}
			b.reportWithFloor(bench, floor, func() int { return b.signIn(row.path, row.field, row.address) })
		})
	}
}
