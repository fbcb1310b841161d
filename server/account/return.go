package account

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// ConsolePath is the prefix of the pages to which an operator comes back after a sign-in.
const ConsolePath = "/console/"

// maxReturn bounds the address of such a page.
const maxReturn = 1024

// returnCookie holds the address of a page of the console during a sign-in. A cookie survives all steps of the sign-in. It cannot
// lead to another site, because only paths of the console are accepted.
func returnCookie() endpoint.Cookie {
	return endpoint.Cookie{Suffix: ".return", Lifetime: 30 * time.Minute}
}

// SetReturn stores the page of the console to which the operator comes back after the sign-in. Any other address is ignored.
func SetReturn(w http.ResponseWriter, issuer *oauth2.Issuer, address string) {
	if !isConsole(address) {
		returnCookie().Clear(w, issuer)
		return
	}
	returnCookie().Set(w, issuer, base64.RawURLEncoding.EncodeToString([]byte(address)))
}

// isConsole reports whether an address is a page of the console on the same origin.
func isConsole(address string) bool {
	parsed, err := url.Parse(address)
	return err == nil && len(address) <= maxReturn && parsed.Scheme == "" && parsed.Host == "" && parsed.User == nil &&
		strings.HasPrefix(address, ConsolePath) && endpoint.IsCanonicalPath(&http.Request{URL: parsed})
}

// deviceReturnCookie holds the address of the page of a device during a sign-in.
func deviceReturnCookie() endpoint.Cookie {
	return endpoint.Cookie{Suffix: ".device-return", Lifetime: oauth2.DeviceCodeLifetime}
}

// SetDevice stores the sealed device to whose page the user comes back after the sign-in.
func SetDevice(w http.ResponseWriter, issuer *oauth2.Issuer, sealed string) {
	deviceReturnCookie().Set(w, issuer, sealed)
}

// ClearDevice forgets it.
func ClearDevice(w http.ResponseWriter, issuer *oauth2.Issuer) { deviceReturnCookie().Clear(w, issuer) }

const (
	// DevicePath is the page of a device.
	DevicePath = "/device"
	// DeviceParameter is its query parameter with the sealed device.
	DeviceParameter = "device"
)

// userHome returns where a user goes after a sign-in without an authorization request: the page of the device that the user came
// from, else the account page.
func userHome(w http.ResponseWriter, r *endpoint.Request) (path string, parameters []string) {
	sealed := deviceReturnCookie().Get(r.Request, r.Issuer)
	if sealed == "" {
		return endpoint.AccountPath, nil
	}
	deviceReturnCookie().Clear(w, r.Issuer)
	return DevicePath, []string{DeviceParameter, sealed}
}

// consoleHome returns where an operator goes after a sign-in without an authorization request, and whether the request is for the
// directory of operators at all.
func consoleHome(w http.ResponseWriter, r *endpoint.Request) (address string, operator bool) {
	if r.Issuer.Directory.ID != storage.OperatorsDirectory {
		return "", false
	}
	raw, err := base64.RawURLEncoding.DecodeString(returnCookie().Get(r.Request, r.Issuer))
	returnCookie().Clear(w, r.Issuer)
	if err != nil || !isConsole(string(raw)) {
		return ConsolePath, true
	}
	return string(raw), true
}

// RedirectTo redirects to a page of the admin address (RFC 9110 §15.4.4).
func RedirectTo(w http.ResponseWriter, address string) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Location", address)
	w.WriteHeader(http.StatusSeeOther)
}
