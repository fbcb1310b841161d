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

// generateURLLink is POST /wxa/generate_urllink. No mini-program opens at the link.
func (s *Server) generateURLLink(in *incoming) reply {
	if answer, ok := s.checkLink(in); !ok {
		return answer
	}
	return in.success(struct {
		status
		Link string `json:"url_link"`
	}{okAnswer(), "https://wxaurl.cn/" + randomText(base62Digits, 11)})
}

// generateScheme is POST /wxa/generatescheme. No mini-program opens at the link.
func (s *Server) generateScheme(in *incoming) reply {
	if answer, ok := s.checkLink(in); !ok {
		return answer
	}
	return in.success(struct {
		status
		Link string `json:"openlink"`
	}{okAnswer(), "weixin://dl/business/?t=" + randomText(base62Digits, 11)})
}

func (s *Server) checkLink(in *incoming) (reply, bool) {
	if answer, ok := s.postedWithToken(in); !ok {
		return answer, false
	}
	var request linkRequest
	if json.Unmarshal(in.Body, &request) != nil {
		return in.failure(47001), false
	}
	target := request.linkTarget
	if request.Jump != nil {
		target = *request.Jump
	}
	if errcode := target.errcode(in.app.pages); errcode != 0 {
		return in.failure(errcode), false
	}
	if !request.expires(s.now()) {
		return in.failure(85401), false
	}
	return reply{}, true
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

// expires reports whether the time of expiry is between one minute and 30 days away; without one it is 30 days.
func (r linkRequest) expires(now time.Time) bool {
	var left time.Duration
	switch {
	case r.ExpireType == 1 && r.ExpireInterval != 0:
		left = time.Duration(r.ExpireInterval) * 24 * time.Hour
	case r.ExpireType == 0 && r.ExpireTime != 0:
		left = time.Unix(r.ExpireTime, 0).Sub(now)
	case r.ExpireType == 0:
		return true
	}
	return left >= time.Minute && left <= longestLink
}
