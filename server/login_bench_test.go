package server_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat"
)

// oneUser is a WeChat with one user. It accepts every code, and returns at once.
type oneUser struct{ noWeChat }

func (oneUser) Code2Session(context.Context, wechat.App, string) (wechat.Session, error) {
	return wechat.Session{OpenID: "oBenchUser0000000000000000000", UnionID: "uBenchUser0000000000000000000"}, nil
}

// miniapp creates the client "mini", the backend of a mini-program, and returns the form of a login of its one user.
func (b *benchServer) miniapp() func() string {
	b.Helper()
	master := must(preparedKeys.master())(b)
	must(storage.Insert(b.Context(), b.engine, storage.Client{
		Directory: "default", ID: "mini", Kind: storage.ClientMiniapp, AuthMethod: "client_secret_basic", Secrets: []string{fastHash(secretOfMini)},
		IDTokenAlgorithm: "ES256", CreatedAt: time.Now(), Federation: &storage.Federation{
			AppID: "wxsimbench", OpenPlatform: "bench",
			AppSecret: must(master.Seal([]byte("secret"), keys.AppSecretBinding("default", "mini")))(b),
		},
	}))(b)
	return func() string {
		return url.Values{
			"grant_type": {grants.GrantType}, "subject_token_type": {grants.SubjectTokenType}, "subject_token": {rand.Text()},
		}.Encode()
	}
}

// signTwice signs an access token and an ID token.
func (b *benchServer) signTwice() {
	for _, typ := range []string{"at+jwt", "JWT"} {
		must(b.ring.Sign(b.Context(), "default", "ES256", typ, []byte(benchClaims)))(b)
	}
}

// BenchmarkMiniProgramLogin measures the login of a known user, without the network and with a WeChat that takes no time. Its
// floor is its two signatures.
func BenchmarkMiniProgramLogin(bench *testing.B) {
	b := newBenchServer(bench)
	form := b.miniapp()
	b.reportWithFloor(bench, b.signTwice, func() int { return b.post("mini", "/oauth2/token", form()).Code })
}

// BenchmarkRefresh measures a refresh, which rotates the token. Its floor is its two signatures.
func BenchmarkRefresh(bench *testing.B) {
	b := newBenchServer(bench)
	body := b.miniapp()()
	b.reportWithFloor(bench, b.signTwice, func() int {
		answer := b.post("mini", "/oauth2/token", body)
		var tokens struct {
			Refresh string `json:"refresh_token"`
		}
		if answer.Code == http.StatusOK {
			check(bench, json.Unmarshal(answer.Body.Bytes(), &tokens))
			body = url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens.Refresh}}.Encode()
		}
		return answer.Code
	})
}
