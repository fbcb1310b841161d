package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// request is an HTTP request of the demonstration. The demonstration sends it, and prints it as a command that sends it again.
type request struct {
	method, url string
	// client authenticates with HTTP Basic; empty is no authentication.
	client credentials
	// bearer is the access token of the request; nil is none.
	bearer value
	form   []parameter
	// reused is fetched once and replaces reusedValue in the form, and the request is sent twice; nil sends it once.
	reused value
}

// parameter is one parameter of a form.
type parameter struct {
	name  string
	value value
}

// value is a value of a request. It may have to be fetched first, so that the request works at any time.
type value interface {
	// fetch returns the value.
	fetch(ctx context.Context, d *Demo) (string, error)
	// shell returns the value as a POSIX shell reads it, in double quotes unless it is literal. indent is the indentation of its lines.
	shell(d *Demo, indent string) string
}

// text is a known value.
type text string

func (t text) fetch(context.Context, *Demo) (string, error) { return string(t), nil }

func (t text) shell(*Demo, string) string {
	if strings.ContainsAny(string(t), " {}\"&?*$") {
		return "'" + string(t) + "'"
	}
	return string(t)
}

// loginCode is a new code of wx.login.
type loginCode struct {
	app credentials
	// user is the user of the phone; unknownUser is a new one.
	user string
}

// unknownUser is a user who has no account yet.
const unknownUser = ""

func (l loginCode) fetch(ctx context.Context, d *Demo) (string, error) {
	user := l.user
	if user == unknownUser {
		raw := make([]byte, 4)
		if _, err := io.ReadFull(d.Random, raw); err != nil {
			return "", err
		}
		user = fmt.Sprintf("guest-%x", raw)
	}
	_, body, err := login(d, l.app, user).send(ctx, d)
	return string(body), err
}

func (l loginCode) shell(d *Demo, indent string) string {
	user := l.user
	if user == unknownUser {
		user = "guest-$(od -An -N4 -tx4 /dev/urandom | tr -d ' ')"
	}
	return `"$(` + login(d, l.app, user).shell(d, indent+"  ") + `)"`
}

// login is wx.login on a user's phone, which the simulator simulates.
func login(d *Demo, app credentials, user string) request {
	return request{method: http.MethodPost, url: d.control + "/login?appid=" + string(app.app) + "&user=" + user}
}

// member is a member of the response of another request.
type member struct {
	of   request
	name string
}

func (m member) fetch(ctx context.Context, d *Demo) (string, error) {
	_, body, err := m.of.send(ctx, d)
	if err != nil {
		return "", err
	}
	members := map[string]any{}
	if err := json.Unmarshal(body, &members); err != nil {
		return "", fmt.Errorf("the response is not JSON: %w", err)
	}
	found, ok := members[m.name].(string)
	if !ok {
		return "", fmt.Errorf("the response has no %s: %s", m.name, body)
	}
	return found, nil
}

func (m member) shell(d *Demo, indent string) string {
	return `"$(` + m.of.shell(d, indent+"  ") + ` |` + "\n" +
		indent + `  sed 's/.*"` + m.name + `":"\([^"]*\)".*/\1/')"`
}

// reusedValue stands for the value that a request reuses.
type reusedValue struct{}

func (reusedValue) fetch(context.Context, *Demo) (string, error) {
	return "", errors.New("there is no value to reuse")
}

func (reusedValue) shell(*Demo, string) string { return `"$code"` }

// with returns the request with a text in place of reusedValue.
func (r request) with(reused string) request {
	r.reused, r.form = nil, slices.Clone(r.form)
	for i, p := range r.form {
		if p.value == (reusedValue{}) {
			r.form[i].value = text(reused)
		}
	}
	return r
}

// send sends the request and returns the response with any status. If it is sent twice, the two bodies follow each other.
func (r request) send(ctx context.Context, d *Demo) (status int, body []byte, err error) {
	if r.reused == nil {
		return r.sendOnce(ctx, d)
	}
	reused, err := r.reused.fetch(ctx, d)
	if err != nil {
		return 0, nil, err
	}
	_, first, err := r.with(reused).sendOnce(ctx, d)
	if err != nil {
		return 0, nil, err
	}
	status, again, err := r.with(reused).sendOnce(ctx, d)
	return status, append(first, again...), err
}

// maxResponse is the maximum size of a response, in bytes.
const maxResponse = 1 << 20

func (r request) sendOnce(ctx context.Context, d *Demo) (status int, body []byte, err error) {
	form := url.Values{}
	for _, p := range r.form {
		value, err := p.value.fetch(ctx, d)
		if err != nil {
			return 0, nil, err
		}
		form.Set(p.name, value)
	}
	sent, err := http.NewRequestWithContext(ctx, r.method, r.url, bytes.NewReader([]byte(form.Encode())))
	if err != nil {
		return 0, nil, err
	}
	if len(form) > 0 {
		sent.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if r.client.id != "" {
		sent.SetBasicAuth(url.QueryEscape(r.client.id), url.QueryEscape(r.client.secret))
	}
	if r.bearer != nil {
		token, err := r.bearer.fetch(ctx, d)
		if err != nil {
			return 0, nil, err
		}
		sent.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := d.http.Do(sent)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	body, err = io.ReadAll(io.LimitReader(response.Body, maxResponse))
	return response.StatusCode, body, err
}

// shell returns the request as a command of a POSIX shell. indent is the indentation of its further lines.
func (r request) shell(d *Demo, indent string) string {
	if r.reused == nil {
		return r.curl(d, indent)
	}
	return "code=" + r.reused.shell(d, indent) + "\n" +
		indent + "for attempt in first again; do\n" +
		indent + "  " + r.curl(d, indent+"  ") + "\n" +
		indent + "done"
}

func (r request) curl(d *Demo, indent string) string {
	command := []string{"curl -sS --noproxy '*'"}
	if r.method == http.MethodPost && len(r.form) == 0 {
		command = append(command, "-X POST")
	}
	if r.client.id != "" {
		command = append(command, "-u "+r.client.id+":"+r.client.secret)
	}
	command = append(command, quoteURL(r.url))
	lines := []string{strings.Join(command, " ")}
	if r.bearer != nil {
		token := strings.TrimPrefix(r.bearer.shell(d, indent+"  "), `"`)
		lines = append(lines, `-H "Authorization: Bearer `+token)
	}
	for _, p := range r.form {
		flag := "-d "
		if literal, ok := p.value.(text); ok && strings.ContainsAny(string(literal), " {}&+") {
			flag = "--data-urlencode "
		}
		lines = append(lines, flag+p.name+"="+p.value.shell(d, indent+"  "))
	}
	return strings.Join(lines, " \\\n"+indent+"  ")
}

// quoteURL quotes a URL for a shell. A command in a URL still works.
func quoteURL(raw string) string {
	if strings.Contains(raw, "$") {
		return `"` + raw + `"`
	}
	if strings.ContainsAny(raw, "?&") {
		return "'" + raw + "'"
	}
	return raw
}
