package demopage

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// device is one of the two browsers.
type device string

const (
	onComputer device = "computer"
	onPhone    device = "phone"
)

const (
	// phoneCookies is what the names of the cookies of the phone's browser begin with: it and the computer's browser are one in truth.
	// The person's name follows.
	phoneCookies = "phone-"
	// wechatPath stands for https://wxaurl.cn/, whose links open WeChat on a phone.
	wechatPath = "/wechat/"
	wechatHost = "https://wxaurl.cn/"

	phoneAgent    = "Mozilla/5.0 (Linux; Android 16; Pixel 10) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Mobile Safari/537.36"
	computerAgent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"

	maxDocument = 1 << 20
)

// proxy passes the requests of a browser on to the provider. It allows the page to frame the sign-in pages, which no other page may.
type proxy struct {
	*Site
	device device
}

// exchange is what the proxy remembers of a request until its response.
type exchange struct {
	visitor *visitor
	call    call
	// address is the address of the request.
	address *url.URL
}

type exchangeKey struct{}

func (p proxy) rewrite(r *httputil.ProxyRequest) {
	address := *r.In.URL
	address.Scheme, address.Host = p.issuer.Scheme, p.issuer.Host
	seen := exchange{p.of(r.In), call{
		From: string(p.device), Method: r.In.Method, Path: strings.TrimPrefix(address.Path, p.issuer.Path), continued: address.Query().Has("interaction"),
	}, &address}
	if seen.visitor == nil && r.In.Method == http.MethodPost && seen.call.Path == tokenPath {
		seen.visitor, seen.call.From = p.holder(r.Out), "app"
	}
	r.Out = r.Out.WithContext(context.WithValue(r.Out.Context(), exchangeKey{}, seen))
	_, r.Out.URL.Host, _ = strings.Cut(p.Provider, "://")
	r.Out.URL.Scheme, r.Out.Host = "http", p.issuer.Host
	r.Out.Header.Del("Accept-Encoding") // The transport decompresses.
	if seen.visitor != nil || r.Out.Header.Get(CountryHeader) == "" {
		r.Out.Header.Set(CountryHeader, homeCountry)
	}
	p.rewriteCookies(r.Out, seen.visitor)
	agent := r.Out.Header.Get("User-Agent")
	switch {
	case p.device == onPhone:
		agent = phoneAgent
		if r.Out.Header.Get("Origin") == p.PhoneOrigin {
			r.Out.Header.Set("Origin", p.issuer.Scheme+"://"+p.issuer.Host)
		}
	case strings.Contains(agent, "Mobile") && seen.visitor != nil: // The page is open on a phone, and its computer is still a computer.
		agent = computerAgent
	}
	r.Out.Header.Set("User-Agent", agent)
}

// CountryHeader names the country of a browser to the provider. Only the attacker sends it.
const CountryHeader = "X-Demo-Country"

// rewriteCookies leaves the cookies of the browser, under the provider's names.
func (p proxy) rewriteCookies(r *http.Request, v *visitor) {
	sent := r.Cookies()
	r.Header.Del("Cookie")
	for _, cookie := range sent {
		name, own := strings.CutPrefix(cookie.Name, p.cookiePrefix(v))
		if own && !strings.HasPrefix(cookie.Name, visitorCookies) && !strings.HasPrefix(name, phoneCookies) {
			cookie.Name = name
			r.AddCookie(cookie)
		}
	}
}

// cookiePrefix is what the names of the cookies of the browser begin with.
func (p proxy) cookiePrefix(v *visitor) string {
	if p.device != onPhone {
		return ""
	}
	if v == nil {
		return phoneCookies
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return phoneCookies + v.person + "-"
}

func (p proxy) modify(r *http.Response) error {
	seen, _ := r.Request.Context().Value(exchangeKey{}).(exchange)
	p.rewriteHeader(r.Header, p.cookiePrefix(seen.visitor))
	if seen.visitor == nil {
		return nil
	}
	seen.call.Status = r.StatusCode
	switch kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); {
	case kind == "image/jpeg" && strings.HasSuffix(seen.call.Path, "/picture"):
		content, err := replaceBody(r, nil)
		if err != nil {
			return err
		}
		seen.visitor.showsPicture(p.device, content)
	case kind == "text/html" && r.StatusCode != http.StatusNoContent:
		if _, err := replaceBody(r, p.rewriteDocument); err != nil {
			return err
		}
		seen.visitor.shows(p.device, seen.address.String())
	}
	p.rememberCode(seen.visitor, r.Header.Get("Location")+r.Header.Get("Refresh"))
	seen.call.returned = r.Header.Get("Location") + r.Header.Get("Refresh")
	if seen.call.describe() {
		seen.visitor.record(seen.call)
	}
	return nil
}

