package wechattest

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"net/http"
	"slices"
	"strings"
)

// miniProgramCode is POST /wxa/getwxacodeunlimit. The picture is small and made from the scene, but no camera reads it.
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

func (r codeRequest) draw() reply {
	const modules, size = 16, 3
	bits := sha256.Sum256([]byte(r.Scene))
	picture := image.NewGray(image.Rect(0, 0, modules*size, modules*size))
	for y := range modules * size {
		for x := range modules * size {
			bit := y/size*modules + x/size
			if bits[bit/8]>>(bit%8)&1 == 0 {
				picture.SetGray(x, y, color.Gray{Y: 255})
			}
		}
	}
	var encoded bytes.Buffer
	if r.Transparent {
		_ = png.Encode(&encoded, picture) // a bytes.Buffer takes everything
		return reply{status: http.StatusOK, contentType: "image/png", body: encoded.Bytes()}
	}
	_ = jpeg.Encode(&encoded, picture, nil) // a bytes.Buffer takes everything
	return reply{status: http.StatusOK, contentType: "image/jpeg", body: encoded.Bytes()}
}
