package demopage

import (
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/minifed/minifed/internal/bounded"
	miniprogram "github.com/minifed/minifed/sdk/go"
	"github.com/minifed/minifed/wechat/wechattest"
)

// App is a single-page app: an OAuth client on an origin of its own.
type App struct {
	ClientID string `json:"client_id"`
	Name     string `json:"name"`
	Origin   string `json:"origin"`
}

// Config is what the page needs. Origins are scheme, host and port.
type Config struct {
	// Origin is the page's, and PhoneOrigin that of everything that the phone's browser opens.
	Origin, PhoneOrigin string
	// Issuer is the issuer, at the origin of Front. Provider is where the provider itself listens.
	Issuer, Provider string
	// Apps are two single-page apps. The phone's browser opens the first.
	Apps [2]App
	// ClientID and ClientSecret are the client of the mini-program.
	ClientID, ClientSecret string
	MiniProgram            *wechattest.App
	WeChat                 *wechattest.Server
	Now                    func() time.Time
}

// Site has the servers of the page.
type Site struct {
	Config
	texts    texts
	backend  http.Handler
	visitors visitors
	// issuer is Issuer.
	issuer *url.URL
	// run distinguishes this demonstration from earlier ones, whose tabs may still be open.
	run string
}

// New returns the servers of a demonstration.
func New(config Config) (*Site, error) {
	issuer, err := url.Parse(config.Issuer)
	if err != nil {
		return nil, err
	}
	s := &Site{Config: config, issuer: issuer, run: rand.Text()}
	s.visitors.byID, s.visitors.codes = bounded.New[string, *visitor](maxVisitors), bounded.New[string, *visitor](maxCodes)
	if s.texts, err = readTexts(); err != nil {
		return nil, err
	}
	s.backend, err = miniprogram.New(miniprogram.Config{
		Issuer: config.Issuer, ClientID: config.ClientID, ClientSecret: config.ClientSecret,
		Client:  &http.Client{Timeout: timeout, Transport: recorder{&http.Transport{}}},
		Country: func(*http.Request) string { return homeCountry },
	})
	return s, err
}

const (
	timeout = 15 * time.Second
	// homeCountry is the country of the phone and of the computer.
	homeCountry = "CN"
)

// Front is the proxy at the origin of the issuer.
func (s *Site) Front() http.Handler {
	provider := s.proxy(onComputer)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.isOfPhone(r) {
			http.Redirect(w, r, s.PhoneOrigin+r.URL.RequestURI(), http.StatusTemporaryRedirect) //nolint:gosec // The origin is ours.
			return
		}
		provider.ServeHTTP(w, r)
	})
}

// PhoneBrowser serves what the phone's browser opens: the first app, and the pages of the provider with cookies of their own.
func (s *Site) PhoneBrowser() http.Handler {
	provider, app := s.proxy(onPhone), s.app(s.Apps[0], onPhone)
	return s.only(s.PhoneOrigin, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, s.issuer.Path+"/"):
			provider.ServeHTTP(w, r)
		case strings.HasPrefix(r.URL.Path, wechatPath):
			s.openWeChat(w, r)
		default:
			app.ServeHTTP(w, r)
		}
	}))
}

// App serves an app of Apps.
func (s *Site) App(number int) http.Handler {
	return s.only(s.Apps[number].Origin, s.app(s.Apps[number], onComputer))
}

// Page serves the page, the phone and the backend of the mini-program.
func (s *Site) Page() http.Handler {
	routes := http.NewServeMux()
	routes.HandleFunc("GET /{$}", s.page)
	routes.Handle("GET /assets/", assets())
	routes.HandleFunc("GET /events", s.events)
	for pattern, serve := range map[string]func(http.ResponseWriter, *http.Request, *visitor){
		"POST /restart":        s.restart,
		"POST /phone/person":   s.use,
		"POST /phone/login":    s.login,
		"POST /phone/scan":     s.scan,
		"POST /phone/open":     s.open,
		"GET /phone/picture":   s.picture,
		"POST /attack/forward": s.forward,
		"POST /attack/look":    s.look,
	} {
		routes.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			v := s.of(r)
			if v == nil {
				http.Error(w, "open the page first", http.StatusBadRequest)
				return
			}
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
			serve(w, r.WithContext(within(r.Context(), v)), v)
		})
	}
	routes.HandleFunc("POST /auth/", func(w http.ResponseWriter, r *http.Request) {
		s.backend.ServeHTTP(w, r.WithContext(within(r.Context(), s.of(r))))
	})
	return s.only(s.Origin, http.NewCrossOriginProtection().Handler(routes))
}

// only sends requests to another host, such as localhost, to the right one: cookies and origins depend on it.
func (s *Site) only(origin string, handler http.Handler) http.Handler {
	_, host, _ := strings.Cut(origin, "://")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != host {
			http.Redirect(w, r, origin+r.URL.RequestURI(), http.StatusTemporaryRedirect) //nolint:gosec // The origin is ours.
			return
		}
		handler.ServeHTTP(w, r)
	})
}

// maxBody is the maximum size of a request to the phone.
const maxBody = 64 << 10

// restart forgets the visitor, and deletes the cookies of both browsers.
func (s *Site) restart(w http.ResponseWriter, r *http.Request, v *visitor) {
	for _, cookie := range r.Cookies() {
		if strings.HasPrefix(cookie.Name, "mf-"+s.directory()) || strings.HasPrefix(cookie.Name, phoneCookies) {
			http.SetCookie(w, &http.Cookie{Name: cookie.Name, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteLaxMode}) //nolint:gosec // Plain http on loopback.
		}
	}
	v.change(func() {
		fresh := newVisitor(v.language)
		v.calls, v.computer, v.phone, v.link = fresh.calls, fresh.computer, fresh.phone, fresh.link
		v.album, v.received, v.attacker, v.numbered, v.person = fresh.album, fresh.received, nil, 0, fresh.person
	})
	w.WriteHeader(http.StatusNoContent)
}

// proxy returns a proxy to the provider, for one of the browsers.
func (s *Site) proxy(device device) *httputil.ReverseProxy {
	p := proxy{s, device}
	return &httputil.ReverseProxy{Rewrite: p.rewrite, ModifyResponse: p.modify, Transport: &http.Transport{}, FlushInterval: -1, ErrorHandler: failed, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
}

// failed is called when a browser has gone, or the provider ends.
func failed(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }

// directory is the ID of the directory.
func (s *Site) directory() string { return path.Base(s.issuer.Path) }
