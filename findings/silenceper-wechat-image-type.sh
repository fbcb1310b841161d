#!/bin/sh
# silenceper/wechat v2.1.10 (Go) returns a mini-program code picture only for exactly Content-Type: image/jpeg.
# Another type, or upper-case letters, which RFC 9110 section 8.3.1 allows, give an error without the picture. Matters for
# simulators and proxies of WeChat's API.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
cat > main.go <<'EOF'
package main

import ("fmt"; "io"; "net/http"; "strings")
import (
	"github.com/silenceper/wechat/v2"
	"github.com/silenceper/wechat/v2/cache"
	"github.com/silenceper/wechat/v2/miniprogram/config"
	"github.com/silenceper/wechat/v2/miniprogram/qrcode"
)
type stub struct{ contentType string }
func (s stub) RoundTrip(r *http.Request) (*http.Response, error) {
	body, contentType := "picture", s.contentType
	if strings.HasPrefix(r.URL.Path, "/cgi-bin/") {
		body, contentType = `{"access_token":"token","expires_in":7200}`, "application/json"
	}
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {contentType}}, Body: io.NopCloser(strings.NewReader(body))}, nil
}
func main() {
	for _, contentType := range []string{"image/jpeg", "Image/JPEG", "image/png"} {
		sdk := wechat.NewWechat()
		sdk.SetHTTPClient(&http.Client{Transport: stub{contentType}})
		mini := sdk.GetMiniProgram(&config.Config{AppID: "wx0123456789abcdef", AppSecret: "secret", Cache: cache.NewMemory()})
		picture, err := mini.GetQRCode().GetWXACodeUnlimit(qrcode.QRCoder{Scene: "a=1"})
		fmt.Printf("%s: %q, error %t\n", contentType, picture, err != nil)
	}
}
EOF
go mod init finding 2> log.txt && go get github.com/silenceper/wechat/v2@v2.1.10 2>> log.txt && go mod tidy 2>> log.txt || { cat log.txt; exit 1; }
go run . | tee seen.txt
cat > want.txt <<'EOF'
image/jpeg: "picture", error false
Image/JPEG: "", error true
image/png: "", error true
EOF
diff want.txt seen.txt || { echo "CHANGED"; exit 1; }
