package wechattest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/minifed/minifed/wechat"
)

// controlHelp is the body of GET / of the control API.
const controlHelp = `Control of the WeChat simulator. Parameters go into the query or a form; appid may be left out while there is one app.
Responses are plain text, and JSON with "Accept: application/json".

  POST   /login          appid user                  wx.login: a new login code
  POST   /phone          appid user [country number] a tap on the phone number button: a new phone code
  POST   /scan           picture | link              what a phone opens that reads a picture of getwxacodeunlimit or the QR code
                                                     of an ordinary link (a file in multipart/form-data), or follows a link of
                                                     generate_urllink
  POST   /link-rule      appid prefix page           open the page for ordinary links below the prefix
  POST   /kind           appid kind [callback]       make it a website, official-account or mobile-app; callback is its host
  POST   /send-auth      appid user                  SendAuth in a mobile app: a new code
  POST   /authorize      address [user]              decide at a sign-in page: the address that the browser goes back to;
                                                     without a user, decline
  POST   /person         user [nickname picture]     the profile of a user
  POST   /snapshot       appid user [snapshot=false] WeChat opens the pages of an official account as a preview
  POST   /oddities       appid [redirect-declined deny-code repeat-callback]
                                                     peculiarities of the sign-in pages
  POST   /plugin         appid user                  wx.pluginLogin: a new code for getpluginopenpid
  POST   /pay            appid user                  a payment: the transaction_id for getpaidunionid
  POST   /open-data      appid user [kind=phone]     wx.getUserInfo, or the older phone number button: encryptedData, iv,
                                                     rawData and signature
  POST   /apps           appid [secret]              add a mini-program (wxsim...)
  GET    /apps           appid                       its AppSecret
  POST   /secret         appid [secret]              replace its AppSecret; random if it is left out
  POST   /pages          appid [page page ...]       the pages of the released version; without one, all exist
  POST   /limits         appid api [minute day]      calls allowed in a minute (45011) and in a day (45009); 0 is no limit
  POST   /open-platform  appid account               bind to an Open Platform account, an empty one unbinds
  POST   /block          appid user [blocked=false]  block the user's logins (40226)
  POST   /expire-tokens  appid                       access tokens end before their time
  POST   /faults         appid api [user times spend delay gate errcode quoted status drop truncate]
                                                     queue a fault; api is a path such as /sns/jscode2session
  DELETE /faults         appid                       drop the queued faults
  POST   /open           gate                        release the calls held at a gate
  POST   /clock          advance                     move the clock forward, such as 5m
  GET    /users          appid user                  OpenID, UnionID and phone number
  POST   /push           appid url token key event user
                         [info xml plain compatible repeat delay age late wrong-signature wrong-appid]
                                                     send a push event, in safe mode by default. delay, age (of the
                                                     timestamp) and late (of the event) are durations such as 10m
  POST   /push-url       appid url token             check a push URL as WeChat's console does
  GET    /requests       [code]                      the recorded calls
  DELETE /requests                                   delete them
`

// Control returns the control API, for a listener of its own. It does over HTTP what the methods of Server and App do; GET /
// lists it. It has no authentication.
func (s *Server) Control() http.Handler {
	s.init()
	routes := http.NewServeMux()
	routes.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, controlHelp) })
	routes.HandleFunc("POST /apps", s.controlAddApp)
	routes.HandleFunc("POST /scan", controlScan(s))
	routes.HandleFunc("POST /clock", s.controlClock)
	routes.HandleFunc("POST /person", s.controlPerson)
	routes.HandleFunc("POST /authorize", s.controlAuthorize)
	routes.HandleFunc("POST /open", s.controlOpen)
	routes.HandleFunc("GET /requests", s.controlRequests)
	routes.HandleFunc("DELETE /requests", func(w http.ResponseWriter, _ *http.Request) { s.ForgetRequests(); w.WriteHeader(http.StatusNoContent) })
	for pattern, handle := range map[string]appControl{
		"GET /apps":           controlApp,
		"POST /login":         controlLogin,
		"POST /phone":         controlPhone,
		"POST /open-platform": controlOpenPlatform,
		"POST /block":         controlBlock,
		"POST /expire-tokens": controlExpireTokens,
		"POST /faults":        controlFail,
		"DELETE /faults":      controlHeal,
		"GET /users":          controlUser,
		"POST /push":          controlPush,
		"POST /push-url":      controlPushURL,
		"POST /plugin":        controlPlugin,
		"POST /kind":          controlKind,
		"POST /send-auth":     controlSendAuth,
		"POST /snapshot":      controlSnapshot,
		"POST /oddities":      controlOddities,
		"POST /pay":           controlPay,
		"POST /open-data":     controlOpenData,
		"POST /secret":        controlSecret,
		"POST /pages":         controlPages,
		"POST /limits":        controlLimits,
		"POST /link-rule":     controlLinkRule,
	} {
		routes.HandleFunc(pattern, s.withApp(handle))
	}
	return routes
}

