package wechattest

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"time"

	"github.com/minifed/minifed/wechat"
)

// OpenData is what a mini-program gets from the older calls that encrypt with the user's session key, for its server.
type OpenData struct {
	// RawData is the profile as text and Signature its SHA-1 with the session key; both are empty for a phone number.
	RawData   string `json:"rawData,omitempty"`
	Signature string `json:"signature,omitempty"`
	// EncryptedData and IV are base64.
	EncryptedData string `json:"encryptedData"`
	IV            string `json:"iv"`
}

// profile is what WeChat returns to every mini-program about every user since 2022: the same nickname and a grey picture.
type profile struct {
	OpenID    wechat.OpenID  `json:"openId,omitempty"`
	NickName  string         `json:"nickName"`
	Gender    int            `json:"gender"`
	Language  string         `json:"language"`
	City      string         `json:"city"`
	Province  string         `json:"province"`
	Country   string         `json:"country"`
	AvatarURL string         `json:"avatarUrl"`
	UnionID   wechat.UnionID `json:"unionId,omitempty"`
	Watermark *watermark     `json:"watermark,omitempty"`
}

// UserInfo is wx.getUserInfo with credentials: a profile, encrypted with the user's current session key.
func (a *App) UserInfo(user string) OpenData {
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	shown := profile{NickName: "微信用户", Language: "zh_CN", AvatarURL: "https://thirdwx.qlogo.cn/mmopen/vi_32/simulated/132"}
	raw := encodeJSON(shown)
	shown.OpenID, shown.UnionID, shown.Watermark = a.openID(user), a.unionID(user), a.watermark()
	data := a.encrypt(user, shown)
	sum := sha1.Sum([]byte(string(raw) + a.sessions[user].key))
	data.RawData, data.Signature = string(raw), hex.EncodeToString(sum[:])
	return data
}

// EncryptedPhone is the phone number button of the older kind: the number, encrypted with the user's current session key.
func (a *App) EncryptedPhone(user string) OpenData {
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	return a.encrypt(user, newPhoneInfo(a.server.phone(user), a.id, a.server.now().Unix()))
}

func (a *App) watermark() *watermark { return &watermark{a.server.now().Unix(), a.id} }

// encrypt is AES-128-CBC with PKCS #7. A user who never logged in gets a session key. It is called with server.mu held.
func (a *App) encrypt(user string, v any) OpenData {
	a.users[a.openID(user)] = user
	if current := a.sessions[user]; current == nil || !a.server.now().Before(current.expires) {
		a.rotateSession(user)
	}
	key, _ := base64.StdEncoding.DecodeString(a.sessions[user].key) // from newSessionKey
	block, _ := aes.NewCipher(key)                                  // 16 bytes are a key
	iv := make([]byte, aes.BlockSize)
	_, _ = rand.Read(iv) // never fails (crypto/rand)
	plain := encodeJSON(v)
	pad := aes.BlockSize - len(plain)%aes.BlockSize
	plain = append(plain, bytes.Repeat([]byte{byte(pad)}, pad)...)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(plain, plain)
	data := OpenData{EncryptedData: base64.StdEncoding.EncodeToString(plain), IV: base64.StdEncoding.EncodeToString(iv)}
	sum := sha256.Sum256([]byte(data.EncryptedData))
	a.encrypted[hex.EncodeToString(sum[:])] = a.server.now()
	return data
}

func encodeJSON(v any) []byte {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(v) // structs of strings and numbers
	return bytes.TrimSpace(text.Bytes())
}

// encryptedMemory is how long WeChat knows what it encrypted.
const encryptedMemory = 3 * 24 * time.Hour

// checkEncryptedMessage is POST /wxa/business/checkencryptedmsg. Its member is spelled "vaild".
func (s *Server) checkEncryptedMessage(in *incoming) reply {
	if answer, ok := s.postedWithToken(in); !ok {
		return answer
	}
	at, known := in.app.encrypted[in.encryptedHash()]
	valid := known && s.now().Sub(at) <= encryptedMemory
	created := int64(0)
	if valid {
		created = at.Unix()
	}
	return in.success(struct {
		status
		Valid   bool  `json:"vaild"`
		Created int64 `json:"create_time"`
	}{okAnswer(), valid, created})
}

// encryptedHash is a member of a form or of JSON.
func (in *incoming) encryptedHash() string {
	if form, err := url.ParseQuery(string(in.Body)); err == nil && form.Has("encrypted_msg_hash") {
		return form.Get("encrypted_msg_hash")
	}
	return in.fields().EncryptedHash
}
