package onetimecode

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/account"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/server/ratelimit"
	"github.com/minifed/minifed/server/sms"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// delivered is a code that may be sent.
type delivered struct {
	ticket sent
	code   string
	device account.Device
	// claimed is the device under which the code was counted before its owner was known.
	claimed string
}

// delivery returns the work after the response: it finds the owner of the address, applies the limits of the network and of the
// directory, and sends the code. Known and unknown addresses take as many operations of the store.
func (s *Service) delivery(r *endpoint.Request, o order, none storage.AddressCodes, made delivered) func(context.Context) error {
	issuer, network, locale := r.Issuer, networkKey(r, o.by), s.Notifications.Locales.Choose(r.Request, nil)
	return func(ctx context.Context) error {
		free, err := s.Passwords.Lockout.IsFree(ctx, network)
		if err != nil {
			return err
		}
		user, err := s.Users.CodeUser(ctx, issuer.Directory, o.by.identity(issuer.Directory.ID, o.address))
		held := errors.Is(err, identity.ErrTaken)
		if err != nil && !held && !errors.Is(err, identity.ErrUnknownUser) {
			return err
		}
		owner := storage.User{}
		if user != nil {
			owner = user.Record
		}
		if o.own != nil {
			owner = *o.own
		}
		allowed, err := s.settle(ctx, none, made, owner, o.own != nil)
		if err != nil {
			return err
		}
		welcome := owner.ID != "" || issuer.Directory.Policy.SelfRegistration
		if !welcome {
			return nil
		}
		if !free || !allowed {
			return errOverLimit
		}
		if free, err = s.Passwords.Lockout.IsFree(ctx, ratelimit.CodeDirectoryKey(issuer.Directory, o.by.method)); err != nil {
			return err
		}
		if !free {
			return fmt.Errorf("%w: that of the directory for a day", errOverLimit)
		}
		return s.send(ctx, issuer, locale, o, made.code)
	}
}

// settle stores the owner of a code, and counts the code for the browser of the owner or for strangers. It reports whether the code
// may be sent.
func (s *Service) settle(ctx context.Context, none storage.AddressCodes, made delivered, owner storage.User, own bool) (allowed bool, err error) {
	device := ""
	if made.device.Knows(owner.ID) {
		device = made.device.ID
	}
	err = s.edit(ctx, none, func(next *storage.AddressCodes) (bool, error) {
		i := slices.IndexFunc(next.Codes, func(code storage.OneTimeCode) bool { return code.Digest == made.ticket.digest(made.code) })
		if i < 0 {
			allowed = false
			return false, nil // The browser has asked for another one.
		}
		next.Codes[i].Device = device
		if !own {
			next.Codes[i].User = owner.ID
		}
		allowed = wait(next.Wrong, device, wrongLimits(), next.Codes[i].SentAt) <= 0
		if device == made.claimed {
			return true, nil
		}
		next.Sent = slices.Clone(next.Sent)
		counted := slices.IndexFunc(next.Sent, func(event storage.CodeEvent) bool {
			return event.Device == made.claimed && event.At.Equal(next.Codes[i].SentAt)
		})
		if counted >= 0 {
			next.Sent = slices.Delete(next.Sent, counted, counted+1)
		}
		if wait(next.Sent, device, sentLimits(), next.Codes[i].SentAt) > 0 {
			allowed = false
		} else {
			next.Sent = with(next.Sent, storage.CodeEvent{At: next.Codes[i].SentAt, Device: device})
		}
		return true, nil
	})
	return allowed, err
}

// send sends a code.
func (s *Service) send(ctx context.Context, issuer *oauth2.Issuer, locale *page.Locale, o order, code string) error {
	if o.by.method == storage.SignInEmailCode {
		message, err := s.Notifications.Compose(issuer, locale, storage.User{}, o.address, "mail.code", issuer.URL, code)
		if err != nil {
			return err
		}
		return s.Notifications.Queue.Deliver(ctx, message)
	}
	return s.Notifications.SMS.SendFor(ctx, issuer.Directory, sms.Message{To: o.address, Code: code, Chinese: locale.Tag != "en"})
}

// works reports whether the directory can send codes by a channel.
func (s *Service) works(r *endpoint.Request, by channel) bool {
	if by.method == storage.SignInEmailCode {
		return s.Notifications.Queue.Enabled()
	}
	return r.Issuer.Directory.SMS.Provider != ""
}
