package onetimecode

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/server/account"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/outbound"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/storage"
)

const (
	purposeCaptcha = "captcha at "
	// captchaParameter is the parameter with the state, and proofParameter that with the signature of the operator's page.
	captchaParameter = "captcha"
	proofParameter   = "proof"
	captchaLife      = 10 * time.Minute
)

// captchaState is what is asked for when the browser comes back from the operator's page. It is bound to the browser and to the
// authorization request.
type captchaState struct {
	Address string `json:"a"`
	Scope   string `json:"s,omitempty"`
	Browser string `json:"b"`
	At      int64  `json:"t"`
}

// needsCaptcha reports whether a browser passes the operator's page first. Browsers that a user signed in with do not.
func (v *loginVisit) needsCaptcha(r *endpoint.Request) (bool, error) {
	if r.Issuer.Directory.CaptchaURL == "" {
		return false, nil
	}
	device, err := v.Passwords.Devices.Read(r)
	return !device.IsKnown(), err
}

// toCaptcha sends the browser to the operator's page, which sends it back to return_to with the parameter proof: the state signed by
// outbound.Sign.
func (v *loginVisit) toCaptcha(w http.ResponseWriter, r *endpoint.Request, address string) error {
	browser, err := v.Pages.CSRF.Browsers.Ensure(w, r)
	if err != nil {
		return err
	}
	text, err := json.Marshal(captchaState{address, account.InteractionID(v.p), browser, v.Now().Unix()})
	if err != nil {
		return err
	}
	state, err := v.Sealer.Seal(r.Context(), r.Issuer, purposeCaptcha+v.by.path, text)
	if err != nil {
		return err
	}
	to, err := url.Parse(r.Issuer.Directory.CaptchaURL)
	if err != nil {
		return fmt.Errorf("onetimecode: captcha_url: %w", err)
	}
	query := to.Query()
	query.Set("state", state)
	query.Set("return_to", page.LinksOf(r.Request, r.Issuer).To(v.by.path, captchaParameter, state))
	to.RawQuery = query.Encode()
	var locales []string
	if v.p != nil {
		locales = v.p.Request.UILocales()
	}
	return v.Pages.Onward(w, r, locales, to.String())
}

// fromCaptcha returns the address of a browser that comes back with a valid proof; false without one.
func (v *loginVisit) fromCaptcha(r *endpoint.Request) (address string, passed bool, err error) {
	given := r.URL.Query().Get(captchaParameter)
	text, err := v.Sealer.Open(r.Context(), r.Issuer, purposeCaptcha+v.by.path, given)
	if err != nil {
		return "", false, err
	}
	var state captchaState
	if json.Unmarshal(text, &state) != nil || storage.IsOver(time.Unix(state.At, 0).Add(captchaLife), captchaLife, v.Now()) ||
		state.Scope != account.InteractionID(v.p) || !endpoint.IsBrowser(r.Request, r.Issuer, state.Browser) {
		return "", false, endpoint.ErrInvalidEnvelope
	}
	directory := r.Issuer.Directory
	if directory.CaptchaURL == "" || directory.CaptchaKey == "" {
		return state.Address, false, nil
	}
	key, err := v.Master.Open(directory.CaptchaKey, keys.CaptchaKeyBinding(directory.ID))
	if err != nil {
		return "", false, fmt.Errorf("onetimecode: key of the captcha: %w", err)
	}
	return state.Address, outbound.Verify(key, []byte(given), r.URL.Query().Get(proofParameter), v.Now()), nil
}
