package wechat

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
)

// PhoneNumber spends the code of a phone number button and returns the number that WeChat verified (POST
// /wxa/business/getuserphonenumber). The code differs from a login code, and is valid for five minutes and one use. The
// response must be for this app.
func (c *Client) PhoneNumber(ctx context.Context, app App, code string) (PhoneNumber, error) {
	if !bounded(code, maxCode) {
		return PhoneNumber{}, &Error{API: apiPhoneNumber, Class: ClassCode, Cause: errCode}
	}
	body, err := encodeJSON(map[string]string{"code": code})
	if err != nil {
		return PhoneNumber{}, &Error{API: apiPhoneNumber, Class: ClassCode, Cause: errCode}
	}
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()

	result := phoneResponse{app: app.ID}
	failure := c.exchangeWithToken(ctx, call{
		api: apiPhoneNumber, app: app, method: http.MethodPost, path: "/wxa/business/getuserphonenumber", body: body, decode: result.decode,
	})
	if failure != nil {
		return PhoneNumber{}, failure
	}
	return result.Info.number(), nil
}

type phoneResponse struct {
	status
	Info phoneInfo `json:"phone_info"`

	app AppID
}

func (a *phoneResponse) decode(body []byte) (status, error) {
	*a = phoneResponse{app: a.app}
	if err := json.Unmarshal(body, a); err != nil {
		return a.status, err
	}
	if a.Info.Watermark.AppID != a.app || !a.Info.plausible() {
		return a.status, errResponse
	}
	return a.status, nil
}

// phoneInfo is a phone number in WeChat's format, both in the response of getuserphonenumber and in encryptedData.
type phoneInfo struct {
	PureNumber  string    `json:"purePhoneNumber"`
	CountryCode digits    `json:"countryCode"`
	Watermark   watermark `json:"watermark"`
}

// watermark holds the app and the time of WeChat's data.
type watermark struct {
	AppID     AppID `json:"appid"`
	Timestamp int64 `json:"timestamp"`
}

func (p phoneInfo) number() PhoneNumber {
	return PhoneNumber{CountryCode: string(p.CountryCode), PureNumber: p.PureNumber}
}

// plausible reports whether both parts are digits that fit E.164 (at most 15 together).
func (p phoneInfo) plausible() bool {
	return allDigits(string(p.CountryCode)) && allDigits(p.PureNumber) && len(p.CountryCode) <= 4 && len(p.CountryCode)+len(p.PureNumber) <= 15
}

func allDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// digits is a string of digits, or as WeChat's sample has it, a number.
type digits string

// UnmarshalJSON reads "86" and 86.
func (d *digits) UnmarshalJSON(raw []byte) error {
	s := strings.Trim(string(raw), `"`)
	if !allDigits(s) {
		return errResponse
	}
	*d = digits(s)
	return nil
}
