package identity

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/minifed/minifed/storage"
)

// WeChat is the actor name of WeChat, for the events that it pushes to an app.
func WeChat(appID string) string { return "wechat:" + appID }

// WeChatEvent is what WeChat reported about one of its users. It acts on what existed when it happened: what the user gave or
// did later stays.
type WeChatEvent struct {
	Directory, AppID, OpenID string
	// At is when it happened, in whole seconds.
	At time.Time
	// Details describe it in the audit.
	Details map[string]string
}

// until is the last moment that the event is about: WeChat cuts its times to seconds.
func (e WeChatEvent) until() time.Time { return e.At.Add(time.Second - time.Millisecond) }

// Withdrawal is data that a WeChat user withdrew.
type Withdrawal struct {
	// Claims are the names of the claims; nil means all.
	Claims []string
	// Clients are the clients whose grants end.
	Clients []string
}

// Withdraw deletes the values of claims that came from the app of the event, and ends the grants of its clients. It returns the
// user, or ErrUnknownUser. A repeated call changes nothing more.
func (s *Service) Withdraw(ctx context.Context, event WeChatEvent, data Withdrawal) (*storage.Entry[storage.User], error) {
	link, user, err := s.eventUser(ctx, event)
	if err != nil {
		return nil, err
	}
	return user, s.withdraw(ctx, event, data, link.Record.User, user.Record)
}

// eventUser returns the OpenID link of an event and its user. It returns ErrUnknownUser if there is none, or if the OpenID was
// linked after the event.
func (s *Service) eventUser(ctx context.Context, event WeChatEvent) (*storage.Entry[storage.Identity], *storage.Entry[storage.User], error) {
	at, err := s.linkedUser(ctx, Login{Directory: event.Directory, AppID: event.AppID, OpenID: event.OpenID}.openIdentity())
	if err != nil {
		return nil, nil, err
	}
	if at.user == nil || at.link.Record.CreatedAt.After(event.until()) {
		return nil, nil, ErrUnknownUser
	}
	return at.link, at.user, nil
}

// withdraw deletes values from a user, and from the users merged into it: an undone merge must not return them. The user is
// changed last, because its record names the merged ones.
func (s *Service) withdraw(ctx context.Context, event WeChatEvent, data Withdrawal, linked string, user storage.User) error {
	claims := data.Claims
	if claims == nil {
		claims = sourcedClaims()
	}
	ids, err := s.mergedIDs(ctx, user)
	if err != nil {
		return err
	}
	for _, id := range ids[1:] {
		err := s.changeExactly(ctx, event.Directory, id, func(_ context.Context, alias *storage.User) (bool, error) {
			return s.clear(alias, event, claims), nil
		})
		if err != nil {
			return err
		}
	}
	recorded := s.recording(WeChat(event.AppID), ActionWithdraw)
	recorded.details = event.Details
	_, err = s.changeFrom(ctx, recorded, "", event.Directory, linked, func(user *storage.User) (bool, error) {
		clears := s.clear(user, event, claims)
		for _, client := range data.Clients {
			s.endClient(user, client)
		}
		return clears || len(data.Clients) > 0, nil
	})
	if err == nil {
		err = recorded.write(ctx, user, nil, nil) // An event without effect has an entry too.
	}
	if err != nil || !slices.Contains(claims, ClaimPhone) {
		return err
	}
	return s.releaseNumbers(ctx, event, user)
}

// clear deletes values from a user's record, and reports whether there were any.
func (s *Service) clear(user *storage.User, event WeChatEvent, claims []string) bool {
	found := withdrawn(*user, event.AppID, claims, event.until())
	for _, claim := range found {
		*claimValue(user, claim) = ""
		setSource(user, claim, "", s.now())
		if claim == ClaimPhone {
			user.PhoneVerifiedAt, user.PhoneProvenAt = time.Time{}, time.Time{}
		}
	}
	return len(found) > 0
}

// releaseNumbers releases the links of phone numbers that the user's record does not have.
func (s *Service) releaseNumbers(ctx context.Context, event WeChatEvent, user storage.User) error {
	entry, err := s.User(ctx, event.Directory, user.ID)
	if err != nil {
		return err
	}
	links, err := s.Identities(ctx, entry.Record)
	if err != nil {
		return err
	}
	for _, link := range links {
		number := link.Record
		if number.Type != storage.IdentityPhone || number.Value == entry.Record.Phone || number.VerifiedAt.After(event.until()) {
			continue
		}
		if err := s.release(ctx, link); err != nil {
			return err
		}
	}
	return nil
}

// Deregistered is the result of the deregistration of a WeChat account.
type Deregistered struct {
	User string
	// DeletesAt is when the user is to be deleted; zero if the user has another way to sign in, and stays.
	DeletesAt time.Time
}

