package wechat

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// call is one API call before it is sent.
type call struct {
	api    string // its name in WeChat's documentation
	app    App
	method string
	path   string
	query  string // encoded; holds secrets
	body   []byte // the JSON of a POST
	token  bool   // whether the query holds an app access token
	limit  int64  // limit of the response in bytes; 0 means jsonLimit

	// decode parses a response and returns its errcode and errmsg. A response with errcode 0 and a missing member is an error.
	decode func(body []byte) (status, error)
}

// jsonLimit limits a JSON response. Real ones have a few hundred bytes.
const jsonLimit = 64 << 10

var (
	errResponse = errors.New("the response is not what is documented")
	errTooLarge = errors.New("the response is too large")
	errCode     = errors.New("the code is empty, too long or has control characters")
	errApp      = errors.New("the AppID or AppSecret is empty, too long or has control characters")
)

// Limits of query parameters. They limit a request's head to the transport's write buffer of 4 KiB, which wire.sent relies on.
const (
	maxCode   = 512
	maxAppID  = 64
	maxSecret = 128
	maxToken  = 512
	maxOpenID = 128
)

// bounded reports whether s is not empty, not longer than limit and without control characters. Codes, tokens and OpenIDs are
// opaque, so no other property is checked.
func bounded(s string, limit int) bool {
	return s != "" && len(s) <= limit && strings.IndexFunc(s, isControl) < 0
}

func isControl(r rune) bool { return r < 0x20 || r == 0x7f }

// checkApp rejects a malformed credential before it costs a call.
func checkApp(api string, app App) *Error {
	if bounded(string(app.ID), maxAppID) && bounded(string(app.Secret), maxSecret) {
		return nil
	}
	return &Error{API: api, Class: ClassConfig, Cause: errApp}
}

// exchange performs a call within the limit and breaker of its bulkhead. It sends again at most once after a failure before any
// byte was written, and at most once after -1.
func (c *Client) exchange(ctx context.Context, k call) *Error {
	l := c.bulkhead(k)
	pass, wait, err := l.enter(ctx, c)
	if err != nil {
		rejected := k.lost(false, err)
		rejected.RetryAfter = wait
		c.observe(k, 0, rejected)
		return rejected
	}
	failure := c.send(ctx, k)
	if failure != nil && failure.Class == ClassBusy {
		failure = c.retryAfterBusy(ctx, k, failure)
	}
	l.leave(c, pass, health(ctx, failure))
	return failure
}

func (c *Client) send(ctx context.Context, k call) *Error {
	failure := c.attempt(ctx, k)
	if failure == nil || failure.Class != ClassUnsent || ctx.Err() != nil {
		return failure
	}
	return c.attempt(ctx, k)
}

