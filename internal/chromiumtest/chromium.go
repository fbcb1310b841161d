package chromiumtest

import (
	"bufio"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// Browser is a headless Chromium that the tests control by the DevTools protocol over a pipe.
type Browser struct {
	*testing.T
	commands *os.File

	mu      sync.Mutex
	last    int
	answers map[int]chan message
	tabs    map[string]*Tab
}

type message struct {
	ID        int             `json:"id"`
	SessionID string          `json:"sessionId"`
	Method    string          `json:"method"`
	Params    json.RawMessage `json:"params"`
	Result    json.RawMessage `json:"result"`
	Error     *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// Tab is one tab. Its events report that something was loaded or blocked.
type Tab struct {
	*Browser
	session string
	events  chan message
}

// chromiumTimeout is after how long a test fails. A working test does not reach it.
const chromiumTimeout = 2 * time.Minute

// Start starts the browser with further switches, and ends it with the test.
func Start(t *testing.T, switches ...string) *Browser {
	t.Helper()
	path, err := exec.LookPath(cmp.Or(os.Getenv("CHROMIUM"), "chromium"))
	if err != nil {
		t.Fatalf("the test needs Chromium (Debian: apt-get install chromium): %v", err)
	}
	theirs, commands, err := os.Pipe()
	check(t, err)
	events, back, err := os.Pipe()
	check(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	switches = append(switches, "--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--no-first-run",
		"--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--lang=en-US",
		"--user-data-dir="+t.TempDir(), "about:blank")
	command := exec.CommandContext(ctx, path, switches...) //nolint:gosec // The test's environment names it.
	command.ExtraFiles = []*os.File{theirs, back}
	check(t, command.Start())
	_, _ = theirs.Close(), back.Close()
	c := &Browser{T: t, commands: commands, answers: map[int]chan message{}, tabs: map[string]*Tab{}}
	read := make(chan struct{})
	go func() {
		defer close(read)
		c.read(bufio.NewReader(events))
	}()
	t.Cleanup(func() {
		c.call("", "Browser.close", nil)
		_ = command.Wait()
		cancel()
		<-read
		_, _ = commands.Close(), events.Close()
	})
	return c
}

func (c *Browser) read(events *bufio.Reader) {
	for {
		text, err := events.ReadBytes(0)
		if err != nil {
			return
		}
		var message message
		if json.Unmarshal(text[:len(text)-1], &message) != nil {
			continue
		}
		c.mu.Lock()
		answer, tab := c.answers[message.ID], c.tabs[message.SessionID]
		delete(c.answers, message.ID)
		c.mu.Unlock()
		switch {
		case answer != nil:
			answer <- message
		case tab != nil && interesting(message.Method):
			tab.events <- message
		}
	}
}

func interesting(method string) bool {
	switch method {
	case "Page.loadEventFired", "Log.entryAdded", "Audits.issueAdded", "Network.loadingFailed", "Network.requestWillBeSent":
		return true
	default:
		return false
	}
}

// call sends a command of the DevTools protocol to the browser and returns its result. A command fails without a result when its page has closed.
func (c *Browser) call(session, method string, params map[string]any) json.RawMessage {
	c.Helper()
	c.mu.Lock()
	c.last++
	id, answer := c.last, make(chan message, 1)
	c.answers[id] = answer
	command := map[string]any{"id": id, "method": method, "params": params}
	if session != "" {
		command["sessionId"] = session
	}
	text, _ := json.Marshal(command)
	_, err := c.commands.Write(append(text, 0))
	c.mu.Unlock()
	check(c.T, err)
	select {
	case got := <-answer:
		if got.Error != nil {
			return nil
		}
		return got.Result
	case <-time.After(chromiumTimeout):
		c.Errorf("no response to %s", method)
		return nil
	}
}

func (c *Browser) text(session, method, member string, params map[string]any) string {
	c.Helper()
	var result map[string]any
	_ = json.Unmarshal(c.call(session, method, params), &result)
	text, _ := result[member].(string)
	return text
}

// Profile creates a profile: it shares no cookie with others.
func (c *Browser) Profile() string {
	return c.text("", "Target.createBrowserContext", "browserContextId", map[string]any{"disposeOnDetach": true})
}

// Open opens a tab of a profile.
func (c *Browser) Open(profile, address string) *Tab {
	c.Helper()
	target := c.text("", "Target.createTarget", "targetId", map[string]any{"url": "about:blank", "browserContextId": profile})
	t := &Tab{Browser: c, events: make(chan message, 1<<14)}
	t.session = c.text("", "Target.attachToTarget", "sessionId", map[string]any{"targetId": target, "flatten": true})
	c.mu.Lock()
	c.tabs[t.session] = t
	c.mu.Unlock()
	for _, domain := range []string{"Page", "Network", "Log", "Audits"} {
		c.call(t.session, domain+".enable", nil)
	}
	t.Navigate(address)
	return t
}

// Navigate opens an address.
func (t *Tab) Navigate(address string) {
	t.call(t.session, "Page.navigate", map[string]any{"url": address})
}

// Evaluate returns the value of an expression on the page.
func (t *Tab) Evaluate(expression string) string {
	var result struct {
		Result struct {
			Value any `json:"value"`
		} `json:"result"`
	}
	_ = json.Unmarshal(t.call(t.session, "Runtime.evaluate", map[string]any{"expression": "String(" + expression + ")"}), &result)
	text, _ := result.Result.Value.(string)
	return text
}

// Wait waits until a page is loaded that has an element.
func (t *Tab) Wait(selector string) {
	t.Helper()
	t.waitForEvent("a page with "+selector, func(*message) bool {
		return t.Evaluate(`document.readyState === "complete" && document.querySelector(`+quoted(selector)+`) !== null`) == "true"
	})
}

// waitForEvent waits for an event. A form that the policy of its page blocks fails the test.
func (t *Tab) waitForEvent(what string, reached func(event *message) bool) {
	t.Helper()
	if reached(nil) {
		return
	}
	patience := time.After(chromiumTimeout)
	for {
		select {
		case event := <-t.events:
			if strings.Contains(string(event.Params), "form-action") {
				t.Fatalf("a policy blocked the form: %s", event.Params)
			}
			if reached(&event) {
				return
			}
		case <-patience:
			t.Fatalf("not reached: %s; at %s %.600s", what, t.Evaluate("location.href"), t.Evaluate("document.body.innerText"))
		}
	}
}

// WaitForURL waits until the browser is sent to a URL with the prefix.
func (t *Tab) WaitForURL(prefix string) string {
	t.Helper()
	var sent struct {
		Request struct {
			URL string `json:"url"`
		} `json:"request"`
	}
	t.waitForEvent("the address "+prefix, func(event *message) bool {
		return event != nil && event.Method == "Network.requestWillBeSent" && json.Unmarshal(event.Params, &sent) == nil &&
			strings.HasPrefix(sent.Request.URL, prefix)
	})
	return sent.Request.URL
}

// Fill fills in a field.
func (t *Tab) Fill(id, value string) {
	t.Evaluate(`document.getElementById(` + quoted(id) + `).value = ` + quoted(value))
}

// Press presses a button or follows a link.
func (t *Tab) Press(id string) { t.Evaluate(`document.getElementById(` + quoted(id) + `).click()`) }

// quoted returns a text as an expression of the page.
func quoted(text string) string {
	raw, _ := json.Marshal(text)
	return string(raw)
}

// Call sends a command of the DevTools protocol to the tab and returns its result.
func (t *Tab) Call(method string, params map[string]any) json.RawMessage {
	return t.call(t.session, method, params)
}

// Screen sets the size of the screen in pixels of CSS. A mobile one behaves as that of a phone.
func (t *Tab) Screen(width, height int, mobile bool) {
	t.Call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile})
}

// Dark chooses the dark or light colour scheme.
func (t *Tab) Dark(dark bool) {
	value := "light"
	if dark {
		value = "dark"
	}
	t.Call("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": value}}})
}