// Deregister applies the deregistration of a WeChat account. The grants of the clients and the claims of the app go at once. If the
// user has another way to sign in, so does the OpenID. Otherwise the deletion of the user is requested: see RequestDeletion. It
// returns ErrUnknownUser if there is no such user.
func (s *Service) Deregister(ctx context.Context, event WeChatEvent, clients []string, directory storage.Directory) (Deregistered, error) {
	link, user, err := s.eventUser(ctx, event)
	if err != nil {
		return Deregistered{}, err
	}
	result := Deregistered{User: user.Record.ID}
	if err := s.withdraw(ctx, event, Withdrawal{Clients: clients}, link.Record.User, user.Record); err != nil {
		return Deregistered{}, err
	}
	another, err := s.hasAnotherWay(ctx, directory, user.Record.ID, link)
	if err != nil {
		return Deregistered{}, err
	}
	if another {
		return result, s.detach(ctx, event, link, user.Record)
	}
	pending, err := s.RequestDeletion(ctx, event.Directory, user.Record.ID, WeChat(event.AppID))
	if err != nil {
		return Deregistered{}, err
	}
	result.DeletesAt = pending.Record.DeletionDueAt
	return result, nil
}

// CompleteDeregistration ends the grace period of a deregistration that an earlier version has applied: it deletes the user, or detaches the OpenID if the user has another way to sign in
// by now. A user who has signed in by the OpenID since the deregistration stays. It reports whether the user was deleted.
func (s *Service) CompleteDeregistration(ctx context.Context, event WeChatEvent, directory storage.Directory) (deleted bool, err error) {
	link, user, err := s.eventUser(ctx, event)
	if errors.Is(err, ErrUnknownUser) {
		return false, nil
	}
	if err != nil || link.Record.DeregisteredAt.IsZero() {
		return false, err
	}
	another, err := s.hasAnotherWay(ctx, directory, user.Record.ID, link)
	switch {
	case err != nil:
		return false, err
	case another:
		return false, s.detach(ctx, event, link, user.Record)
	default:
		return true, s.Delete(ctx, event.Directory, user.Record.ID, WeChat(event.AppID))
	}
}

// returned records that the user of an OpenID link signs in, although WeChat reported the end of the account.
func (s *Service) returned(ctx context.Context, open linkedUser) (linkedUser, error) {
	next := open.link.Record
	next.DeregisteredAt = time.Time{}
	link, err := open.link.Replace(ctx, s.engine, next)
	open.link = link
	return open, wrap("move link", err)
}

// hasAnotherWay reports whether a user can sign in without an OpenID: by a password, a passkey, another OpenID, a verified e-mail
// address (which resets the password), or a phone number if the directory attaches WeChat users by it or signs in by its codes.
func (s *Service) hasAnotherWay(
	ctx context.Context, directory storage.Directory, id string, without *storage.Entry[storage.Identity],
) (bool, error) {
	entry, err := s.User(ctx, directory.ID, id)
	if err != nil {
		return false, err
	}
	user := entry.Record
	if user.Password != "" || user.EmailVerified || directory.Policy.AttachByPhone && user.Phone != "" || s.signsInByCode(directory, user) {
		return true, nil
	}
	methods, err := s.Methods(ctx, user)
	if err != nil || len(methods.Passkeys) > 0 {
		return len(methods.Passkeys) > 0, err
	}
	links, err := s.Identities(ctx, user)
	if err != nil {
		return false, err
	}
	return hasOpenID(links, without), nil
}

// hasOpenID reports whether the links contain an OpenID other than one.
func hasOpenID(links []*storage.Entry[storage.Identity], without *storage.Entry[storage.Identity]) bool {
	return slices.ContainsFunc(links, func(link *storage.Entry[storage.Identity]) bool {
		return link.Record.Type == storage.IdentityOpenID && link.Record.Document().ID != without.Record.Document().ID
	})
}

// detach releases the OpenID link of an event. The UnionID links go with the last OpenID.
func (s *Service) detach(ctx context.Context, event WeChatEvent, link *storage.Entry[storage.Identity], user storage.User) error {
	if err := s.record(ctx, WeChat(event.AppID), ActionDetach, user, map[string]string{"app_id": event.AppID}); err != nil {
		return err
	}
	links, err := s.Identities(ctx, user)
	if err != nil {
		return err
	}
	released := []*storage.Entry[storage.Identity]{link}
	if !hasOpenID(links, link) {
		released = append(released, slices.DeleteFunc(links, func(other *storage.Entry[storage.Identity]) bool {
			return other.Record.Type != storage.IdentityUnionID
		})...)
	}
	for _, each := range released {
		next := each.Record
		next.ExpiresAt = s.now().Add(releaseAfter)
		if err := s.putLink(ctx, each, next); err != nil {
			return err // After a concurrent change too: the caller tries again.
		}
	}
	return nil
}
