package demopage

import (
	"context"
	"crypto/rand"
	"net/http"

	"golang.org/x/oauth2"
)

// forward is an attack: on a computer in another country, the attacker begins a sign-in and sends its picture to the person's phone.
func (s *Site) forward(w http.ResponseWriter, r *http.Request, v *visitor) {
	attacker, picture, err := s.beginAttack(r.Context(), v)
	if err != nil {
		http.Error(w, "the attacker gets no picture", http.StatusBadGateway)
		return
	}
	v.change(func() {
		if v.attacker != nil {
			v.attacker.Close()
		}
		v.pictures++
		v.attacker, v.received = attacker, screen{Picture: v.pictures, content: picture}
	})
	w.WriteHeader(http.StatusNoContent)
}

// look returns what the attacker's browser shows now.
func (s *Site) look(w http.ResponseWriter, r *http.Request, v *visitor) {
	v.mu.Lock()
	attacker := v.attacker
	v.mu.Unlock()
	if attacker == nil {
		http.Error(w, "there is no attacker", http.StatusNotFound)
		return
	}
	if err := attacker.Reload(r.Context()); err != nil {
		http.Error(w, "the attacker's browser failed", http.StatusBadGateway)
		return
	}
	writeJSON(w, map[string]any{"signed_in": attacker.Arrived != nil, "alert": attacker.Alert(), "number": attacker.Content("number", "")})
}

// attackerAgent and attackerCountry are what the person sees of the attacker's computer.
const (
	attackerAgent   = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
	attackerCountry = "US"
)

func (s *Site) beginAttack(ctx context.Context, v *visitor) (*Browser, []byte, error) {
	app := s.Apps[0]
	header := http.Header{"User-Agent": {attackerAgent}, "Accept-Language": {v.language}, CountryHeader: {attackerCountry}}
	attacker, err := NewBrowser(header)
	if err != nil {
		return nil, nil, err
	}
	if err := attacker.Open(ctx, s.OAuth(app, app.Origin+CallbackPath).AuthCodeURL(rand.Text(), oauth2.S256ChallengeOption(oauth2.GenerateVerifier()))); err != nil {
		return nil, nil, err
	}
	if err := attacker.Submit(ctx, "scan-form", nil); err != nil {
		return nil, nil, err
	}
	picture, err := attacker.Picture(ctx)
	return attacker, picture, err
}

// CallbackPath is the path of an app's redirect URI.
const CallbackPath = "/callback"

// OAuth returns the configuration of an app at a redirect URI. It is a public client: it authenticates by PKCE alone.
func (s *Site) OAuth(app App, redirectURI string) *oauth2.Config {
	return &oauth2.Config{
		ClientID: app.ClientID, RedirectURL: redirectURI, Scopes: []string{"openid", "profile"},
		Endpoint: oauth2.Endpoint{AuthURL: s.Issuer + "/oauth2/authorize", TokenURL: s.Issuer + tokenPath, AuthStyle: oauth2.AuthStyleInParams},
	}
}