// retryAfterBusy is the one retry of -1. WeChat does not document whether a code survives -1. If the retry finds it used or
// unknown, the first call spent it and its response is lost. That is neither an attack nor a mistake of the caller.
func (c *Client) retryAfterBusy(ctx context.Context, k call, busy *Error) *Error {
	if !pause(ctx, c.config.RetryDelay()) {
		return busy
	}
	failure := c.send(ctx, k)
	switch {
	case failure == nil:
		return nil
	case failure.Class == ClassUnsent:
		return busy
	case failure.Code == errcodeCodeUsed || failure.Code == errcodeInvalidCode:
		return &Error{API: k.api, Class: ClassAmbiguous, RID: failure.RID, Cause: fmt.Errorf("errcode %d after -1", failure.Code)}
	default:
		return failure
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (c *Client) attempt(ctx context.Context, k call) *Error {
	start := c.config.Now()
	failure := c.roundTrip(ctx, k)
	c.observe(k, c.config.Now().Sub(start), failure)
	return failure
}

func (c *Client) observe(k call, took time.Duration, failure *Error) {
	seen := Observation{API: k.api, Outcome: "ok", Duration: took}
	if failure != nil {
		seen.Outcome, seen.Code = failure.Class.String(), failure.Code
	}
	c.config.Observe(seen)
}

func (c *Client) roundTrip(ctx context.Context, k call) *Error {
	var w requestTrace
	response, err := c.transport.RoundTrip(c.request(w.watch(ctx), k))
	if err != nil {
		return k.lost(w.sent(), redact(err, k))
	}
	defer response.Body.Close()
	body, err := readBounded(response.Body, k.limit)
	if err != nil {
		return k.lost(true, redact(err, k))
	}
	result, err := k.decode(body)
	if result.Code != 0 {
		return k.rejected(result)
	}
	if response.StatusCode != http.StatusOK {
		return k.lost(true, fmt.Errorf("HTTP status %d", response.StatusCode))
	}
	if err != nil {
		return k.lost(true, errResponse)
	}
	return nil
}

// request builds the HTTP request. Go's transport repeats a GET when a reused connection turns out to be closed, which would
// spend a code twice. It does not repeat a request whose body cannot be rewound, so this one has an empty body. Nothing of it
// is sent, because "identity" means neither Content-Length nor chunks. It also avoids a goroutine of the transport that checks
// whether the body is empty. POSTs are never repeated without an Idempotency-Key.
func (c *Client) request(ctx context.Context, k call) *http.Request {
	address := c.base
	address.Path, address.RawQuery = k.path, k.query
	request := &http.Request{Method: k.method, URL: &address, Host: c.base.Host, Header: c.getHeader}
	if k.body == nil {
		request.Body = emptyBody{}
		request.TransferEncoding = c.identity
	} else {
		request.Body = io.NopCloser(bytes.NewReader(k.body))
		request.ContentLength = int64(len(k.body))
		request.Header = c.postHeader
	}
	return request.WithContext(ctx)
}

// emptyBody is an empty body that the transport does not recognize as empty.
type emptyBody struct{}

// Read returns io.EOF.
func (emptyBody) Read([]byte) (int, error) { return 0, io.EOF }

// WriteTo writes nothing. Without it the transport allocates a buffer of 32 KiB to copy the body.
func (emptyBody) WriteTo(io.Writer) (int64, error) { return 0, nil }

// Close does nothing.
func (emptyBody) Close() error { return nil }

func readBounded(body io.Reader, limit int64) ([]byte, error) {
	if limit == 0 {
		limit = jsonLimit
	}
	content, err := io.ReadAll(io.LimitReader(body, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(content)) > limit {
		return nil, errTooLarge
	}
	return content, nil
}

// lost returns the error of a call without a usable response.
func (k call) lost(sent bool, cause error) *Error {
	if sent {
		return &Error{API: k.api, Class: ClassAmbiguous, Cause: cause}
	}
	return &Error{API: k.api, Class: ClassUnsent, Cause: cause}
}

// rejected returns the error of a call whose response has an errcode.
func (k call) rejected(result status) *Error {
	failure := &Error{API: k.api, Code: int(result.Code), Class: classify(k, int(result.Code)), RID: rid(result.Message)}
	if failure.Class == ClassRate {
		failure.RetryAfter = rateRetryAfter
	}
	return failure
}

// status is the envelope of every JSON response. On success the errcode is 0 or absent.
type status struct {
	Code    errcode `json:"errcode"`
	Message string  `json:"errmsg"`
}

// errcode is a number or, in one official sample, a string.
type errcode int

// UnmarshalJSON reads 40029 and "40029"; null means absent.
func (e *errcode) UnmarshalJSON(raw []byte) error {
	if string(raw) == "null" {
		return nil
	}
	n, err := strconv.Atoi(strings.Trim(string(raw), `"`))
	if err != nil {
		return errResponse
	}
	*e = errcode(n)
	return nil
}

// decodeStatus parses a response that has no members but errcode and errmsg.
func decodeStatus(body []byte) (status, error) {
	var result status
	err := json.Unmarshal(body, &result)
	return result, err
}

// rid finds the trace ID in an errmsg: "…, rid: 617833f5-4d39a245-36d3a896". The rest of an errmsg is discarded, because it may
// contain request parameters.
func rid(message string) string {
	_, after, found := strings.Cut(message, "rid: ")
	const length = 26
	if !found || len(after) < length {
		return ""
	}
	after = after[:length]
	if strings.Trim(after, "0123456789abcdef-") != "" {
		return ""
	}
	return after
}
