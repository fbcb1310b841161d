package wechattest

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
)

// linkRule opens a page of a mini-program for the ordinary links below a prefix.
type linkRule struct {
	app    *App
	prefix *url.URL
	page   string
}

// AddLinkRule is a rule of WeChat's console for ordinary links (扫普通链接二维码打开小程序): a link opens the page if its protocol and host
// are those of the prefix, and its path too. If the path of the prefix ends with a slash, paths below it match. The query of the link
// begins with that of the prefix.
func (a *App) AddLinkRule(prefix, page string) error {
	parsed, err := url.Parse(prefix)
	if err != nil || parsed.Scheme != "https" && parsed.Scheme != "http" || parsed.Host == "" || strings.HasPrefix(page, "/") {
		return errors.New("wechattest: a rule has an address such as https://id.example.com/scan/, and a page without leading slash")
	}
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	a.server.rules = append(a.server.rules, linkRule{a, parsed, page})
	return nil
}

// OpenOrdinaryLink opens a link of an ordinary QR code in WeChat: the page of the mini-program with a rule for it. Without one, WeChat
// opens the web page of the link, which is an error here.
func (s *Server) OpenOrdinaryLink(link string) (Opened, error) {
	s.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ordinaryLink(link)
}

// ordinaryLink is called with s.mu held.
func (s *Server) ordinaryLink(link string) (Opened, error) {
	parsed, err := url.Parse(link)
	if err != nil {
		return Opened{}, errNoRule
	}
	for _, rule := range s.rules {
		if rule.matches(parsed) {
			return Opened{AppID: rule.app.id, Page: rule.page, Version: "release", Link: link, Query: "q=" + url.QueryEscape(link)}, nil
		}
	}
	return Opened{}, errNoRule
}

var errNoRule = errors.New("wechattest: no rule for ordinary links opens a mini-program for this link, so WeChat opens its web page")

func (r linkRule) matches(link *url.URL) bool {
	path := link.EscapedPath() == r.prefix.EscapedPath() ||
		strings.HasSuffix(r.prefix.Path, "/") && strings.HasPrefix(link.EscapedPath(), r.prefix.EscapedPath())
	return path && link.Scheme == r.prefix.Scheme && link.Host == r.prefix.Host && strings.HasPrefix(link.RawQuery, r.prefix.RawQuery)
}

func controlLinkRule(app *App, r *http.Request) (controlAnswer, error) {
	return controlAnswer{}, app.AddLinkRule(r.FormValue("prefix"), r.FormValue("page"))
}
