package account

import (
	"net/http"
	"slices"

	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
)

// notifySignIn notifies a user of a sign-in by scan or link, and of any sign-in with a browser that is new to the user.
func (s *SignIns) notifySignIn(r *endpoint.Request, done *Unfinished, session storage.Session, isNew bool) error {
	switch {
	case slices.Contains(done.How.AMR, authorize.AMRScan), slices.Contains(done.How.AMR, authorize.AMRLink):
		return s.notifySession(r, done.User, "mail.signed_in_scan", session)
	case isNew:
		return s.notifySession(r, done.User, "mail.signed_in", session)
	default:
		return nil
	}
}

// NotifyHandOff notifies a user of a hand-off to a client, with a browser that is new to the user. Such a browser
// is not one that the user signed in with: it does not protect the account from guesses at other browsers.
func (s *SignIns) NotifyHandOff(w http.ResponseWriter, r *endpoint.Request, user storage.User, client storage.Client, session storage.Session) error {
	isNew, err := s.Devices.rememberHandOff(w, r, user.ID, client.Instance())
	if err != nil || !isNew {
		return err
	}
	return s.notifySession(r, user, "mail.signed_in_hand_off", session)
}

// notifySession notifies a user of a session. A mail has the link that ends it.
func (s *SignIns) notifySession(r *endpoint.Request, user storage.User, key string, session storage.Session) error {
	if !s.Notifications.CanNotify(r.Issuer, user) {
		return nil
	}
	link, err := s.notMeLink(r, session)
	if err != nil {
		return err
	}
	return s.Notifications.NotifySignIn(r.Context(), r, user, key, session.Browser, link)
}
