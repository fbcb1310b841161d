package miniprogram

import (
	"encoding/json"
	"net/url"
)

const federation = "/federation/wechat/miniapp/"

// call is one request to minifed.
type call struct {
	endpoint, contentType, body string
	// tokens is whether a success has tokens.
	tokens bool
}

// route returns the request to minifed for what the mini-program sent, and false if it is not valid.
type route func(sent map[string]any) (call, bool)

func routes(phoneScope string) map[string]route {
	return map[string]route{
		"login":    object("profile", nil, true, "code", "user", "terms_version"),
		"phone":    object("profile", map[string]any{"scope": phoneScope}, true, "code", "phone_code", "terms_version"),
		"refresh":  refresh,
		"bind":     chosen("method", bindings()),
		"scan":     chosen("action", scans()),
		"hand-off": object("hand-off", nil, false, "access_token", "target_client_id", "state"),
	}
}

// bindings are the methods of binding.
func bindings() map[string]route {
	return map[string]route{
		"register": object("bindUser", map[string]any{"method": "register"}, true, "code", "bind_ticket", "user", "terms_version"),
		"phone":    object("bindUser", map[string]any{"method": "phone"}, true, "code", "bind_ticket", "phone_code", "terms_version"),
		"password": object("bindUser", map[string]any{"method": "password"}, true, "code", "bind_ticket", "username", "password", "terms_version"),
		"session":  object("bindUser", map[string]any{"method": "session"}, true, "code", "bind_ticket", "access_token", "terms_version"),
	}
}

// scans are the actions on the sign-in of a browser.
func scans() map[string]route {
	return map[string]route{
		"seen":    object("scan/seen", nil, false, "scene", "attempt", "country"),
		"approve": object("scan/approve", nil, true, "scene", "code", "number", "confirmed"),
		"deny":    object("scan/deny", nil, false, "scene"),
	}
}

// object sends the named members, and no other, as JSON.
func object(endpoint string, fixed map[string]any, tokens bool, names ...string) route {
	return func(sent map[string]any) (call, bool) {
		body := map[string]any{}
		for _, name := range names {
			if value, present := sent[name]; present {
				body[name] = value
			}
		}
		for name, value := range fixed {
			body[name] = value
		}
		content, err := json.Marshal(body)
		return call{endpoint: federation + endpoint, contentType: "application/json", body: string(content), tokens: tokens}, err == nil
	}
}

// chosen lets a member decide the route.
func chosen(member string, by map[string]route) route {
	return func(sent map[string]any) (call, bool) {
		name, _ := sent[member].(string)
		build, known := by[name]
		if !known {
			return call{}, false
		}
		return build(sent)
	}
}

func refresh(sent map[string]any) (call, bool) {
	token, ok := sent["refresh_token"].(string)
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
	return call{endpoint: "/oauth2/token", contentType: "application/x-www-form-urlencoded", body: form.Encode(), tokens: true}, ok
}