// isOfPhone reports whether the app on the phone sent its browser to the provider. That browser has cookies of its own, at another
// origin.
func (s *Site) isOfPhone(r *http.Request) bool {
	query := r.URL.Query()
	return r.Method == http.MethodGet &&
		(strings.HasPrefix(query.Get("redirect_uri"), s.PhoneOrigin+"/") || query.Get("post_logout_redirect_uri") == s.PhoneOrigin+"/")
}

// rewriteHeader lets the page frame a document, and leaves the browser in its device.
func (p proxy) rewriteHeader(header http.Header, prefix string) {
	if header.Get("X-Frame-Options") != "" {
		header.Del("X-Frame-Options")
		policy := header.Get("Content-Security-Policy")
		header.Set("Content-Security-Policy", strings.Replace(policy, "frame-ancestors 'none'", "frame-ancestors "+p.Origin, 1))
	}
	if p.device != onPhone {
		return
	}
	for _, name := range []string{"Location", "Refresh"} {
		if value := header.Get(name); value != "" {
			header.Set(name, strings.Replace(value, p.issuer.Scheme+"://"+p.issuer.Host+"/", p.PhoneOrigin+"/", 1))
		}
	}
	cookies := header.Values("Set-Cookie")
	header.Del("Set-Cookie")
	for _, cookie := range cookies {
		header.Add("Set-Cookie", prefix+cookie)
	}
}

// rewriteDocument replaces the links of WeChat on the phone.
func (p proxy) rewriteDocument(document []byte) []byte {
	if p.device != onPhone {
		return document
	}
	return bytes.ReplaceAll(document, []byte(`href="`+wechatHost), []byte(`href="`+wechatPath))
}

// replaceBody reads the body of a response, replaces it, and returns it.
func replaceBody(r *http.Response, replace func([]byte) []byte) ([]byte, error) {
	content, err := io.ReadAll(io.LimitReader(r.Body, maxDocument))
	_ = r.Body.Close()
	if err != nil {
		return nil, err
	}
	if replace != nil {
		content = replace(content)
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(content)), int64(len(content))
	r.Header.Set("Content-Length", strconv.Itoa(len(content)))
	return content, nil
}

// openWeChat opens a link of WeChat: the phone shows WeChat, and the browser stays at its page (status 204).
func (s *Site) openWeChat(w http.ResponseWriter, r *http.Request) {
	if v := s.of(r); v != nil {
		v.change(func() {
			v.link = openedLink{v.link.Number + 1, WeChatLink(r.URL.Path)}
		})
	}
	w.WriteHeader(http.StatusNoContent)
}

// WeChatLink returns the link of WeChat behind an address that the phone's browser shows.
func WeChatLink(address string) string { return wechatHost + strings.TrimPrefix(address, wechatPath) }

const (
	tokenPath = "/oauth2/token"
	// codeLife is the lifetime of an authorization code.
	codeLife = time.Minute
)

// rememberCode remembers to which visitor an authorization code was sent. An app exchanges it without cookies.
func (s *Site) rememberCode(v *visitor, location string) {
	code := codeIn(location)
	if code == "" {
		return
	}
	now := s.Now()
	s.visitors.mu.Lock()
	defer s.visitors.mu.Unlock()
	s.visitors.codes.Put(code, v, now, now.Add(codeLife))
}

// codeIn returns the authorization code in a Location or a Refresh header; empty for none.
func codeIn(location string) string {
	_, query, _ := strings.Cut(location, "?")
	parsed, err := url.ParseQuery(query)
	if err != nil {
		return ""
	}
	return parsed.Get("code")
}

// holder returns the visitor whose code a token request has; nil for none.
func (s *Site) holder(r *http.Request) *visitor {
	content, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	_ = r.Body.Close()
	r.Body = io.NopCloser(bytes.NewReader(content))
	if err != nil {
		return nil
	}
	form, err := url.ParseQuery(string(content))
	if err != nil {
		return nil
	}
	s.visitors.mu.Lock()
	defer s.visitors.mu.Unlock()
	found, _ := s.visitors.codes.Get(form.Get("code"))
	return found
}
