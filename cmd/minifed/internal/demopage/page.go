package demopage

import (
	"crypto/rand"
	"net/http"
	"strings"
	"time"
)

// pageConfig is what the script of the page knows.
type pageConfig struct {
	Apps        [2]App            `json:"apps"`
	PhoneOrigin string            `json:"phone_origin"`
	Issuer      string            `json:"issuer"`
	People      []string          `json:"people"`
	Texts       map[string]string `json:"texts"`
}

// page is the page of the demonstration.
func (s *Site) page(w http.ResponseWriter, r *http.Request) {
	v := s.of(r)
	chosen := r.URL.Query().Get("lang")
	if v == nil {
		v = s.newVisitor(w, chooseLanguage(chosen, r))
	} else if chosen != "" {
		language := chooseLanguage(chosen, r)
		v.change(func() { v.language = language })
	}
	language := languageOf(r, v)
	v.mu.Lock()
	person := v.person
	v.mu.Unlock()
	frames := strings.Join([]string{s.Apps[0].Origin, s.Apps[1].Origin, s.PhoneOrigin, s.issuer.Scheme + "://" + s.issuer.Host}, " ")
	s.texts.render(w, "page.html", language, "connect-src 'self'; frame-ancestors 'none'; frame-src "+frames, map[string]any{
		"Config": pageConfig{s.Apps, s.PhoneOrigin, s.Issuer, people(), s.texts.in(language, "")},
		"Apps":   s.Apps, "People": people(), "Person": person, "Steps": []string{"1", "2", "3", "4", "5", "6"},
		"Attacks": []string{"guess", "old", "person", "forward"},
	})
}

// newVisitor remembers a new browser by a cookie.
func (s *Site) newVisitor(w http.ResponseWriter, language string) *visitor {
	id, v, now := rand.Text(), newVisitor(language), s.Now()
	s.visitors.mu.Lock()
	defer s.visitors.mu.Unlock()
	s.visitors.byID.Put(id, v, now, now.Add(visitLife))
	http.SetCookie(w, &http.Cookie{Name: s.visitorCookie(), Value: id, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode}) //nolint:gosec // Plain http on loopback.
	return v
}

// visitLife is how long a visitor is likely to return.
const visitLife = 12 * time.Hour
