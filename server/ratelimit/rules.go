package ratelimit

import (
	"cmp"
	"context"
	"net/http"
	"net/netip"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
)

// The rules by which people who fail have to wait. An account allows some hundred guesses a day, wherever they come from; an
// address may belong to many people, and what it failed is forgotten as fast as it may fail again.
func nameRule() Rule { return Rule{name: "name", free: 5, most: 15 * time.Minute} }

// accountRule is for the account that several names lead to. Nobody is told of it: see attempt.
func accountRule() Rule { return Rule{name: "account", free: 5, most: 15 * time.Minute} }

// DeviceRule is for an account at a browser that its owner has used: others cannot use it up.
func DeviceRule() Rule { return Rule{name: "device", free: 5, most: 15 * time.Minute} }

// openIDRule is for a federation.WeChat user who tries to prove that an account is theirs.
func openIDRule() Rule { return Rule{name: "openid", free: 5, most: 15 * time.Minute} }

// OwnRule is for a user who is signed in and proves it again.
func OwnRule() Rule { return Rule{name: "own account", free: 5, most: 15 * time.Minute} }

// LinkRule is for a client's backend that proves the password of a user who signed in there.
func LinkRule() Rule { return Rule{name: "link", free: 5, most: 15 * time.Minute} }

// AddressRule is for the network that a browser is in.
func AddressRule() Rule {
	return Rule{name: "address", free: 50, most: time.Minute, forgets: time.Minute}
}

// RegisterRule is for the accounts that are made from one network. That can be the network of a school whose classes register at
// once, so the rule bounds what a program makes: 300 at once, and 300 an hour.
func RegisterRule() Rule {
	return Rule{name: "register", free: 300, most: time.Minute, forgets: 12 * time.Second}
}

// MailRule is for the mail that one account, or one network for one address, asks for.
func MailRule() Rule {
	return Rule{name: "mail", free: 3, most: 30 * time.Minute, forgets: 30 * time.Minute}
}

// mailedRule bounds the mail that one address is sent, whoever asks. It allows more than MailRule, so that a stranger who asks
// for somebody else's address does not delay the mail of its owner.
func mailedRule() Rule {
	return Rule{name: "mailed", free: 12, most: 10 * time.Minute, forgets: 10 * time.Minute}
}

// NameKey is an account by the name that was typed: whether somebody has it makes no difference.
func NameKey(directory storage.Directory, folded string) Key {
	return Key{directory.ID, nameRule(), directory.Within(folded)}
}

// AccountKey is the account behind a name. A name that nobody has is counted as an account of its own, so that both take as
// many store operations.
func AccountKey(directory storage.Directory, holder, folded string) Key {
	return Key{directory.ID, accountRule(), cmp.Or(holder, directory.Within("nobody "+folded))}
}

// OpenIDKey is a federation.WeChat user who signs in.
func OpenIDKey(directory storage.Directory, login identity.Login) Key {
	return Key{directory.ID, openIDRule(), directory.Within(storage.Digest(login.AppID, login.OpenID))}
}

// ThrottledMail is one kind of mail to one address.
func ThrottledMail(directory storage.Directory, mail string) Key {
	return Key{directory.ID, mailedRule(), directory.Within(mail)}
}

// AddressKey is the network of an address, under a rule.
func AddressKey(directory string, rule Rule, address netip.Addr) Key {
	return Key{directory, rule, Network(address)}
}

// Check answers an error that says how long to wait while one of them has to.
func (t *Lockout) Check(ctx context.Context, all ...Key) error {
	var longest time.Duration
	for _, who := range all {
		wait, err := t.StoredWait(ctx, who)
		if err != nil {
			return err
		}
		longest = max(longest, wait)
	}
	if longest > 0 {
		return TooManyRequests(longest)
	}
	return nil
}

// Take admits what is limited even when it goes well, and counts it.
func (t *Lockout) Take(ctx context.Context, all ...Key) error {
	if err := t.Check(ctx, all...); err != nil {
		return err
	}
	for _, who := range all {
		t.Failed(ctx, who)
	}
	return nil
}

// TooManyRequests is the error for whoever has to wait.
func TooManyRequests(wait time.Duration) *grants.Error {
	problem := endpoint.NewErrorStatus(
		fosite.ErrTemporarilyUnavailable, http.StatusTooManyRequests, "There were too many attempts. Try again after the seconds of Retry-After.",
	)
	problem.Reason = endpoint.ReasonRateLimited
	problem.RetryAfter = max(wait, time.Second)
	return problem
}
