package wechat

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// URLLinkRequest describes an https link that opens a mini-program from a browser on a phone.
type URLLinkRequest struct {
	// Page is the path of the page to open, without leading slash and query; empty means the home page.
	Page string
	// Query is passed to the page, at most 1024 characters of 0-9 A-Z a-z !#$&'()*+,/:;=?@-._~% .
	Query string
	// Version is "release", "trial" or "develop"; empty means "release".
	Version string
	// Expires is when the link ends: between one minute and 30 days from now.
	Expires time.Time
}

// urlLinkHost is the host of the links that WeChat returns.
const urlLinkHost = "wxaurl.cn"

// GenerateURLLink creates an https link that opens a mini-program (POST /wxa/generate_urllink). WeChat allows 100 a second. It
// returns 85407 for mini-programs of individuals, and 85079 for those without a released version.
func (c *Client) GenerateURLLink(ctx context.Context, app App, request URLLinkRequest) (string, error) {
	body, err := request.encode()
	if err != nil {
		return "", &Error{API: apiURLLink, Class: ClassConfig, Cause: err}
	}
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()

	var result urlLinkResponse
	failure := c.exchangeWithToken(ctx, call{
		api: apiURLLink, app: app, method: http.MethodPost, path: "/wxa/generate_urllink", body: body, decode: result.decode,
	})
	if failure != nil {
		return "", failure
	}
	return result.Link, nil
}

func (r URLLinkRequest) encode() ([]byte, error) {
	if !isPage(r.Page) || !isVersion(r.Version) || len(r.Query) > 1024 ||
		strings.IndexFunc(r.Query, func(c rune) bool { return c != '%' && notSceneRune(c) }) >= 0 {
		return nil, errCodeRequest
	}
	return encodeJSON(struct {
		Path       string `json:"path,omitempty"`
		Query      string `json:"query,omitempty"`
		Version    string `json:"env_version,omitempty"`
		ExpireType int    `json:"expire_type"`
		ExpireTime int64  `json:"expire_time"`
	}{r.Page, r.Query, r.Version, 0, r.Expires.Unix()})
}

type urlLinkResponse struct {
	status
	Link string `json:"url_link"`
}

// decode accepts https links of WeChat only, because a browser opens the link.
func (a *urlLinkResponse) decode(body []byte) (status, error) {
	*a = urlLinkResponse{}
	if err := json.Unmarshal(body, a); err != nil {
		return a.status, err
	}
	link, err := url.Parse(a.Link)
	if err != nil || link.Scheme != "https" || link.Host != urlLinkHost && !strings.HasSuffix(link.Host, "."+urlLinkHost) || link.User != nil {
		return a.status, errResponse
	}
	return a.status, nil
}