// Language sets the Accept-Language header.
func (t *Tab) Language(tag string) {
	t.Call("Network.setExtraHTTPHeaders", map[string]any{"headers": map[string]string{"Accept-Language": tag}})
}

// Passkeys gives the tab an authenticator that creates passkeys, and approves every use.
func (t *Tab) Passkeys() {
	t.Call("WebAuthn.enable", map[string]any{})
	t.Call("WebAuthn.addVirtualAuthenticator", map[string]any{"options": map[string]any{
		"protocol": "ctap2", "transport": "internal", "hasResidentKey": true, "hasUserVerification": true, "isUserVerified": true,
		"automaticPresenceSimulation": true,
	}})
}

// Picture returns the whole page as a PNG.
func (t *Tab) Picture() []byte {
	var result struct{ Data []byte }
	_ = json.Unmarshal(t.Call("Page.captureScreenshot", map[string]any{"captureBeyondViewport": true}), &result)
	return result.Data
}

// Image returns the image element with an ID as the page shows it, in PNG.
func (t *Tab) Image(id string) []byte {
	t.Helper()
	_, encoded, _ := strings.Cut(t.Evaluate(`(() => {
		const shown = document.getElementById(`+quoted(id)+`), canvas = document.createElement("canvas")
		canvas.width = shown.naturalWidth
		canvas.height = shown.naturalHeight
		canvas.getContext("2d").drawImage(shown, 0, 0)
		return canvas.toDataURL("image/png")
	})()`), ",")
	content, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(content) == 0 {
		t.Fatalf("the page shows no image %s: %v", id, err)
	}
	return content
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
