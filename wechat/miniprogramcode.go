package wechat

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
)

// MiniProgramCodeRequest describes the round code that opens a mini-program when it is scanned. Such codes never expire, so the
// object that Scene identifies must expire.
type MiniProgramCodeRequest struct {
	// Scene is passed to the page: 1 to 32 characters of 0-9 A-Z a-z !#$&'()*+,/:;=?@-._~ .
	Scene string
	// Page is the path of the page to open, without leading slash and query; empty means the home page.
	Page string
	// AnyPage accepts a page that the released version does not have (check_path false).
	AnyPage bool
	// Version is "release", "trial" or "develop"; empty means "release".
	Version string
	// Width is in pixels, 280 to 1280; 0 means 430.
	Width int
	// Transparent selects a transparent background; the image is then a PNG.
	Transparent bool
}

// Image is a picture that WeChat created.
type Image struct {
	Data []byte
	// ContentType is "image/jpeg" or "image/png", detected from the bytes and not from the header.
	ContentType string
}

// imageLimit limits a mini-program code. A JPEG of 1280 pixels has some 200 KB.
const imageLimit = 2 << 20

var errCodeRequest = errors.New("the scene, page, version or width is not what is documented")

// MiniProgramCode creates a mini-program code (POST /wxa/getwxacodeunlimit). WeChat allows 5000 a minute.
func (c *Client) MiniProgramCode(ctx context.Context, app App, request MiniProgramCodeRequest) (Image, error) {
	body, err := request.encode()
	if err != nil {
		return Image{}, &Error{API: apiMiniProgramCode, Class: ClassConfig, Cause: err}
	}
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()

	var image Image
	failure := c.exchangeWithToken(ctx, call{
		api: apiMiniProgramCode, app: app, method: http.MethodPost, path: "/wxa/getwxacodeunlimit", body: body, limit: imageLimit,
		decode: image.decode,
	})
	if failure != nil {
		return Image{}, failure
	}
	return image, nil
}

func (r MiniProgramCodeRequest) encode() ([]byte, error) {
	switch {
	case r.Scene == "" || len(r.Scene) > 32 || strings.IndexFunc(r.Scene, notSceneRune) >= 0,
		!isPage(r.Page), !isVersion(r.Version),
		r.Width != 0 && (r.Width < 280 || r.Width > 1280):
		return nil, errCodeRequest
	}
	return encodeJSON(struct {
		Scene       string `json:"scene"`
		Page        string `json:"page,omitempty"`
		CheckPath   bool   `json:"check_path"`
		Version     string `json:"env_version,omitempty"`
		Width       int    `json:"width,omitempty"`
		Transparent bool   `json:"is_hyaline,omitempty"`
	}{r.Scene, r.Page, !r.AnyPage, r.Version, r.Width, r.Transparent})
}

// isPage accepts the path of a page of a mini-program, and the empty path.
func isPage(path string) bool {
	return len(path) <= 1024 && !strings.HasPrefix(path, "/") && !strings.ContainsAny(path, "?#") && strings.IndexFunc(path, isControl) < 0
}

func isVersion(version string) bool {
	return version == "" || version == "release" || version == "trial" || version == "develop"
}

func notSceneRune(r rune) bool {
	letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
	return !letter && !strings.ContainsRune("!#$&'()*+,/:;=?@-._~", r)
}

// decode distinguishes an image from an error by its first bytes: WeChat's Content-Type has changed over the years.
func (i *Image) decode(body []byte) (status, error) {
	switch {
	case bytes.HasPrefix(body, []byte("\xff\xd8\xff")):
		*i = Image{Data: body, ContentType: "image/jpeg"}
		return status{}, nil
	case bytes.HasPrefix(body, []byte("\x89PNG")):
		*i = Image{Data: body, ContentType: "image/png"}
		return status{}, nil
	default:
		result, _ := decodeStatus(body)
		return result, errResponse
	}
}

// encodeJSON writes &, < and > without escapes: some of WeChat's calls reject the \u escapes (40033) that json.Marshal writes.
func encodeJSON(v any) ([]byte, error) {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buffer.Bytes(), []byte("\n")), nil
}
