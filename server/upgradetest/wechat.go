package upgradetest

import (
	"encoding/json"
	"net/http"
	"strings"
)

// fakeWeChat takes a code "OPENID.UNIONID.anything" for that user. The simulator of package wechattest chooses OpenIDs itself, so it
// cannot play the users of a store that exists.
func fakeWeChat(w http.ResponseWriter, r *http.Request) {
	response := map[string]any{"errcode": 40029, "errmsg": "invalid code"}
	openID, rest, _ := strings.Cut(r.URL.Query().Get("js_code"), ".")
	unionID, _, ok := strings.Cut(rest, ".")
	if ok && r.URL.Path == "/sns/jscode2session" {
		response = map[string]any{"openid": openID, "session_key": "AAAAAAAAAAAAAAAAAAAAAA=="}
		if unionID != "" {
			response["unionid"] = unionID
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(response)
}
