package outbound

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"
)

// SignatureHeader is the header of the signature of a webhook.
const SignatureHeader = "Minifed-Signature"

// Sign returns the signature of a body for a webhook: "t=…,v1=…", with Unix seconds and, in hexadecimal, the HMAC-SHA-256 of those,
// a dot and the body under the secret that the receiver shares.
func Sign(secret, body []byte, now time.Time) string {
	at := strconv.FormatInt(now.Unix(), 10)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(at + "."))
	mac.Write(body)
	return "t=" + at + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}
