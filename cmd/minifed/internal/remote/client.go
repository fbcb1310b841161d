package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/server/admin/api"
	"github.com/minifed/minifed/storage"
)

// maxResponse bounds a response of the server.
const maxResponse = 32 << 20

// apiPath is the path of the admin API at a server.
const apiPath = "/admin/v1"

// TokenSource returns an access token of the admin API.
type TokenSource interface {
	Token(ctx context.Context) (string, error)
}

// Client calls the admin API of a server.
type Client struct {
	server string
	http   *http.Client
	tokens TokenSource

	mu sync.Mutex
	// issuers are the issuers of the directories that were read, by ID.
	issuers map[string]string
}

// NewClient returns a client of the server at an origin: its admin.public_url.
func NewClient(server string, client *http.Client, tokens TokenSource) *Client {
	return &Client{server: server, http: client, tokens: tokens, issuers: map[string]string{}}
}

// HTTPClient returns an HTTP client that follows no redirect: a token is for one server alone.
func HTTPClient(transport http.RoundTripper) *http.Client {
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// request is one call of the API.
type request struct {
	method, path string
	query        url.Values
	body         any
	// content is a body that is no JSON, of the media type.
	content io.Reader
	media   string
	ifMatch string
	// long says that the response may take longer than that of other requests.
	long bool
}

// path returns a path of the API with its escaped parts.
func path(parts ...string) string {
	for i, part := range parts {
		parts[i] = url.PathEscape(part)
	}
	return "/" + strings.Join(parts, "/")
}

// call sends a request and decodes the response into reply, which may be nil. It returns the response's entity tag.
func (c *Client) call(ctx context.Context, asked request, reply any) (etag string, err error) {
	response, err := c.send(ctx, asked)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	if reply == nil {
		return response.Header.Get("ETag"), nil
	}
	content, err := io.ReadAll(io.LimitReader(response.Body, maxResponse))
	if err != nil {
		return "", unreachable(c.server, err)
	}
	if err := json.Unmarshal(content, reply); err != nil {
		return "", fmt.Errorf("the response of %s: %w", c.server, err)
	}
	return response.Header.Get("ETag"), nil
}

// send sends a request and returns the response of a success.
func (c *Client) send(ctx context.Context, asked request) (*http.Response, error) {
	token, err := c.tokens.Token(ctx)
	if err != nil {
		return nil, err
	}
	sent, err := c.request(ctx, asked, token)
	if err != nil {
		return nil, err
	}
	client := *c.http
	if asked.long || asked.content != nil {
		client.Timeout = 0 // The server bounds it.
	}
	response, err := client.Do(sent)
	if err != nil {
		return nil, unreachable(c.server, err)
	}
	if response.StatusCode < http.StatusMultipleChoices {
		return response, nil
	}
	defer response.Body.Close()
	content, err := io.ReadAll(io.LimitReader(response.Body, maxResponse))
	if err != nil {
		return nil, unreachable(c.server, err)
	}
	return nil, c.failure(response, content)
}

func (c *Client) request(ctx context.Context, asked request, token string) (*http.Request, error) {
	body := asked.content
	if asked.body != nil {
		text, err := json.Marshal(asked.body)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	sent, err := http.NewRequestWithContext(ctx, asked.method, c.server+apiPath+asked.path+suffix(asked.query), body)
	if err != nil {
		return nil, err
	}
	sent.Header.Set("Authorization", "Bearer "+token)
	sent.Header.Set("Accept", "application/json, application/problem+json")
	if body != nil {
		media := asked.media
		if media == "" {
			media = "application/json"
		}
		sent.Header.Set("Content-Type", media)
	}
	if asked.ifMatch != "" {
		sent.Header.Set("If-Match", asked.ifMatch)
	}
	return sent, nil
}

func suffix(query url.Values) string {
	if len(query) == 0 {
		return ""
	}
	return "?" + query.Encode()
}

// unreachable says that no response came.
func unreachable(server string, err error) error {
	return &locale.Problem{What: locale.Text("remote.unreachable", server), Cause: err, Remedy: locale.Text("remote.unreachable.remedy")}
}

// failed is an error of the API with its text, which is also an error of package admin.
type failed struct {
	text string
	is   error
}

// Error implements error.
func (f *failed) Error() string { return f.text }

// Unwrap returns the error of package admin.
func (f *failed) Unwrap() error { return f.is }

// failure returns the error of a response.
func (c *Client) failure(response *http.Response, content []byte) error {
	var problem api.Problem
	media, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if media != "application/problem+json" || json.Unmarshal(content, &problem) != nil {
		return &locale.Problem{What: locale.Text("remote.no_api", c.server, response.StatusCode), Remedy: locale.Text("remote.unreachable.remedy")}
	}
	name := problem.Type[strings.LastIndexByte(problem.Type, ':')+1:]
	switch name {
	case "unauthorized":
		return &locale.Problem{What: locale.Text("remote.unauthorized", c.server), Remedy: locale.Text("remote.unauthorized.remedy", c.server)}
	case "sign_in_again":
		return &locale.Problem{What: locale.Text("remote.sign_in_again", c.server), Remedy: locale.Text("remote.unauthorized.remedy", c.server)}
	case "invalid":
		if len(problem.Errors) > 0 {
			return invalid(problem.Errors)
		}
	}
	sentinels := map[string]error{
		"not_found": admin.ErrNotFound, "exists": admin.ErrExists, "changed": admin.ErrChanged, "precondition_failed": admin.ErrChanged,
		"wrong_state": admin.ErrRefused, "forbidden": admin.ErrForbidden,
	}
	text := problem.Detail
	if text == "" {
		text = problem.Title
	}
	if problem.RequestID != "" && response.StatusCode >= http.StatusInternalServerError {
		text += " (request ID " + problem.RequestID + ")"
	}
	return &failed{text, sentinels[name]}
}

// invalid returns the problems of values, by the names of the members.
func invalid(fields []api.ProblemField) error {
	wrong := &admin.Invalid{}
	for _, field := range fields {
		name := field.Parameter
		if name == "" {
			name = strings.ReplaceAll(strings.TrimPrefix(field.Pointer, "/"), "/", ".")
		}
		wrong.Problems = append(wrong.Problems, admin.Problem{Field: name, Text: field.Detail})
	}
	return wrong
}

// page is one page of a list.
type page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next"`
}

// list reads one page.
func list[T any](ctx context.Context, c *Client, asked admin.Page, path string) (items []T, next string, err error) {
	found, err := listBy[T](ctx, c, asked, request{method: http.MethodGet, path: path})
	return found.Items, found.Next, err
}

func listBy[T any](ctx context.Context, c *Client, asked admin.Page, sent request) (found page[T], err error) {
	if sent.query == nil {
		sent.query = url.Values{}
	}
	if asked.Limit > 0 {
		sent.query.Set("limit", strconv.Itoa(asked.Limit))
	}
	if asked.After != "" {
		sent.query.Set("after", asked.After)
	}
	_, err = c.call(ctx, sent, &found)
	return found, err
}

// entry returns a record as admin.Service does. It has no revision: changes read the record again.
func entry[R storage.Record](record R, err error) (*storage.Entry[R], error) {
	if err != nil {
		return nil, err
	}
	return &storage.Entry[R]{Record: record}, nil
}

// attempts is how often a change is repeated that another operator's change came before.
const attempts = 5

// change reads a resource, changes it, and sends the difference as a merge patch (RFC 7396), until no other change came between.
func change[T any](ctx context.Context, c *Client, path string, edit func(*T)) (after T, err error) {
	for range attempts {
		var before T
		etag, err := c.call(ctx, request{method: http.MethodGet, path: path}, &before)
		if err != nil {
			return after, err
		}
		patch, err := patchOf(before, edit)
		if err != nil {
			return after, err
		}
		if len(patch) == 0 {
			return before, nil
		}
		sent := request{method: http.MethodPatch, path: path, body: patch, media: "application/merge-patch+json", ifMatch: etag}
		if _, err = c.call(ctx, sent, &after); !errors.Is(err, admin.ErrChanged) {
			return after, err
		}
	}
	return after, admin.ErrChanged
}

// patchOf returns the difference that an edit causes.
func patchOf[T any](before T, edit func(*T)) (map[string]any, error) {
	from, err := object(before)
	if err != nil {
		return nil, err
	}
	after, err := clone(before)
	if err != nil {
		return nil, err
	}
	edit(&after)
	to, err := object(after)
	if err != nil {
		return nil, err
	}
	return difference(from, to), nil
}

func clone[T any](value T) (copied T, err error) {
	text, err := json.Marshal(value)
	if err != nil {
		return copied, err
	}
	return copied, json.Unmarshal(text, &copied)
}

func object(value any) (members map[string]any, err error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	err = decoder.Decode(&members)
	return members, err
}

// difference returns the merge patch from one object to another: null removes a member.
func difference(from, to map[string]any) map[string]any {
	patch := map[string]any{}
	for name := range from {
		if _, remains := to[name]; !remains {
			patch[name] = nil
		}
	}
	for name, value := range to {
		was, is := from[name], value
		before, wasObject := was.(map[string]any)
		after, isObject := is.(map[string]any)
		if wasObject && isObject {
			if inner := difference(before, after); len(inner) > 0 {
				patch[name] = inner
			}
			continue
		}
		if !same(was, is) {
			patch[name] = value
		}
	}
	return patch
}

func same(a, b any) bool {
	one, errOne := json.Marshal(a)
	other, errOther := json.Marshal(b)
	return errOne == nil && errOther == nil && bytes.Equal(one, other)
}
