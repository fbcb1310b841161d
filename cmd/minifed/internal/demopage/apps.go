package demopage

import (
	"net/http"
)

// appConfig is what an app knows.
type appConfig struct {
	Issuer   string `json:"issuer"`
	ClientID string `json:"client_id"`
	// Page is the origin of the page that frames the app, to which it reports who is signed in.
	Page   string `json:"page"`
	Device device `json:"device"`
	// Run distinguishes what the app stores from that of earlier demonstrations.
	Run string `json:"run"`
	// Language is the language of the page.
	Language string            `json:"language"`
	Texts    map[string]string `json:"texts"`
}

// app serves a single-page app to one of the browsers.
func (s *Site) app(app App, device device) http.Handler {
	routes := http.NewServeMux()
	routes.Handle("GET /assets/", assets())
	document := func(w http.ResponseWriter, r *http.Request) {
		v := s.of(r)
		language := languageOf(r, v)
		if v != nil {
			v.shows(device, "http://"+r.Host+r.URL.Path)
		}
		s.texts.render(w, "app.html", language, "connect-src 'self' "+s.issuer.Scheme+"://"+s.issuer.Host+"; frame-ancestors "+s.Origin, map[string]any{
			"App": app, "Config": appConfig{s.Issuer, app.ClientID, s.Origin, device, s.run, language, s.texts.in(language, "app.")},
		})
	}
	routes.HandleFunc("GET /{$}", document)
	routes.HandleFunc("GET "+CallbackPath, document)
	return routes
}