// appControl performs an action on an app and returns the response: nil, or a controlAnswer.
type appControl func(app *App, r *http.Request) (controlAnswer, error)

// controlAnswer is written as its one text, or as JSON.
type controlAnswer struct {
	text string
	json any
}

func (s *Server) withApp(handle appControl) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		app, err := s.chooseApp(wechat.AppID(r.FormValue("appid")))
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		answer, err := handle(app, r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		answer.write(w, r)
	}
}

func (s *Server) chooseApp(id wechat.AppID) (*App, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if app := s.apps[id]; app != nil {
		return app, nil
	}
	if id != "" {
		return nil, errors.New("wechattest: no such appid")
	}
	if len(s.apps) != 1 {
		return nil, fmt.Errorf("wechattest: there are %d apps: say which appid", len(s.apps))
	}
	for _, app := range s.apps {
		return app, nil
	}
	return nil, nil
}

func (a controlAnswer) write(w http.ResponseWriter, r *http.Request) {
	switch {
	case a.json == nil:
		w.WriteHeader(http.StatusNoContent)
	case strings.Contains(r.Header.Get("Accept"), "application/json") || a.text == "":
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(a.json) // the client may be gone
	default:
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, a.text) // the client may be gone
	}
}

var errNoUser = errors.New("wechattest: say which user")

func controlLogin(app *App, r *http.Request) (controlAnswer, error) {
	user := r.FormValue("user")
	if user == "" {
		return controlAnswer{}, errNoUser
	}
	code := app.Login(user)
	return controlAnswer{code, map[string]string{"code": code}}, nil
}

func controlPhone(app *App, r *http.Request) (controlAnswer, error) {
	user := r.FormValue("user")
	if user == "" {
		return controlAnswer{}, errNoUser
	}
	if number := r.FormValue("number"); number != "" {
		country := r.FormValue("country")
		if country == "" {
			country = "86"
		}
		app.server.SetPhone(user, wechat.PhoneNumber{CountryCode: country, PureNumber: number})
	}
	code := app.TapPhone(user)
	return controlAnswer{code, map[string]string{"code": code}}, nil
}

func (s *Server) controlAddApp(w http.ResponseWriter, r *http.Request) {
	app, err := s.AddApp(wechat.App{ID: wechat.AppID(r.FormValue("appid")), Secret: wechat.AppSecret(r.FormValue("secret"))})
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	app.describe().write(w, r)
}

func controlApp(app *App, _ *http.Request) (controlAnswer, error) { return app.describe(), nil }

func (a *App) describe() controlAnswer {
	credential := a.Credential()
	secret := string(credential.Secret)
	return controlAnswer{secret, map[string]string{"appid": string(credential.ID), "secret": secret}}
}

func controlOpenPlatform(app *App, r *http.Request) (controlAnswer, error) {
	app.BindOpenPlatform(r.FormValue("account"))
	return controlAnswer{}, nil
}

func controlBlock(app *App, r *http.Request) (controlAnswer, error) {
	user := r.FormValue("user")
	if user == "" {
		return controlAnswer{}, errNoUser
	}
	app.Block(user, r.FormValue("blocked") != "false")
	return controlAnswer{}, nil
}

