package wechattest

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"image/png"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/minifed/minifed/wechat"
)

// miniProgramCode is POST /wxa/getwxacodeunlimit. Server.ReadPicture reads the picture.
func (s *Server) miniProgramCode(in *incoming) reply {
	if answer, ok := s.postedWithToken(in); !ok {
		return answer
	}
	request := codeRequest{CheckPath: true, Version: "release", Width: 430}
	if json.Unmarshal(in.Body, &request) != nil {
		return in.failure(40169)
	}
	if errcode := request.errcode(in.app.pages); errcode != 0 {
		return in.failure(errcode)
	}
	if errcode := in.app.count(in.API); errcode != 0 {
		return in.failure(errcode)
	}
	s.drawn(request.bits(in.app.id), Opened{
		AppID: in.app.id, Page: request.Page, Version: request.Version, Scene: request.Scene, Query: "scene=" + url.QueryEscape(request.Scene),
	})
	return request.draw(in.app.id)
}

type codeRequest struct {
	Scene       string `json:"scene"`
	Page        string `json:"page"`
	CheckPath   bool   `json:"check_path"`
	Version     string `json:"env_version"`
	Width       int    `json:"width"`
	Transparent bool   `json:"is_hyaline"`
}

func (r codeRequest) errcode(pages []string) int {
	switch {
	case r.Scene == "" || len(r.Scene) > 32:
		return 40169
	case strings.Trim(r.Scene, base62Digits+"!#$&'()*+,/:;=?@-._~") != "":
		return 40129
	case strings.HasPrefix(r.Page, "/") || strings.Contains(r.Page, "?"):
		return 41030
	case r.CheckPath && r.Page != "" && pages != nil && !slices.Contains(pages, r.Page):
		return 41030
	case r.Width < 280 || r.Width > 1280, !slices.Contains([]string{"release", "trial", "develop"}, r.Version):
		return 40097
	default:
		return 0
	}
}

// draw returns a picture of the requested width. Its type is always image/jpeg, although is_hyaline selects PNG, the format
// that can be transparent.
func (r codeRequest) draw(app wechat.AppID) reply {
	var encoded bytes.Buffer
	if r.Transparent {
		_ = png.Encode(&encoded, r.picture(app, color.RGBA{})) // a bytes.Buffer takes everything
	} else {
		_ = jpeg.Encode(&encoded, r.picture(app, color.RGBA{R: 255, G: 255, B: 255, A: 255}), nil) // a bytes.Buffer takes everything
	}
	return reply{status: http.StatusOK, contentType: "image/jpeg", body: encoded.Bytes()}
}

// bits is the content of the picture: a digest of what it opens.
func (r codeRequest) bits(app wechat.AppID) [codeModules * codeModules / 8]byte {
	return sha256.Sum256([]byte(strings.Join([]string{string(app), r.Page, r.Version, r.Scene}, "\x00")))
}

// picture has the bits as squares.
func (r codeRequest) picture(app wechat.AppID, background color.RGBA) image.Image {
	const modules = codeModules
	bits := r.bits(app)
	picture := image.NewRGBA(image.Rect(0, 0, r.Width, r.Width))
	draw.Draw(picture, picture.Bounds(), image.NewUniform(background), image.Point{}, draw.Src)
	for bit := range modules * modules {
		if bits[bit/8]>>(bit%8)&1 == 0 {
			continue
		}
		x, y := bit%modules, bit/modules
		square := image.Rect(x*r.Width/modules, y*r.Width/modules, (x+1)*r.Width/modules, (y+1)*r.Width/modules)
		draw.Draw(picture, square, image.Black, image.Point{}, draw.Src)
	}
	return picture
}
