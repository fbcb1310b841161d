package wechattest

import (
	"regexp"
	"time"
)

// rids are stored for seven days.
const ridMemory = 7 * 24 * time.Hour

// getRID is POST /cgi-bin/openapi/rid/get: it returns the failed request of the app that a trace ID belongs to.
func (s *Server) getRID(in *incoming) reply {
	if answer, ok := s.postedWithToken(in); !ok {
		return answer
	}
	rid := in.fields().RID
	if !regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{8}){2}$`).MatchString(rid) {
		return in.failure(76002)
	}
	found := s.byRID(rid)
	switch {
	case found == nil:
		return in.failure(76001)
	case found.AppID != in.app.id:
		return in.failure(76003)
	case s.now().Sub(found.At) > ridMemory:
		return in.failure(76004)
	}
	type request struct {
		InvokeTime int64  `json:"invoke_time"`
		Cost       int64  `json:"cost_in_ms"`
		URL        string `json:"request_url"`
		Body       string `json:"request_body"`
		Response   string `json:"response_body"`
		ClientIP   string `json:"client_ip"`
	}
	return in.success(struct {
		status
		Request request `json:"request"`
	}{okAnswer(), request{found.At.Unix(), 1, found.Query.Encode(), string(found.Body), found.response, found.clientIP}})
}

func (s *Server) byRID(rid string) *Request {
	for i := len(s.log) - 1; i >= 0; i-- {
		if s.log[i].RID == rid {
			return s.log[i]
		}
	}
	return nil
}
