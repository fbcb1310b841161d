package server

import (
	"cmp"
	"context"
	"net/http"
	"net/netip"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

// The rules by which people who fail have to wait. An account allows some hundred guesses a day, wherever they come from; an
// address may belong to many people, and what it failed is forgotten as fast as it may fail again.
func nameRule() throttle { return throttle{name: "name", free: 5, most: 15 * time.Minute} }

// accountRule is for the account that several names lead to. Nobody is told of it: see attempt.
func accountRule() throttle { return throttle{name: "account", free: 5, most: 15 * time.Minute} }

// deviceRule is for an account at a browser that its owner has used: others cannot use it up.
func deviceRule() throttle { return throttle{name: "device", free: 5, most: 15 * time.Minute} }

// openIDRule is for a WeChat user who tries to prove that an account is theirs.
func openIDRule() throttle { return throttle{name: "openid", free: 5, most: 15 * time.Minute} }

// ownRule is for a user who is signed in and proves it again.
func ownRule() throttle { return throttle{name: "own account", free: 5, most: 15 * time.Minute} }

// linkRule is for a client's backend that proves the password of a user who signed in there.
func linkRule() throttle { return throttle{name: "link", free: 5, most: 15 * time.Minute} }

// addressRule is for the network that a browser is in.
func addressRule() throttle {
	return throttle{name: "address", free: 50, most: time.Minute, forgets: time.Minute}
}

// registerRule is for the accounts that are made from one network. That can be the network of a school whose classes register at
// once, so the rule bounds what a program makes: 300 at once, and 300 an hour.
func registerRule() throttle {
	return throttle{name: "register", free: 300, most: time.Minute, forgets: 12 * time.Second}
}

// mailRule is for the mail that one account, or one network for one address, asks for.
func mailRule() throttle {
	return throttle{name: "mail", free: 3, most: 30 * time.Minute, forgets: 30 * time.Minute}
}

// mailedRule bounds the mail that one address is sent, whoever asks. It allows more than mailRule, so that a stranger who asks
// for somebody else's address does not delay the mail of its owner.
func mailedRule() throttle {
	return throttle{name: "mailed", free: 12, most: 10 * time.Minute, forgets: 10 * time.Minute}
}

// throttledName is an account by the name that was typed: whether somebody has it makes no difference.
func throttledName(directory storage.Directory, folded string) throttled {
	return throttled{directory.ID, nameRule(), directory.Within(folded)}
}

// throttledAccount is the account behind a name. A name that nobody has is counted as an account of its own, so that both take as
// many store operations.
func throttledAccount(directory storage.Directory, holder, folded string) throttled {
	return throttled{directory.ID, accountRule(), cmp.Or(holder, directory.Within("nobody "+folded))}
}

// throttledOpenID is a WeChat user who signs in.
func throttledOpenID(directory storage.Directory, login identity.Login) throttled {
	return throttled{directory.ID, openIDRule(), directory.Within(storage.Digest(login.AppID, login.OpenID))}
}

// throttledMail is one kind of mail to one address.
func throttledMail(directory storage.Directory, mail string) throttled {
	return throttled{directory.ID, mailedRule(), directory.Within(mail)}
}

// throttledAddress is the network of an address, under a rule.
func throttledAddress(directory string, rule throttle, address netip.Addr) throttled {
	return throttled{directory, rule, network(address)}
}

// admit answers an error that says how long to wait while one of them has to.
func (t *throttles) admit(ctx context.Context, all ...throttled) error {
	var longest time.Duration
	for _, who := range all {
		wait, err := t.look(ctx, who)
		if err != nil {
			return err
		}
		longest = max(longest, wait)
	}
	if longest > 0 {
		return tooMany(longest)
	}
	return nil
}

// ration admits what is limited even when it goes well, and counts it.
func (t *throttles) ration(ctx context.Context, all ...throttled) error {
	if err := t.admit(ctx, all...); err != nil {
		return err
	}
	for _, who := range all {
		t.failed(ctx, who)
	}
	return nil
}

// tooMany is the error for whoever has to wait.
func tooMany(wait time.Duration) *grants.Error {
	problem := refusalStatus(
		fosite.ErrTemporarilyUnavailable, http.StatusTooManyRequests, "There were too many attempts. Try again after the seconds of Retry-After.",
	)
	problem.Reason = reasonRateLimited
	problem.RetryAfter = max(wait, time.Second)
	return problem
}
