package wechattest

import (
	"bytes"
	"net/http"

	"github.com/minifed/minifed/wechat"
)

// phoneNumber is POST /wxa/business/getuserphonenumber. A code of another app is 40013 here, any other bad code 40029.
func (s *Server) phoneNumber(in *incoming) reply {
	if answer, ok := s.postedWithToken(in); !ok {
		return answer
	}
	fields := in.fields()
	if !fields.valid {
		return in.failure(47001)
	}
	if fields.Code == "" {
		return in.failure(41008)
	}
	if c := s.codes[fields.Code]; c != nil && c.kind == phoneCode && c.app != in.app {
		return in.failure(40013)
	}
	c, errcode := s.spend(fields.Code, phoneCode, in.app)
	if errcode != 0 {
		return in.failure(40029)
	}
	return in.success(struct {
		status
		Info phoneInfo `json:"phone_info"`
	}{okAnswer(), newPhoneInfo(s.phone(c.user), in.app.id, c.issued.Unix())})
}

type phoneInfo struct {
	Number      string    `json:"phoneNumber"`
	PureNumber  string    `json:"purePhoneNumber"`
	CountryCode string    `json:"countryCode"`
	Watermark   watermark `json:"watermark"`
}

type watermark struct {
	Timestamp int64        `json:"timestamp"`
	AppID     wechat.AppID `json:"appid"`
}

// newPhoneInfo writes a number as WeChat does: phoneNumber has the calling code only outside of mainland China, and the
// watermark has the time when the user tapped the button.
func newPhoneInfo(number wechat.PhoneNumber, app wechat.AppID, tapped int64) phoneInfo {
	full := number.PureNumber
	if number.CountryCode != "86" {
		full = "+" + number.CountryCode + number.PureNumber
	}
	return phoneInfo{full, number.PureNumber, number.CountryCode, watermark{tapped, app}}
}

// postedWithToken checks what all POSTs to /wxa/ have in common: a Content-Length (412 without), the method, the token, and
// JSON without \u escapes.
func (s *Server) postedWithToken(in *incoming) (reply, bool) {
	if in.chunked {
		return reply{status: http.StatusPreconditionFailed, contentType: "text/plain", body: []byte("Precondition Failed")}, false
	}
	if in.Method != http.MethodPost {
		return in.failure(43002), false
	}
	if errcode := s.tokenErrcode(in); errcode != 0 {
		return in.failure(errcode), false
	}
	if bytes.Contains(in.Body, []byte(`\u`)) {
		return in.failure(40033), false
	}
	return reply{}, true
}
