package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"

	"golang.org/x/oauth2"

	"github.com/minifed/minifed/cmd/minifed/internal/console"
	"github.com/minifed/minifed/cmd/minifed/internal/demopage"
	"github.com/minifed/minifed/cmd/minifed/internal/locale"
)

// walk does without a screen what a person does on the page: the servers are the same.
type walk struct {
	demo *Demo
	// http has the cookie of the page.
	http            *http.Client
	computer, phone *demopage.Browser
	// scene is the last code that the phone opened, and number what the computer shows then.
	scene, number string
	// waiting is the request of the app that waits in the computer's browser.
	waiting *authorization
}

// authorization is an authorization request of an app.
type authorization struct {
	config   *oauth2.Config
	client   string
	verifier string
}

// act is one step of the walk.
type act struct {
	// title and why are keys of texts.
	title, why locale.Key
	do         func(ctx context.Context) ([]console.Field, error)
}

// newWalk opens the page, and two browsers without cookies of the provider.
func (d *Demo) newWalk(ctx context.Context) (*walk, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	w := &walk{demo: d, http: &http.Client{Jar: jar, Timeout: timeout, Transport: &http.Transport{}}}
	if _, err := w.send(ctx, http.MethodGet, "?lang="+d.Texts.Tag(), nil); err != nil {
		return nil, err
	}
	page, err := url.Parse(d.page)
	if err != nil {
		return nil, err
	}
	for _, browser := range []**demopage.Browser{&w.computer, &w.phone} {
		if *browser, err = demopage.NewBrowser(http.Header{"User-Agent": {walkAgent}, "Accept-Language": {d.Texts.Tag()}}); err != nil {
			return nil, err
		}
		(*browser).SetCookies(page, jar.Cookies(page)...)
	}
	return w, nil
}

// walkAgent is the User-Agent of the computer's browser.
const walkAgent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

func (w *walk) close() {
	w.http.CloseIdleConnections()
	w.computer.Close()
	w.phone.Close()
}

// acts are the steps, which depend on each other.
func (w *walk) acts() []act {
	return []act{
		{"demo.step.phone", "demo.step.phone.why", w.signInOnPhone},
		{"demo.step.asks", "demo.step.asks.why", w.showCode},
		{"demo.step.scan", "demo.step.scan.why", w.scan},
		{"demo.step.number", "demo.step.number.why", w.approve},
		{"demo.step.second", "demo.step.second.why", w.signOn},
		{"demo.step.link", "demo.step.link.why", w.link},
		{"demo.step.forward", "demo.step.forward.why", w.forward},
		{"demo.step.again", "demo.step.again.why", w.scanAgain},
	}
}

// send sends JSON to the page and returns the response.
func (w *walk) send(ctx context.Context, method, path string, body any) (map[string]any, error) {
	content, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, method, w.demo.page+path, bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	response, err := w.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(response.Body, maxResponse))
	if err != nil {
		return nil, err
	}
	object := map[string]any{}
	_ = json.Unmarshal(raw, &object) // Not all responses have JSON.
	if reason, _ := object["reason"].(string); reason != "" {
		return object, rejectedError{reason}
	}
	if response.StatusCode >= http.StatusBadRequest {
		return object, fmt.Errorf("%s %s%s: HTTP %d %s", method, w.demo.page, path, response.StatusCode, raw)
	}
	return object, nil
}

func (w *walk) post(ctx context.Context, path string, body map[string]any) (map[string]any, error) {
	return w.send(ctx, http.MethodPost, path, body)
}

// rejectedError is an error of minifed with a reason.
type rejectedError struct{ reason string }

// Error implements error.
func (e rejectedError) Error() string { return "rejected: " + e.reason }

// wantRejected returns the reason if err is a rejection with that reason.
func wantRejected(err error, reason string) error {
	if errors.Is(err, rejectedError{reason}) {
		return nil
	}
	return fmt.Errorf("this must be rejected with the reason %s, and the result is: %w", reason, err)
}

// confirm sends a request of the mini-program to its backend, with a fresh code of wx.login.
func (w *walk) confirm(ctx context.Context, path string, body map[string]any) (map[string]any, error) {
	login, err := w.post(ctx, "phone/login", nil)
	if err != nil {
		return nil, err
	}
	body["code"] = login["code"]
	response, err := w.post(ctx, path, body)
	if err != nil {
		return nil, err
	}
	profile, _ := response["profile"].(map[string]any)
	return response, w.demo.checkSubject(fmt.Sprint(profile["sub"]))
}