func controlExpireTokens(app *App, _ *http.Request) (controlAnswer, error) {
	app.ExpireTokens()
	return controlAnswer{}, nil
}

func controlUser(app *App, r *http.Request) (controlAnswer, error) {
	user := r.FormValue("user")
	if user == "" {
		return controlAnswer{}, errNoUser
	}
	phone := app.server.Phone(user)
	return controlAnswer{json: map[string]string{
		"openid": string(app.OpenID(user)), "unionid": string(app.UnionID(user)), "phone": "+" + phone.CountryCode + phone.PureNumber,
	}}, nil
}

func controlHeal(app *App, _ *http.Request) (controlAnswer, error) {
	app.Heal()
	return controlAnswer{}, nil
}

func controlFail(app *App, r *http.Request) (controlAnswer, error) {
	api := API(r.FormValue("api"))
	if !strings.HasPrefix(string(api), "/") {
		return controlAnswer{}, errors.New("wechattest: api is a path such as " + string(Code2Session))
	}
	fault, err := app.server.parseFault(r)
	if err != nil {
		return controlAnswer{}, err
	}
	app.Fail(api, fault)
	return controlAnswer{}, nil
}

// parseFault reads the fields of a Fault from a form.
func (s *Server) parseFault(r *http.Request) (Fault, error) {
	fault := Fault{
		User: r.FormValue("user"), Drop: Drop(r.FormValue("drop")),
		Spend: r.FormValue("spend") == "true", Quoted: r.FormValue("quoted") == "true", Truncate: r.FormValue("truncate") == "true",
	}
	if fault.Drop != "" && fault.Drop != FIN && fault.Drop != RST {
		return Fault{}, errors.New("wechattest: drop is fin or rst")
	}
	for name, field := range map[string]*int{"times": &fault.Times, "errcode": &fault.Errcode, "status": &fault.Status} {
		if err := parseNumber(r.FormValue(name), field); err != nil {
			return Fault{}, fmt.Errorf("wechattest: %s is a number", name)
		}
	}
	if fault.Status != 0 && (fault.Status < 200 || fault.Status > 599) {
		return Fault{}, errors.New("wechattest: status is from 200 to 599")
	}
	if parseDuration(r.FormValue("delay"), &fault.Delay) != nil {
		return Fault{}, errors.New("wechattest: delay is a duration such as 3s")
	}
	if gate := r.FormValue("gate"); gate != "" {
		fault.Gate = s.Gate(gate)
	}
	return fault, nil
}

func parseNumber(text string, field *int) error {
	if text == "" {
		return nil
	}
	n, err := strconv.Atoi(text)
	*field = n
	return err
}

func parseDuration(text string, field *time.Duration) error {
	if text == "" {
		return nil
	}
	d, err := time.ParseDuration(text)
	*field = d
	return err
}

func (s *Server) controlOpen(w http.ResponseWriter, r *http.Request) {
	s.Gate(r.FormValue("gate")).Open()
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) controlClock(w http.ResponseWriter, r *http.Request) {
	d, err := time.ParseDuration(r.FormValue("advance"))
	if err != nil {
		http.Error(w, "wechattest: advance is a duration such as 5m", http.StatusBadRequest)
		return
	}
	s.Advance(d)
	w.WriteHeader(http.StatusNoContent)
}

// controlRequests lists the recorded calls, or those that carried one code.
func (s *Server) controlRequests(w http.ResponseWriter, r *http.Request) {
	type entry struct {
		At      time.Time    `json:"at"`
		API     API          `json:"api"`
		Method  string       `json:"method"`
		AppID   wechat.AppID `json:"appid"`
		User    string       `json:"user"`
		Code    string       `json:"code"`
		Errcode int          `json:"errcode"`
		Status  int          `json:"status"`
		RID     string       `json:"rid,omitempty"`
	}
	code := r.FormValue("code")
	entries := []entry{}
	for _, q := range s.Requests() {
		if code == "" || q.Code == code {
			entries = append(entries, entry{q.At, q.API, q.Method, q.AppID, q.User, q.Code, q.Errcode, q.Status, q.RID})
		}
	}
	controlAnswer{json: entries}.write(w, r)
}
