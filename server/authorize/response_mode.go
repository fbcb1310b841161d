package authorize

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
)

// maxRequestObject bounds, in bytes, a request object whose response_mode is read.
const maxRequestObject = 8 << 10

// responseModeOf returns the mode by which the response to an authorization request travels. Request objects are not supported,
// but the error that says so must travel by the mode that the client reads, and that mode may stand in the object alone (OpenID
// Connect Core §6.1). Nothing else of an object counts.
func responseModeOf(form url.Values) string {
	for _, mode := range []string{requestObjectMode(form), form.Get("response_mode")} {
		if mode == modeQuery || mode == modeFormPost {
			return mode
		}
	}
	return modeQuery
}

// requestObjectMode returns the response_mode of a request object; empty without one. The signature is not verified: the same
// parameter counts in the query, which has none.
func requestObjectMode(form url.Values) string {
	objects := form["request"]
	if len(objects) != 1 || len(objects[0]) > maxRequestObject {
		return ""
	}
	parts := strings.Split(objects[0], ".")
	if len(parts) != 3 {
		return ""
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return ""
	}
	var claims struct {
		ResponseMode string `json:"response_mode"`
	}
	if json.Unmarshal(payload, &claims) != nil {
		return ""
	}
	return claims.ResponseMode
}
