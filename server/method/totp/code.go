package totp

import (
	"crypto/hmac"
	"crypto/sha1" // RFC 6238: authenticator apps support no other hash reliably.
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/url"
	"strings"
	"time"
)

const (
	// period is the length of a time step (RFC 6238 §4.1).
	period = 30 * time.Second
	// drift is the number of steps by which the clock of a phone may differ (RFC 6238 §5.2).
	drift      = 1
	digits     = 6
	secretSize = 20
)

// hotp returns the code of a counter (RFC 4226 §5.3).
func hotp(secret []byte, counter int64) string {
	mac := hmac.New(sha1.New, secret)
	_, _ = mac.Write(binary.BigEndian.AppendUint64(nil, uint64(counter))) // A hash does not fail.
	sum := mac.Sum(nil)
	offset := sum[len(sum)-1] & 0xf
	truncated := binary.BigEndian.Uint32(sum[offset:]) & 0x7fffffff
	return fmt.Sprintf("%0*d", digits, truncated%1_000_000)
}

// stepAt returns the time step of a point in time (RFC 6238 §4.2).
func stepAt(now time.Time) int64 { return now.Unix() / int64(period/time.Second) }

// acceptedStep returns the time step of a code: the current one or a neighbour, and later than the last used one.
func acceptedStep(secret []byte, code string, now time.Time, used int64) (step int64, accepted bool) {
	for at := stepAt(now) - drift; at <= stepAt(now)+drift; at++ {
		if at > used && subtle.ConstantTimeCompare([]byte(hotp(secret, at)), []byte(code)) == 1 {
			step, accepted = at, true
		}
	}
	return step, accepted
}

// secretText is the secret in the form that is typed into an app, in groups of four.
func secretText(secret []byte) string { return grouped(encodeSecret(secret), " ") }

func encodeSecret(secret []byte) string {
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(secret)
}

func grouped(text, between string) string {
	var groups []string
	for ; len(text) > 4; text = text[4:] {
		groups = append(groups, text[:4])
	}
	return strings.Join(append(groups, text), between)
}

// keyURI is the content of the QR code, which apps read (Key URI Format of Google Authenticator). The defaults for algorithm,
// digits and period are named, because some apps require them.
func keyURI(issuer, account string, secret []byte) string {
	issuer, account = escapeLabel(issuer), escapeLabel(account)
	return "otpauth://totp/" + issuer + ":" + account + "?secret=" + encodeSecret(secret) + "&issuer=" + issuer + "&algorithm=SHA1&digits=6&period=30"
}

// escapeLabel escapes a name for the path and for the query. A colon separates issuer and account.
func escapeLabel(name string) string {
	return strings.ReplaceAll(url.QueryEscape(strings.ReplaceAll(name, ":", " ")), "+", "%20")
}
