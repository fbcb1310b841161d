package authorize

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
)

// maxRequestObject bounds the size of a request object whose response_mode is read.
const maxRequestObject = 8 << 10

// responseModeOf returns the response mode of an authorization request. Request objects are rejected, but the error must use
// the mode that the client expects, which may be in the object only (OpenID Connect Core §6.1). Nothing else of an object is
// read.
func responseModeOf(form url.Values) string {
	for _, mode := range []string{requestObjectMode(form), form.Get("response_mode")} {
		if mode == modeQuery || mode == modeFormPost {
			return mode
		}
	}
	return modeQuery
}

// requestObjectMode returns the response_mode of a request object, or an empty string. It does not verify the signature,
// because the parameter in the query has none either.
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
