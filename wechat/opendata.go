package wechat

import (
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"
)

// OpenData is what a mini-program's older calls return for its server: JSON encrypted with the session key. It is not
// authenticated, so anyone who has a session key can forge it.
type OpenData struct {
	// EncryptedData and IV are base64, as the mini-program got them.
	EncryptedData string
	IV            string
}

// ErrOpenData is the one error of open data: a replaced key, the data of another app, or forged data.
var ErrOpenData = errors.New("wechat: open data cannot be decrypted or is not for this app")

// openDataLimit bounds encryptedData. Real ones have a few hundred bytes.
const openDataLimit = 64 << 10

// Decrypt opens open data with a user's session key (AES-128-CBC, PKCS #7) and returns its JSON. Its watermark must name app
// and be no older than oldest; the zero time accepts any age.
func (d OpenData) Decrypt(app AppID, key SessionKey, oldest time.Time) (json.RawMessage, error) {
	secret, err := base64.StdEncoding.DecodeString(string(key))
	if err != nil || len(secret) != 16 || len(d.EncryptedData) > openDataLimit {
		return nil, ErrOpenData
	}
	iv, err := base64.StdEncoding.DecodeString(d.IV)
	if err != nil {
		return nil, ErrOpenData
	}
	plain, err := openCBC(d.EncryptedData, secret, iv, 16)
	if err != nil {
		return nil, ErrOpenData
	}
	var marked struct {
		Watermark watermark `json:"watermark"`
	}
	if json.Unmarshal(plain, &marked) != nil || marked.Watermark.AppID != app || app == "" {
		return nil, ErrOpenData
	}
	if !oldest.IsZero() && time.Unix(marked.Watermark.Timestamp, 0).Before(oldest) {
		return nil, ErrOpenData
	}
	return plain, nil
}

// DecryptPhoneNumber opens the open data of a phone number button of the older kind.
func (d OpenData) DecryptPhoneNumber(app AppID, key SessionKey, oldest time.Time) (PhoneNumber, error) {
	plain, err := d.Decrypt(app, key, oldest)
	if err != nil {
		return PhoneNumber{}, err
	}
	var info phoneInfo
	if json.Unmarshal(plain, &info) != nil || !info.plausible() {
		return PhoneNumber{}, ErrOpenData
	}
	return info.number(), nil
}

// VerifyRawData reports whether signature is the one that WeChat gave with rawData: the SHA-1 of its exact bytes and the session
// key's base64 text, in lower-case hexadecimal.
func VerifyRawData(rawData, signature string, key SessionKey) bool {
	sum := sha1.Sum([]byte(rawData + string(key)))
	return subtle.ConstantTimeCompare([]byte(hex.EncodeToString(sum[:])), []byte(signature)) == 1
}
