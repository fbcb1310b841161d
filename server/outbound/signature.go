package outbound

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"
)

// SignatureHeader is the header of the signature of a webhook.
const SignatureHeader = "Minifed-Signature"

// signatureLife is how far the time of a signature may be from now.
const signatureLife = 5 * time.Minute

// Verify reports whether a signature is one of Sign, and not old.
func Verify(secret, body []byte, signature string, now time.Time) bool {
	seconds, _, found := strings.Cut(strings.TrimPrefix(signature, "t="), ",")
	at, err := strconv.ParseInt(seconds, 10, 64)
	if !found || err != nil || now.Sub(time.Unix(at, 0)).Abs() > signatureLife {
		return false
	}
	return hmac.Equal([]byte(signature), []byte(Sign(secret, body, time.Unix(at, 0))))
}

// Sign returns the signature of a body for a webhook: "t=…,v1=…", with Unix seconds and, in hexadecimal, the HMAC-SHA-256 of those,
// a dot and the body under the secret that the receiver shares.
func Sign(secret, body []byte, now time.Time) string {
	at := strconv.FormatInt(now.Unix(), 10)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(at + "."))
	mac.Write(body)
	return "t=" + at + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}