func (w *walk) signInOnPhone(ctx context.Context) ([]console.Field, error) {
	_, err := w.confirm(ctx, "auth/login", map[string]any{})
	return []console.Field{{Name: "sub", Value: w.demo.results.subject}}, err
}

// ask lets a browser open an app, which asks minifed who the person is.
func (w *walk) ask(ctx context.Context, browser *demopage.Browser, app demopage.App, origin string) (*authorization, error) {
	asked := &authorization{w.demo.site.OAuth(app, origin+demopage.CallbackPath), app.ClientID, oauth2.GenerateVerifier()}
	return asked, browser.Open(ctx, asked.config.AuthCodeURL("state", oauth2.S256ChallengeOption(asked.verifier)))
}

// finish exchanges the code that the browser brought to the app, and verifies the ID token.
func (w *walk) finish(ctx context.Context, browser *demopage.Browser, asked *authorization) ([]console.Field, error) {
	if browser.Arrived == nil {
		return nil, fmt.Errorf("the browser is not back at the app: %s", browser.Content("", "main"))
	}
	tokens, err := asked.config.Exchange(context.WithValue(ctx, oauth2.HTTPClient, w.http), browser.Arrived.Query().Get("code"), oauth2.VerifierOption(asked.verifier))
	if err != nil {
		return nil, err
	}
	idToken, _ := tokens.Extra("id_token").(string)
	claims, err := w.demo.verify(ctx, idToken, credentials{id: asked.client})
	if err != nil {
		return nil, err
	}
	subject := fmt.Sprint(claims["sub"])
	return []console.Field{
		{Name: "aud", Value: showClaim("aud", claims["aud"])},
		{Name: "amr", Value: showClaim("amr", claims["amr"])},
		{Name: "sub", Value: subject},
	}, w.demo.checkSubject(subject)
}

// showCode shows a code in the computer's browser.
func (w *walk) showCode(ctx context.Context) ([]console.Field, error) {
	app := w.demo.site.Apps[0]
	asked, err := w.ask(ctx, w.computer, app, app.Origin)
	if err != nil {
		return nil, err
	}
	w.waiting = asked
	if err := w.computer.Submit(ctx, "scan-form", nil); err != nil {
		return nil, err
	}
	picture, err := w.computer.Picture(ctx)
	return []console.Field{
		{Name: w.demo.say("demo.field.app"), Value: app.Name + " at " + app.Origin},
		{Name: w.demo.say("demo.field.page"), Value: w.computer.Content("", "h1")},
		{Name: w.demo.say("demo.field.picture"), Value: w.demo.say("demo.bytes", len(picture))},
	}, err
}

// open opens the sign-in of a picture in the mini-program.
func (w *walk) open(ctx context.Context, from string) (map[string]any, error) {
	opened, err := w.post(ctx, "phone/scan", map[string]any{"from": from})
	if err != nil {
		return nil, err
	}
	w.scene, _ = opened["scene"].(string)
	return w.post(ctx, "auth/scan", map[string]any{"action": "seen", "scene": w.scene})
}

func (w *walk) scan(ctx context.Context) ([]console.Field, error) {
	seen, err := w.open(ctx, "camera")
	if err != nil {
		return nil, err
	}
	if err := w.computer.Reload(ctx); err != nil {
		return nil, err
	}
	w.number = w.computer.Content("number", "")
	if len(w.number) != 2 {
		return nil, fmt.Errorf("the computer shows no number: %s", w.computer.Content("", "main"))
	}
	return append(w.whoAsks(seen), console.Field{Name: w.demo.say("demo.field.computer_shows"), Value: w.number}), nil
}

// whoAsks returns what the mini-program shows before the person confirms.
func (w *walk) whoAsks(seen map[string]any) []console.Field {
	client, _ := seen["client"].(map[string]any)
	shown := []console.Field{
		{Name: w.demo.say("demo.field.app"), Value: fmt.Sprint(client["name"])},
		{Name: w.demo.say("demo.field.browser"), Value: fmt.Sprintf("%s on %s", seen["browser"], seen["system"])},
		{Name: w.demo.say("demo.field.country"), Value: fmt.Sprint(seen["place"])},
	}
	if seen["differs"] == true {
		shown = append(shown, console.Field{Name: w.demo.say("demo.field.warning"), Value: w.demo.say("demo.differs")})
	}
	return shown
}

func (w *walk) approve(ctx context.Context) ([]console.Field, error) {
	if _, err := w.confirm(ctx, "auth/scan", map[string]any{"action": "approve", "scene": w.scene, "number": w.number}); err != nil {
		return nil, err
	}
	if err := w.computer.Reload(ctx); err != nil {
		return nil, err
	}
	return w.finish(ctx, w.computer, w.waiting)
}

