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
	limit  int64  // bound of the answer in bytes; 0 means jsonLimit

	// decode reads an answer and returns its errcode and errmsg. An answer with errcode 0 in which something is missing is
	// an error.
	decode func(body []byte) (status, error)
}

// jsonLimit bounds a JSON answer. Real ones have a few hundred bytes.
const jsonLimit = 64 << 10

var (
	errAnswer   = errors.New("the answer is not what is documented")
	errTooLarge = errors.New("the answer is too large")
	errCode     = errors.New("the code is empty, too long or has control characters")
	errApp      = errors.New("the AppID or AppSecret is empty, too long or has control characters")
)

// Bounds of what goes into a query string. They keep a request's head below the transport's write buffer of 4 KiB, which
// wire.sent relies on.
const (
	maxCode   = 512
	maxAppID  = 64
	maxSecret = 128
	maxToken  = 512
	maxOpenID = 128
)

// bounded reports whether s is not empty, not longer than limit and without control characters. Codes, tokens and OpenIDs
// are opaque: nothing else about their shape is promised.
func bounded(s string, limit int) bool {
	return s != "" && len(s) <= limit && strings.IndexFunc(s, isControl) < 0
}

func isControl(r rune) bool { return r < 0x20 || r == 0x7f }

// checkApp refuses a credential that cannot be one, before it costs a call.
func checkApp(api string, app App) *Error {
	if bounded(string(app.ID), maxAppID) && bounded(string(app.Secret), maxSecret) {
		return nil
	}
	return &Error{API: api, Class: ClassConfig, Cause: errApp}
}

// exchange makes a call under its lane's limit and breaker. It sends again at most once after a failure before any byte was
// written, and at most once after -1.
func (c *Client) exchange(ctx context.Context, k call) *Error {
	l := c.lane(k)
	pass, wait, err := l.enter(ctx, c)
	if err != nil {
		refused := k.lost(false, err)
		refused.RetryAfter = wait
		c.observe(k, 0, refused)
		return refused
	}
	failure := c.send(ctx, k)
	if failure != nil && failure.Class == ClassBusy {
		failure = c.sendAgainAfterBusy(ctx, k, failure)
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

// sendAgainAfterBusy is the one retry of -1. WeChat does not say whether a code survives -1. If the retry finds it used or
// unknown, then the first call spent it and the answer is lost: that is no attack and no mistake of the caller.
func (c *Client) sendAgainAfterBusy(ctx context.Context, k call, busy *Error) *Error {
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
	var w wire
	response, err := c.transport.RoundTrip(c.request(w.watch(ctx), k))
	if err != nil {
		return k.lost(w.sent(), redact(err, k))
	}
	defer response.Body.Close()
	body, err := readBounded(response.Body, k.limit)
	if err != nil {
		return k.lost(true, redact(err, k))
	}
	answer, err := k.decode(body)
	if answer.Code != 0 {
		return k.refused(answer)
	}
	if response.StatusCode != http.StatusOK {
		return k.lost(true, fmt.Errorf("HTTP status %d", response.StatusCode))
	}
	if err != nil {
		return k.lost(true, errAnswer)
	}
	return nil
}

// request builds the HTTP request. Go's transport sends a GET a second time when the kept-alive connection it chose turns
// out to be dead, and so spends a code twice. It does not where the body cannot be rewound: hence the empty one. Nothing of
// it goes over the wire, because "identity" means neither Content-Length nor chunks; it also spares the transport from
// finding out in a goroutine whether the body is empty. POSTs are never sent twice without an Idempotency-Key.
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

// emptyBody is a body without a byte that, unlike http.NoBody, the transport does not know to be empty.
type emptyBody struct{}

// Read answers io.EOF.
func (emptyBody) Read([]byte) (int, error) { return 0, io.EOF }

// WriteTo writes nothing. Without it the transport makes a buffer of 32 KiB to copy the body with.
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

// lost is the error of a call without a usable answer.
func (k call) lost(sent bool, cause error) *Error {
	if sent {
		return &Error{API: k.api, Class: ClassAmbiguous, Cause: cause}
	}
	return &Error{API: k.api, Class: ClassUnsent, Cause: cause}
}

// refused is the error of a call that WeChat answered with an errcode.
func (k call) refused(answer status) *Error {
	failure := &Error{API: k.api, Code: int(answer.Code), Class: classify(k, int(answer.Code)), RID: rid(answer.Message)}
	if failure.Class == ClassRate {
		failure.RetryAfter = rateRetryAfter
	}
	return failure
}

// status is the envelope of every JSON answer. On success the errcode is 0 or absent.
type status struct {
	Code    errcode `json:"errcode"`
	Message string  `json:"errmsg"`
}

// errcode is a number, or as one official sample has it, a string.
type errcode int

// UnmarshalJSON reads 40029 and "40029"; null is as good as absent.
func (e *errcode) UnmarshalJSON(raw []byte) error {
	if string(raw) == "null" {
		return nil
	}
	n, err := strconv.Atoi(strings.Trim(string(raw), `"`))
	if err != nil {
		return errAnswer
	}
	*e = errcode(n)
	return nil
}

// decodeStatus reads an answer that says nothing but ok.
func decodeStatus(body []byte) (status, error) {
	var answer status
	err := json.Unmarshal(body, &answer)
	return answer, err
}

// rid finds the trace id in an errmsg: "…, rid: 617833f5-4d39a245-36d3a896". Nothing else of an errmsg is kept, because it
// may repeat what was sent.
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
