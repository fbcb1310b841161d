package server

import (
	"errors"
	"html"
	"io"
	"net/http"
	"strings"

	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
)

// MountPlainPages replaces the pages of the authorization endpoint by minimal ones: the submitted username signs in without a
// password.
func (s *Server) MountPlainPages() {
	p := &plainPages{s.shared.authorize}
	for name, serve := range map[string]func(http.ResponseWriter, *endpoint.Request) error{"login": p.login, "consent": p.consent} {
		for _, mounted := range s.table.Routes {
			if mounted.Name == name {
				mounted.Serve = serve
			}
		}
	}
}

type plainPages struct{ *authorize.Endpoint }

func (p *plainPages) login(w http.ResponseWriter, r *endpoint.Request) error {
	waiting, err := p.Pending(r)
	if err != nil {
		return err
	}
	if r.Method == http.MethodGet {
		return plainPage(w, `<h1>`+string(waiting.Step)+`</h1><label>Username <input name="username" value="`+
			html.EscapeString(waiting.Request.LoginHint())+`"></label>`)
	}
	switch r.FormValue("decision") {
	case "cancel":
		return p.Deny(w, r, waiting)
	case "stay":
		current, err := p.Sessions.Current(r)
		if err != nil || current == nil {
			return errors.Join(err, errors.New("server: nobody is signed in"))
		}
		return p.AfterAccountChoice(w, r, waiting, current)
	}
	issuer := r.Issuer
	user, err := storage.Get[storage.User](r.Context(), p.Sessions.Engine, storage.Key(issuer.Directory.ID, r.FormValue("username")))
	if err != nil {
		return err
	}
	current, err := p.Sessions.SignIn(w, r, user.Record, authorize.Authentication{Time: p.Now(), AMR: []string{"pwd"}, ACR: authorize.ACRSingleFactor})
	if err != nil {
		return err
	}
	location, err := p.AfterSignIn(r, waiting, current)
	if err != nil {
		return err
	}
	w.Header().Set("Location", location)
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

func (p *plainPages) consent(w http.ResponseWriter, r *endpoint.Request) error {
	waiting, err := p.Pending(r)
	if err != nil {
		return err
	}
	current, err := p.Sessions.Current(r)
	if err != nil || current == nil {
		return errors.Join(err, errors.New("server: nobody is signed in"))
	}
	if r.Method == http.MethodPost {
		if r.FormValue("decision") == "cancel" {
			return p.Deny(w, r, waiting)
		}
		return p.Allow(w, r, waiting, current, r.Form["scope"])
	}
	offer, err := p.ConsentOffer(r.Request, waiting, current)
	if err != nil {
		return err
	}
	fields := `<h1>consent</h1><p id="before">` + html.EscapeString(strings.Join(offer.Before, " ")) + `</p>`
	for _, scope := range offer.Scopes {
		fields += `<input type="checkbox" name="scope" value="` + html.EscapeString(scope) + `" checked>`
	}
	return plainPage(w, fields)
}

func plainPage(w http.ResponseWriter, fields string) error {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'")
	_, err := io.WriteString(w, `<form method="post">`+fields+
		`<button name="decision" value="go">Go</button><button name="decision" value="cancel">Cancel</button></form>`)
	return err
}