func (w *walk) signOn(ctx context.Context) ([]console.Field, error) {
	app := w.demo.site.Apps[1]
	asked, err := w.ask(ctx, w.computer, app, app.Origin)
	if err != nil {
		return nil, err
	}
	return w.finish(ctx, w.computer, asked)
}

func (w *walk) link(ctx context.Context) ([]console.Field, error) {
	asked, err := w.ask(ctx, w.phone, w.demo.site.Apps[0], w.demo.site.PhoneOrigin)
	if err != nil {
		return nil, err
	}
	if err := w.phone.Submit(ctx, "link-form", nil); err != nil {
		return nil, err
	}
	opened, err := w.post(ctx, "phone/open", map[string]any{"link": demopage.WeChatLink(w.phone.Link("open"))})
	if err != nil {
		return nil, err
	}
	if _, err := w.post(ctx, "auth/scan", map[string]any{"action": "seen", "scene": opened["scene"]}); err != nil {
		return nil, err
	}
	approved, err := w.confirm(ctx, "auth/scan", map[string]any{"action": "approve", "scene": opened["scene"]})
	if err != nil {
		return nil, err
	}
	scan, _ := approved["scan"].(map[string]any)
	digits, _ := scan["digits"].(string)
	if err := w.phone.Submit(ctx, "digits-form", url.Values{"digits": {digits}}); err != nil {
		return nil, err
	}
	shown, err := w.finish(ctx, w.phone, asked)
	return append([]console.Field{{Name: w.demo.say("demo.field.wechat_shows"), Value: digits}}, shown...), err
}

// forward lets an attacker send the picture of the attacker's own browser. Alice guesses 00, which is never shown.
func (w *walk) forward(ctx context.Context) ([]console.Field, error) {
	if _, err := w.post(ctx, "attack/forward", nil); err != nil {
		return nil, err
	}
	seen, err := w.open(ctx, "message")
	if err != nil {
		return nil, err
	}
	_, err = w.confirm(ctx, "auth/scan", map[string]any{"action": "approve", "scene": w.scene, "number": "00", "confirmed": true})
	if err := wantRejected(err, "number_wrong"); err != nil {
		return nil, err
	}
	attacker, err := w.post(ctx, "attack/look", nil)
	if err != nil || attacker["signed_in"] != false {
		return nil, fmt.Errorf("the attacker's browser: %v %w", attacker, err)
	}
	return append(w.whoAsks(seen), console.Field{Name: "reason", Value: "number_wrong"},
		console.Field{Name: w.demo.say("demo.field.attacker_sees"), Value: fmt.Sprint(attacker["alert"])}), nil
}

func (w *walk) scanAgain(ctx context.Context) ([]console.Field, error) {
	_, err := w.open(ctx, "album")
	if err := wantRejected(err, "scene_used"); err != nil {
		return nil, err
	}
	if _, err := w.post(ctx, "phone/person", map[string]any{"person": "bob"}); err != nil {
		return nil, err
	}
	_, err = w.open(ctx, "album")
	return []console.Field{{Name: w.demo.say("demo.field.reason_alice"), Value: "scene_used"}, {Name: w.demo.say("demo.field.reason_bob"), Value: "scene_used"}}, wantRejected(err, "scene_used")
}

// runWalk runs the steps of the walk, numbered after those before.
func (d *Demo) runWalk(ctx context.Context, before int) (int, error) {
	w, err := d.newWalk(ctx)
	if err != nil {
		return before, err
	}
	defer w.close()
	d.Printf("%s\n%s\n\n", d.Strong(d.say("demo.walk")), d.Faint("   "+d.say("demo.walk.page", d.page)))
	for i, each := range w.acts() {
		number := before + i + 1
		d.Printf("%s\n%s\n\n", d.Strong(fmt.Sprintf("%d. %s", number, d.say(each.title))), d.Faint(indent(d.say(each.why), "   ")))
		shown, err := each.do(ctx)
		if err != nil {
			d.Printf("   %s %v\n\n", d.Bad("✗"), err)
			return number, fmt.Errorf("step %d failed: %s: %w", number, d.say(each.title), err)
		}
		d.Printf("   %s\n", d.Good("✓"))
		d.printResponse(shown)
		if d.Unread != nil {
			return number, fmt.Errorf("the output of the demonstration cannot be written: %w", d.Unread)
		}
	}
	return before + len(w.acts()), nil
}
