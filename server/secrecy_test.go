package server_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
)

// secretLeakChecker reads every request and response of a test server and of WeChat, and collects the secrets. When a test
// ends, its log must contain none: so every tested flow is searched, also after failures.
type secretLeakChecker struct {
	mu      sync.Mutex
	secrets map[string]string // the description by value; guarded by mu
}

// secretNames returns the names of parameters, members and query parameters whose values must not be in a log.
func secretNames() []string {
	return []string{
		"code", "subject_token", "phone_code", "refresh_token", "access_token", "token", "bind_ticket", "id_token", "id_token_hint",
		"client_secret", "client_assertion", "code_verifier", "link_secret", "password", "new_password", "current_password", "email", "phone_number",
		"logout_token", "csrf", "proof", "interaction", "request_uri", "js_code", "secret", "openid", "unionid", "session_key", "phoneNumber", "purePhoneNumber",
	}
}

// shortestSecret is the least length of a value that is searched for: tests send "x" where any text will do.
const shortestSecret = 8

func (c *secretLeakChecker) add(what, value string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(value) >= shortestSecret && len(value) < 64<<10 {
		c.secrets[value] = what
	}
}

func (c *secretLeakChecker) addForm(where string, form url.Values) {
	for _, name := range secretNames() {
		for _, value := range form[name] {
			c.add(where+" "+name, value)
		}
	}
}

func (c *secretLeakChecker) addJSON(where string, value any) {
	switch value := value.(type) {
	case map[string]any:
		for name, member := range value {
			if text, ok := member.(string); ok && slices.Contains(secretNames(), name) {
				c.add(where+" "+name, text)
			}
			c.addJSON(where, member)
		}
	case []any:
		for _, member := range value {
			c.addJSON(where, member)
		}
	}
}

// wrap returns a handler that records the requests and responses of another one.
func (c *secretLeakChecker) wrap(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request, answer := &bytes.Buffer{}, &recordedResponse{ResponseWriter: w}
		r.Body = struct {
			io.Reader
			io.Closer
		}{io.TeeReader(r.Body, request), r.Body}
		defer func() { // Also when the handler panics.
			c.addRequest(r, request.Bytes())
			c.addResponse(answer)
		}()
		handler.ServeHTTP(answer, r)
	})
}

// recordedResponse stores a copy of the body of a response.
type recordedResponse struct {
	http.ResponseWriter
	body bytes.Buffer
}

func (o *recordedResponse) Write(p []byte) (int, error) {
	o.body.Write(p)
	return o.ResponseWriter.Write(p)
}

func (o *recordedResponse) Unwrap() http.ResponseWriter { return o.ResponseWriter }

func (c *secretLeakChecker) addRequest(r *http.Request, body []byte) {
	where := r.Method + " " + r.URL.Path
	c.addForm(where, r.URL.Query())
	c.addBody(where, body)
	if _, secret, ok := r.BasicAuth(); ok {
		c.add(where+" client secret", secret)
	}
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		c.add(where+" bearer token", token)
	}
	for _, cookie := range r.Cookies() {
		c.add(where+" cookie "+cookie.Name, cookie.Value)
	}
}

func (c *secretLeakChecker) addResponse(answer *recordedResponse) {
	c.addBody("answered", answer.body.Bytes())
	if next, err := url.Parse(answer.Header().Get("Location")); err == nil {
		c.addForm("redirect", next.Query())
	}
	for _, line := range answer.Header().Values("Set-Cookie") {
		if cookie, err := http.ParseSetCookie(line); err == nil {
			c.add("cookie "+cookie.Name, cookie.Value)
		}
	}
}

// addBody reads JSON, or else a form.
func (c *secretLeakChecker) addBody(where string, body []byte) {
	var value any
	if json.Unmarshal(body, &value) == nil {
		c.addJSON(where, value)
		return
	}
	if form, err := url.ParseQuery(string(body)); err == nil {
		c.addForm(where, form)
	}
}

// leaks returns which secrets a text contains, and in which encoding.
func (c *secretLeakChecker) leaks(text string) (found []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for secret, what := range c.secrets {
		for _, spelling := range spellings(secret) {
			if strings.Contains(text, spelling) {
				found = append(found, what+": "+spelling)
			}
		}
	}
	slices.Sort(found)
	return found
}

// spellings returns a secret plain, percent-encoded, in hex, and in base64 at each offset.
func spellings(secret string) []string {
	all := []string{secret, url.QueryEscape(secret), url.PathEscape(secret), hex.EncodeToString([]byte(secret))}
	for offset := range 3 {
		for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			// Preceding bytes shift the bits, and following bytes change the last characters.
			encoded := encoding.EncodeToString(append(make([]byte, offset), secret...))
			all = append(all, encoded[(offset*8+5)/6:len(encoded)-2])
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func TestSecretLeakChecker_FindsEverySpelling(t *testing.T) {
	c := &secretLeakChecker{secrets: map[string]string{}}
	var logged bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&logged, nil))
	handler := c.wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "cookie-1234567"})
		w.Header().Set("Location", "https://rp.example/?code=code-in-redirect")
		_, _ = io.WriteString(w, `{"nested":[{"refresh_token":"refresh-1234567"}]}`)
		panic(errors.New("it happens"))
	}))
	request := httptest.NewRequest(http.MethodPost, "/x?id_token_hint=hint-1234567", strings.NewReader("code=code+1234567/&state=no-secret"))
	request.SetBasicAuth("client", "secret-1234567")
	func() {
		defer func() { _ = recover() }()
		handler.ServeHTTP(httptest.NewRecorder(), request)
	}()
	for _, secret := range []string{"cookie-1234567", "code-in-redirect", "refresh-1234567", "hint-1234567", "code 1234567/", "secret-1234567"} {
		for _, spelt := range []string{secret, url.QueryEscape(secret), base64.StdEncoding.EncodeToString([]byte("id:" + secret + "!"))} {
			logged.Reset()
			log.Info("said", "what", spelt)
			if c.leaks(logged.String()) == nil {
				t.Errorf("%s was not found in %s", secret, logged.String())
			}
		}
	}
	if found := c.leaks("state=no-secret"); found != nil {
		t.Errorf("found %v", found)
	}
}
