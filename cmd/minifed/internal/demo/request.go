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

// request is one HTTP request of the demonstration, as data: the demonstration sends it, and prints it as a command that
// sends it again.
type request struct {
	method, url string
	// client authenticates by HTTP Basic; empty does not.
	client credentials
	// bearer is the access token that is shown; nil shows none.
	bearer value
	form   []parameter
	// kept is fetched once, and the request is sent twice with it wherever the form says keptValue; nil sends once.
	kept value
}

// parameter is one parameter of a form.
type parameter struct {
	name  string
	value value
}

// value is something in a request that may have to be fetched first, so that a request can be made at any time.
type value interface {
	// fetch returns the value.
	fetch(ctx context.Context, d *Demo) (string, error)
	// shell is what a POSIX shell makes the value of, within double quotes if it is not all literal; indent is where its
	// lines begin.
	shell(d *Demo, indent string) string
}

// text is a value that is known.
type text string

func (t text) fetch(context.Context, *Demo) (string, error) { return string(t), nil }

func (t text) shell(*Demo, string) string {
	if strings.ContainsAny(string(t), " {}\"&?*$") {
		return "'" + string(t) + "'"
	}
	return string(t)
}

// loginCode is a fresh code of wx.login.
type loginCode struct {
	app credentials
	// user is whose phone it is; newcomer is somebody whom nobody has seen before.
	user string
}

const newcomer = ""

func (l loginCode) fetch(ctx context.Context, d *Demo) (string, error) {
	user := l.user
	if user == newcomer {
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
	if user == newcomer {
		user = "guest-$(od -An -N4 -tx4 /dev/urandom | tr -d ' ')"
	}
	return `"$(` + login(d, l.app, user).shell(d, indent+"  ") + `)"`
}

// login is wx.login on a user's phone, which the simulator plays.
func login(d *Demo, app credentials, user string) request {
	return request{method: http.MethodPost, url: d.control + "/login?appid=" + string(app.app) + "&user=" + user}
}

// member is a member of another request's answer.
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
		return "", fmt.Errorf("answer is not JSON: %w", err)
	}
	found, ok := members[m.name].(string)
	if !ok {
		return "", fmt.Errorf("answer has no %s: %s", m.name, body)
	}
	return found, nil
}

func (m member) shell(d *Demo, indent string) string {
	return `"$(` + m.of.shell(d, indent+"  ") + ` |` + "\n" +
		indent + `  sed 's/.*"` + m.name + `":"\([^"]*\)".*/\1/')"`
}

// keptValue stands for what a request keeps.
type keptValue struct{}

func (keptValue) fetch(context.Context, *Demo) (string, error) {
	return "", errors.New("nothing was kept")
}

func (keptValue) shell(*Demo, string) string { return `"$kept"` }

// keeping is the request with a text in place of keptValue.
func (r request) keeping(kept string) request {
	r.kept, r.form = nil, slices.Clone(r.form)
	for i, p := range r.form {
		if p.value == (keptValue{}) {
			r.form[i].value = text(kept)
		}
	}
	return r
}

// send sends the request and returns the answer, whatever its status: one behind the other, if it is sent twice.
func (r request) send(ctx context.Context, d *Demo) (status int, body []byte, err error) {
	if r.kept == nil {
		return r.sendOnce(ctx, d)
	}
	kept, err := r.kept.fetch(ctx, d)
	if err != nil {
		return 0, nil, err
	}
	_, first, err := r.keeping(kept).sendOnce(ctx, d)
	if err != nil {
		return 0, nil, err
	}
	status, again, err := r.keeping(kept).sendOnce(ctx, d)
	return status, append(first, again...), err
}

// maxAnswer bounds the answer that is read, in bytes.
const maxAnswer = 1 << 20

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
	answer, err := d.http.Do(sent)
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()
	body, err = io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	return answer.StatusCode, body, err
}

// shell is the request as a command for a POSIX shell; indent is where its further lines begin.
func (r request) shell(d *Demo, indent string) string {
	if r.kept == nil {
		return r.curl(d, indent)
	}
	return "kept=" + r.kept.shell(d, indent) + "\n" +
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

// quoteURL quotes what a shell would take apart. A command inside a URL is left to work.
func quoteURL(raw string) string {
	if strings.Contains(raw, "$") {
		return `"` + raw + `"`
	}
	if strings.ContainsAny(raw, "?&") {
		return "'" + raw + "'"
	}
	return raw
}
