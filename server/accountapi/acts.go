package accountapi

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/account"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
)

// profileView is the profile of a user.
type profileView struct {
	Sub           string          `json:"sub"`
	Username      string          `json:"username,omitempty"`
	Email         string          `json:"email,omitempty"`
	EmailVerified bool            `json:"email_verified"`
	Phone         string          `json:"phone_number,omitempty"`
	Profile       storage.Profile `json:"profile,omitzero"`
	UpdatedAt     time.Time       `json:"updated_at,omitzero"`
}

func viewProfile(user storage.User) profileView {
	return profileView{user.ID, user.Username, user.Email, user.EmailVerified, user.Phone, user.Profile, user.UpdatedAt}
}

// etag returns the entity tag of a profile (RFC 9110 §8.8.3).
func etag(view profileView) (string, error) {
	raw, err := json.Marshal(view)
	return `"` + storage.Digest("profile", string(raw))[:22] + `"`, err
}

func (a *API) writeProfile(w http.ResponseWriter, user storage.User) error {
	view := viewProfile(user)
	tag, err := etag(view)
	if err != nil {
		return err
	}
	w.Header().Set("ETag", tag)
	return endpoint.WriteJSON(w, view)
}

func (a *API) profile(w http.ResponseWriter, c *call) error { return a.writeProfile(w, c.user()) }

// updateProfile changes the members of the body. With If-Match it changes only that version of the profile.
func (a *API) updateProfile(w http.ResponseWriter, c *call) error {
	body, err := endpoint.ReadBody(c.Request.Request)
	if err != nil {
		return err
	}
	if endpoint.MediaType(c.Request.Request) != "application/json" || endpoint.CheckJSON(body) != nil {
		return endpoint.NewError(fosite.ErrInvalidRequest, "The body must be a JSON object.")
	}
	update, err := identity.ParseProfileUpdate(body)
	if err != nil {
		return problem(err)
	}
	entry, err := a.Users.User(c.Context(), c.user().Directory, c.user().ID)
	if err != nil {
		return err
	}
	ctx := c.Context()
	if expected := c.Header.Get("If-Match"); expected != "" && expected != "*" {
		tag, err := etag(viewProfile(entry.Record))
		if err != nil {
			return err
		}
		if tag != expected {
			return changed()
		}
		ctx = identity.WithRevision(ctx, entry.Revision())
	}
	updated, err := a.Users.UpdateProfile(ctx, entry.Record.Directory, entry.Record.ID, update, identity.Self(entry.Record.ID))
	if errors.Is(err, identity.ErrChanged) {
		return changed()
	}
	if err != nil {
		return problem(err)
	}
	return a.writeProfile(w, updated.Record)
}

// changed is the error for a profile that is not the one of If-Match any more (RFC 9110 §15.5.13).
func changed() error {
	problem := endpoint.NewErrorStatus(fosite.ErrInvalidRequest, http.StatusPreconditionFailed, "The profile has changed. Read it again.")
	problem.Reason = reasonChanged
	return problem
}

// reasonChanged is the reason for a change of another version of the profile.
const reasonChanged = "changed"

func (a *API) identities(w http.ResponseWriter, c *call) error {
	list, err := a.IdentitiesOf(c.Request, c.user())
	if err != nil {
		return err
	}
	return endpoint.WriteJSON(w, map[string]any{"identities": list})
}

