package wechat

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// newTransport creates the one transport of a Client. It uses HTTP/1.1 only: a connection then belongs to one call, so a call
// that hangs blocks no other, and the requests that Go's transport repeats by itself are known. Connections have no common
// limit, because bulkheads limit each AppID. Their idle timeout is shorter than that of most servers, so that few of them are
// closed at the moment they are used. Responses are too small to compress.
func newTransport(config Config) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Transport{
		Proxy:               config.Proxy,
		DialContext:         countedDial(config),
		TLSClientConfig:     config.TLS.Clone(),
		TLSHandshakeTimeout: config.ConnectTimeout,
		Protocols:           protocols,
		DisableCompression:  true,
		MaxIdleConnsPerHost: config.MaxConcurrent,
		IdleConnTimeout:     30 * time.Second,
	}
}

func countedDial(config Config) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, config.ConnectTimeout)
		defer cancel()
		conn, err := config.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &countedConn{Conn: conn}, nil
	}
}

// countedConn counts the bytes that the kernel accepted, which shows whether a request whose write failed was sent.
type countedConn struct {
	net.Conn
	written atomic.Int64
}

// Write counts the accepted bytes.
func (c *countedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.written.Add(int64(n))
	return n, err
}

// requestTrace watches the sending of one request.
type requestTrace struct {
	conn    *countedConn
	before  int64
	started bool
}

// watch returns a context that reports the transport's progress to w. The transport has finished with w when RoundTrip returns.
func (w *requestTrace) watch(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			w.conn = innermost(info.Conn)
			w.started = false
			if w.conn != nil {
				w.before = w.conn.written.Load()
			}
		},
		WroteHeaders: func() { w.started = true },
	})
}

// sent reports whether any byte of the request may have been sent. A request whose head was not yet assembled wrote nothing,
// although TLS may have written to the connection. An assembled one is buffered, and the counter shows whether the buffer was
// written.
func (w *requestTrace) sent() bool {
	if !w.started {
		return false
	}
	return w.conn == nil || w.conn.written.Load() != w.before
}

func innermost(conn net.Conn) *countedConn {
	for {
		switch c := conn.(type) {
		case *countedConn:
			return c
		case *tls.Conn:
			conn = c.NetConn()
		default:
			return nil
		}
	}
}

// transportError is the redacted failure of a transport: a text without any part of the request or the response, and the
// well-known error that it wraps.
type transportError struct {
	text string
	kind error
}

// Error returns the redacted text.
func (e *transportError) Error() string { return e.text }

// Unwrap returns context.Canceled, context.DeadlineExceeded, io.EOF, io.ErrUnexpectedEOF or nil.
func (e *transportError) Unwrap() error { return e.kind }

// redact returns the part of err that helps an operator. Errors of net/http may quote URLs, which have the AppSecret and the
// code, and data of the server. Quotes are always in quotation marks, so the text ends before the first.
func redact(err error, k call) error {
	if errors.Is(err, errTooLarge) {
		return errTooLarge
	}
	var located *url.Error
	if errors.As(err, &located) {
		err = located.Err
	}
	text, _, _ := strings.Cut(err.Error(), `"`)
	text = strings.TrimRight(strings.Map(printable, text[:min(len(text), 200)]), " :")
	if text == "" || k.quotedIn(text) {
		text = "transport failed"
	}
	for _, kind := range []error{context.Canceled, context.DeadlineExceeded, io.ErrUnexpectedEOF, io.EOF} {
		if errors.Is(err, kind) {
			return &transportError{text: text, kind: kind}
		}
	}
	return &transportError{text: text}
}

// quotedIn reports whether text repeats a value of the call.
func (k call) quotedIn(text string) bool {
	values, err := url.ParseQuery(k.query)
	if err != nil || strings.Contains(text, string(k.app.Secret)) {
		return true
	}
	for _, value := range values {
		if strings.Contains(text, value[0]) || strings.Contains(text, url.QueryEscape(value[0])) {
			return true
		}
	}
	return false
}

func printable(r rune) rune {
	if isControl(r) {
		return ' '
	}
	return r
}
