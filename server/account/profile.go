package account

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/storage"
)

// Profile is /account/profile, the claims that end-users edit themselves (OpenID Connect Core §5.1).
type Profile struct{ *Account }

const profilePath = endpoint.AccountPath + "/profile"

// Mount implements endpoint.Endpoint.
func (e *Profile) Mount(t *endpoint.RouteTable) {
	e.page(t, "account_profile", profilePath, e.serve, http.MethodGet, http.MethodPost)
}

// profileField is a member of the profile that the page shows.
type profileField struct {
	name, autocomplete string
	limit              int
	of                 func(*storage.Profile) *string
	// suggestions are common values.
	suggestions []string
}

func profileFields() []profileField {
	return []profileField{
		{"name", "name", 256, func(p *storage.Profile) *string { return &p.Name }, nil},
		{"nickname", "nickname", 256, func(p *storage.Profile) *string { return &p.Nickname }, nil},
		{"gender", "sex", 32, func(p *storage.Profile) *string { return &p.Gender }, nil},
		{"birthdate", "bday", 10, func(p *storage.Profile) *string { return &p.Birthdate }, nil},
		{"locale", "language", 35, func(p *storage.Profile) *string { return &p.Locale }, []string{"zh-CN", "zh-HK", "zh-TW", "en"}},
		{"zoneinfo", "off", 64, func(p *storage.Profile) *string { return &p.Zoneinfo }, zones()},
	}
}

func zones() []string {
	return []string{
		"Asia/Shanghai", "Asia/Urumqi", "Asia/Hong_Kong", "Asia/Macau", "Asia/Taipei", "Asia/Singapore", "Asia/Tokyo",
		"Europe/London", "Europe/Berlin", "America/New_York", "America/Los_Angeles",
	}
}

func (e *Profile) serve(w http.ResponseWriter, r *endpoint.Request, current *authorize.CurrentSession) error {
	user, profile := current.User, current.User.Profile
	return e.serveEdit(w, r, editPage{
		title: page.Text("profile.title"),
		form:  func(url.Values) page.Form { return profileForm(profile) },
		change: func(values url.Values) error {
			_, err := e.Users.UpdateProfile(r.Context(), user.Directory, user.ID, updateOf(values, &profile), identity.Self(user.ID))
			return err
		},
		changed: func(url.Values) error { return e.RedirectDone(w, r, "profile") },
	})
}

func profileForm(profile storage.Profile) page.Form {
	form := page.Form{ID: "save", Back: backToAccount(), Lead: page.Text("profile.lead"), Submit: page.Text("form.save")}
	for _, member := range profileFields() {
		f := page.Field{
			Name: member.name, Label: page.Text("field." + member.name), Type: "text", Autocomplete: member.autocomplete,
			Value: *member.of(&profile), Limit: member.limit, Optional: true, Suggestions: member.suggestions,
		}
		if member.name == "birthdate" || member.name == "locale" || member.name == "zoneinfo" {
			f.Hint, f.Plain = page.Text("field."+member.name+".hint"), true
		}
		form.Fields = append(form.Fields, f)
	}
	return form
}

// updateOf returns the changes of a form. It also writes the typed values to profile, for the form that is shown again.
func updateOf(form url.Values, profile *storage.Profile) identity.ProfileUpdate {
	for _, member := range profileFields() {
		if form.Has(member.name) {
			*member.of(profile) = strings.TrimSpace(form.Get(member.name))
		}
	}
	typed := *profile
	return identity.ProfileUpdate{
		Name: &typed.Name, Nickname: &typed.Nickname, Gender: &typed.Gender, Birthdate: &typed.Birthdate, Locale: &typed.Locale,
		Zoneinfo: &typed.Zoneinfo,
	}
}