// addIdentity sets the username, sends a mail that confirms an e-mail address, or returns the page that proves a phone number.
func (a *API) addIdentity(w http.ResponseWriter, c *call) error {
	form, err := endpoint.ReadParameters(c.Request, endpoint.JSONParameters{Strings: []string{"type", "value"}})
	if err != nil {
		return err
	}
	value := form.Get("value")
	switch storage.IdentityType(form.Get("type")) {
	case storage.IdentityUsername:
		if err := a.ChangeUsername(c.Request, c.user(), value); err != nil {
			return problem(err)
		}
		return done(w)
	case storage.IdentityEmail:
		if !a.Notifications.Queue.Enabled() {
			return endpoint.NewError(fosite.ErrInvalidRequest, "This server sends no mail.")
		}
		if err := a.ConfirmEmail(c.Request, c.user(), value); err != nil {
			return problem(err)
		}
		return accepted(w, struct{}{})
	case storage.IdentityPhone:
		if sms := c.Issuer.Directory.SMS; sms.Provider == "" || !sms.Allows(value) {
			return endpoint.NewError(fosite.ErrInvalidRequest, "This server sends no SMS to such a number. It must begin with + and a country code.")
		}
		address, err := a.SuggestPhone(c.Request, c.user(), value)
		if err != nil {
			return problem(err)
		}
		return accepted(w, map[string]string{"confirm_url": address})
	default:
		return endpoint.NewError(fosite.ErrInvalidRequest, "type must be username, email or phone. A WeChat user is added by bindUser.")
	}
}

// accepted writes 202 Accepted: the user confirms the change.
func accepted(w http.ResponseWriter, body any) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_, err = w.Write(raw)
	return err
}

func (a *API) removeIdentity(w http.ResponseWriter, c *call) error {
	if err := a.RemoveIdentity(c.Request, c.user(), c.id()); err != nil {
		return problem(err)
	}
	return done(w)
}

func (a *API) methods(w http.ResponseWriter, c *call) error {
	list, err := a.MethodsOf(c.Request, c.user())
	if err != nil {
		return err
	}
	return endpoint.WriteJSON(w, map[string]any{"methods": list, "pages": a.MethodPages(c.Request, c.user())})
}

func (a *API) removeMethod(w http.ResponseWriter, c *call) error {
	if err := a.RemoveMethodOf(c.Request, c.user(), c.id()); err != nil {
		return problem(err)
	}
	return done(w)
}

func (a *API) sessions(w http.ResponseWriter, c *call) error {
	list, err := a.ActiveSessions(c.Request, c.user(), c.session())
	if err != nil {
		return err
	}
	return endpoint.WriteJSON(w, map[string]any{"sessions": list})
}

func (a *API) endOtherSessions(w http.ResponseWriter, c *call) error {
	if err := a.EndOtherSessions(c.Request, c.user(), c.session()); err != nil {
		return err
	}
	return done(w)
}

func (a *API) endSession(w http.ResponseWriter, c *call) error {
	if err := a.EndSession(c.Request, c.user(), c.id()); err != nil {
		return err
	}
	return done(w)
}

func (a *API) terms(w http.ResponseWriter, c *call) error {
	return endpoint.WriteJSON(w, a.TermsOf(c.Request, c.user()))
}

func (a *API) signIns(w http.ResponseWriter, c *call) error {
	list, err := a.LastSignIns(c.Request, c.user(), c.session())
	if err != nil {
		return err
	}
	return endpoint.WriteJSON(w, map[string]any{"sign_ins": list})
}

func (a *API) reportSignIn(w http.ResponseWriter, c *call) error {
	if err := a.ReportSignIn(c.Request, c.user(), c.id()); err != nil {
		return problem(err)
	}
	return done(w)
}

func (a *API) applications(w http.ResponseWriter, c *call) error {
	list, err := a.Applications(c.Request, c.user())
	if err != nil {
		return err
	}
	return endpoint.WriteJSON(w, map[string]any{"applications": list})
}

func (a *API) removeApplication(w http.ResponseWriter, c *call) error {
	if err := a.RemoveApplication(c.Request, c.user(), c.id()); err != nil {
		return problem(err)
	}
	return done(w)
}

func (a *API) export(w http.ResponseWriter, c *call) error {
	return a.WriteExport(w, c.Request, c.user())
}

func (a *API) requestDeletion(w http.ResponseWriter, c *call) error {
	if c.Issuer.Directory.ID == storage.OperatorsDirectory {
		return endpoint.NotFound() // As on the page.
	}
	user, err := a.RequestDeletion(c.Request, c.user())
	if err != nil {
		return err
	}
	return endpoint.WriteJSON(w, map[string]any{"deletion_due_at": user.DeletionDueAt, "restore_url": c.Issuer.URL + account.RestorePath})
}
