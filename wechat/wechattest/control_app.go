package wechattest

import (
	"cmp"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/minifed/minifed/wechat"
)

func controlPlugin(app *App, r *http.Request) (controlAnswer, error) {
	user := r.FormValue("user")
	if user == "" {
		return controlAnswer{}, errNoUser
	}
	code := app.PluginLogin(user)
	return controlAnswer{code, map[string]string{"code": code}}, nil
}

func controlPay(app *App, r *http.Request) (controlAnswer, error) {
	user := r.FormValue("user")
	if user == "" {
		return controlAnswer{}, errNoUser
	}
	transaction := app.Pay(user)
	return controlAnswer{transaction, map[string]string{"transaction_id": transaction}}, nil
}

func controlOpenData(app *App, r *http.Request) (controlAnswer, error) {
	user := r.FormValue("user")
	if user == "" {
		return controlAnswer{}, errNoUser
	}
	switch r.FormValue("kind") {
	case "", "user":
		return controlAnswer{json: app.UserInfo(user)}, nil
	case "phone":
		return controlAnswer{json: app.EncryptedPhone(user)}, nil
	default:
		return controlAnswer{}, errors.New("wechattest: kind is user or phone")
	}
}

func controlSecret(app *App, r *http.Request) (controlAnswer, error) {
	app.SetSecret(wechat.AppSecret(cmp.Or(r.FormValue("secret"), randomText(hexDigits, 32))))
	return app.describe(), nil
}

func controlPages(app *App, r *http.Request) (controlAnswer, error) {
	_ = r.FormValue("page") // parses the form
	app.SetPages(r.Form["page"]...)
	return controlAnswer{}, nil
}

func controlLimits(app *App, r *http.Request) (controlAnswer, error) {
	api := API(r.FormValue("api"))
	if app.server.handler(api) == nil {
		return controlAnswer{}, errors.New("wechattest: api is the path of a simulated call such as " + string(Code2Session))
	}
	var limit Limit
	if parseNumber(r.FormValue("minute"), &limit.PerMinute) != nil || parseNumber(r.FormValue("day"), &limit.PerDay) != nil {
		return controlAnswer{}, errors.New("wechattest: minute and day are numbers")
	}
	app.SetLimit(api, limit)
	return controlAnswer{}, nil
}

func controlPush(app *App, r *http.Request) (controlAnswer, error) {
	push := Push{
		URL: r.FormValue("url"), Token: r.FormValue("token"), EncodingAESKey: r.FormValue("key"),
		Event: r.FormValue("event"), User: r.FormValue("user"), XML: r.FormValue("xml") == "true",
		Plain: r.FormValue("plain") == "true", Compatible: r.FormValue("compatible") == "true",
		WrongSignature: r.FormValue("wrong-signature") == "true", WrongTail: r.FormValue("wrong-appid") == "true",
	}
	if push.User == "" && strings.HasPrefix(push.Event, "user_") {
		return controlAnswer{}, errNoUser
	}
	if parseNumber(r.FormValue("info"), &push.RevokeInfo) != nil {
		return controlAnswer{}, errors.New("wechattest: info is a number")
	}
	if parseNumber(r.FormValue("repeat"), &push.Repeat) != nil {
		return controlAnswer{}, errors.New("wechattest: repeat is a number")
	}
	for name, value := range map[string]*time.Duration{"age": &push.Age, "late": &push.Late, "delay": &push.Delay} {
		if parseDuration(r.FormValue(name), value) != nil {
			return controlAnswer{}, errors.New("wechattest: " + name + " is a duration such as 10m")
		}
	}
	return controlAnswer{}, app.Push(r.Context(), push)
}

func controlPushURL(app *App, r *http.Request) (controlAnswer, error) {
	return controlAnswer{}, app.CheckPushURL(r.Context(), Push{URL: r.FormValue("url"), Token: r.FormValue("token")})
}
