package wechattest

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// linkTarget is the page that a URL link or a URL scheme opens.
type linkTarget struct {
	Path    string `json:"path"`
	Query   string `json:"query"`
	Version string `json:"env_version"`
}

// linkRequest is the body of generate_urllink, which has the target at its top, and of generatescheme.
type linkRequest struct {
	linkTarget
	Jump           *linkTarget `json:"jump_wxa"`
	ExpireType     int         `json:"expire_type"`
	ExpireTime     int64       `json:"expire_time"`
	ExpireInterval int         `json:"expire_interval"` // days
}

const longestLink = 30 * 24 * time.Hour

// generateURLLink is POST /wxa/generate_urllink. Server.OpenLink opens the link.
func (s *Server) generateURLLink(in *incoming) reply {
	request, answer, ok := s.checkLink(in)
	if !ok {
		return answer
	}
	link := "https://wxaurl.cn/" + randomText(base62Digits, 11)
	s.linked(link, request.target(), in.app.id, request.until(s.now()))
	return in.success(struct {
		status
		Link string `json:"url_link"`
	}{okAnswer(), link})
}

// generateScheme is POST /wxa/generatescheme. No mini-program opens at the link.
func (s *Server) generateScheme(in *incoming) reply {
	if _, answer, ok := s.checkLink(in); !ok {
		return answer
	}
	return in.success(struct {
		status
		Link string `json:"openlink"`
	}{okAnswer(), "weixin://dl/business/?t=" + randomText(base62Digits, 11)})
}

func (s *Server) checkLink(in *incoming) (linkRequest, reply, bool) {
	var request linkRequest
	if answer, ok := s.postedWithToken(in); !ok {
		return request, answer, false
	}
	if json.Unmarshal(in.Body, &request) != nil {
		return request, in.failure(47001), false
	}
	if errcode := request.target().errcode(in.app.pages); errcode != 0 {
		return request, in.failure(errcode), false
	}
	if !request.expires(s.now()) {
		return request, in.failure(85401), false
	}
	if errcode := in.app.count(in.API); errcode != 0 {
		return request, in.failure(errcode), false
	}
	return request, reply{}, true
}

// target is the page that the link opens.
func (r linkRequest) target() linkTarget {
	if r.Jump != nil {
		return *r.Jump
	}
	return r.linkTarget
}

func (t linkTarget) errcode(pages []string) int {
	path := strings.TrimPrefix(t.Path, "/")
	switch {
	case strings.Contains(path, "?"), path != "" && pages != nil && !slices.Contains(pages, path):
		return 40165
	case len(t.Query) > 1024, strings.Trim(t.Query, base62Digits+"!#$&'()*+,/:;=?@-._~%") != "":
		return 40212
	case t.Version != "" && !slices.Contains([]string{"release", "trial", "develop"}, t.Version):
		return 85402
	default:
		return 0
	}
}

// expires reports whether the time of expiry is between one minute and 30 days away.
func (r linkRequest) expires(now time.Time) bool {
	left := r.until(now).Sub(now)
	return left >= time.Minute && left <= longestLink
}

// until is the time of expiry; without one it is in 30 days.
func (r linkRequest) until(now time.Time) time.Time {
	switch {
	case r.ExpireType == 1:
		return now.Add(time.Duration(r.ExpireInterval) * 24 * time.Hour)
	case r.ExpireTime != 0:
		return time.Unix(r.ExpireTime, 0)
	default:
		return now.Add(longestLink)
	}
}
