package wechattest

import (
	"errors"
	"net/http"
	"slices"
)

func controlKind(app *App, r *http.Request) (controlAnswer, error) {
	kind := Kind(r.FormValue("kind"))
	if !slices.Contains([]Kind{MiniProgram, Website, OfficialAccount, MobileApp}, kind) {
		return controlAnswer{}, errors.New("wechattest: kind is website, official-account or mobile-app, and empty for a mini-program")
	}
	app.SetKind(kind, r.FormValue("callback"))
	return controlAnswer{}, nil
}

func controlSendAuth(app *App, r *http.Request) (controlAnswer, error) {
	user := r.FormValue("user")
	if user == "" {
		return controlAnswer{}, errNoUser
	}
	code := app.SendAuth(user)
	return controlAnswer{code, map[string]string{"code": code}}, nil
}

func controlSnapshot(app *App, r *http.Request) (controlAnswer, error) {
	user := r.FormValue("user")
	if user == "" {
		return controlAnswer{}, errNoUser
	}
	app.Snapshot(user, r.FormValue("snapshot") != "false")
	return controlAnswer{}, nil
}

func controlOddities(app *App, r *http.Request) (controlAnswer, error) {
	is := func(name string) bool { return r.FormValue(name) == "true" }
	app.SetOddities(Oddities{RedirectDeclined: is("redirect-declined"), DenyCode: is("deny-code"), RepeatCallback: is("repeat-callback")})
	return controlAnswer{}, nil
}

func (s *Server) controlPerson(w http.ResponseWriter, r *http.Request) {
	user := r.FormValue("user")
	if user == "" {
		http.Error(w, errNoUser.Error(), http.StatusBadRequest)
		return
	}
	s.SetPerson(user, Person{Nickname: r.FormValue("nickname"), Picture: r.FormValue("picture")})
	w.WriteHeader(http.StatusNoContent)
}

// controlAuthorize decides at a sign-in page for a user: approval with a user; without one, the user declines.
func (s *Server) controlAuthorize(w http.ResponseWriter, r *http.Request) {
	back, err := s.decide(r.FormValue("address"), r.FormValue("user"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	controlAnswer{back, map[string]string{"address": back}}.write(w, r)
}
