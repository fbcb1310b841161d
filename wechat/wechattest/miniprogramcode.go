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
	"slices"
	"strings"
)

// miniProgramCode is POST /wxa/getwxacodeunlimit. The picture depends on the scene, but no camera can read it.
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
	return request.draw()
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
func (r codeRequest) draw() reply {
	var encoded bytes.Buffer
	if r.Transparent {
		_ = png.Encode(&encoded, r.picture(color.RGBA{})) // a bytes.Buffer takes everything
	} else {
		_ = jpeg.Encode(&encoded, r.picture(color.RGBA{R: 255, G: 255, B: 255, A: 255}), nil) // a bytes.Buffer takes everything
	}
	return reply{status: http.StatusOK, contentType: "image/jpeg", body: encoded.Bytes()}
}

// picture has the bits of the scene's digest as squares.
func (r codeRequest) picture(background color.RGBA) image.Image {
	const modules = 16
	bits := sha256.Sum256([]byte(r.Scene))
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
