package ratelimit

import (
	"cmp"
	"context"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
)

// The rules for failed logins. An account allows some hundred guesses a day, from all addresses together. An address may
// belong to many users, so its failures are forgotten as fast as new ones are allowed.
func nameRule() Rule {
	return Rule{name: "name", locksOut: true, freeFailures: 5, maxWait: 15 * time.Minute}
}

// accountRule is for the account that several names lead to. Its wait is not shown to the caller: see account.Attempt.
func accountRule() Rule {
	return Rule{name: "account", locksOut: true, namesUser: true, freeFailures: 5, maxWait: 15 * time.Minute}
}

// DeviceRule is for an account at a browser that its owner has used, which failures elsewhere do not block.
func DeviceRule() Rule {
	return Rule{name: "device", locksOut: true, freeFailures: 5, maxWait: 15 * time.Minute}
}

// openIDRule is for a WeChat user who tries to prove that an account is theirs.
func openIDRule() Rule {
	return Rule{name: "openid", locksOut: true, freeFailures: 5, maxWait: 15 * time.Minute}
}

// CodeRule is for the codes of authenticator apps and recovery codes: ten wrong ones an hour.
func CodeRule() Rule {
	return Rule{name: "code", locksOut: true, namesUser: true, freeFailures: 9, firstWait: time.Hour, maxWait: time.Hour, forgetAfter: time.Hour}
}

// UserCodeRule is for a signed-in user who enters codes of devices that are unknown.
func UserCodeRule() Rule {
	return Rule{name: "user code", locksOut: true, namesUser: true, freeFailures: 9, firstWait: time.Minute, maxWait: time.Hour, forgetAfter: time.Hour}
}

// UserCodeAddressRule is for the network of such users.
func UserCodeAddressRule() Rule {
	return Rule{name: "user code address", locksOut: true, freeFailures: 100, maxWait: time.Minute, forgetEvery: time.Minute}
}

// OwnRule is for a signed-in user who enters the password again.
func OwnRule() Rule {
	return Rule{name: "own account", locksOut: true, namesUser: true, freeFailures: 5, maxWait: 15 * time.Minute}
}

// LinkRule is for a client's backend that sends the password of a user who signed in there.
func LinkRule() Rule {
	return Rule{name: "link", locksOut: true, namesUser: true, freeFailures: 5, maxWait: 15 * time.Minute}
}

// AddressRule is for the network of a browser.
func AddressRule() Rule {
	return Rule{name: "address", locksOut: true, freeFailures: 50, maxWait: time.Minute, forgetEvery: time.Minute}
}

// RegisterRule limits the accounts that are created from one network: 300 at once, and 300 an hour. A school whose classes
// register together can do so; a program cannot create many more.
func RegisterRule() Rule {
	return Rule{name: "register", freeFailures: 300, maxWait: time.Minute, forgetEvery: 12 * time.Second}
}

// RegisteredClientsKey counts the clients that register themselves from one network in an hour: 20.
func RegisteredClientsKey(directory storage.Directory, address netip.Addr, now time.Time) Key {
	hour := strconv.FormatInt(now.Unix()/int64(time.Hour/time.Second), 10)
	rule := Rule{name: "registered clients", freeFailures: 20, firstWait: time.Hour, maxWait: time.Hour, forgetAfter: time.Hour}
	return Key{directory.ID, rule, directory.Within(hour + " " + Network(address))}
}

// usualClientsDaily is the number of new clients a day of a directory that sets no other.
const usualClientsDaily = 1000

// NewClientsKey counts the new clients of one origin in a directory in a day.
func NewClientsKey(directory storage.Directory, origin storage.ClientOrigin, now time.Time) Key {
	const day = 24 * time.Hour
	limit := cmp.Or(int(directory.Policy.UnknownClientsDaily), usualClientsDaily)
	rule := Rule{name: "new clients", freeFailures: limit, firstWait: time.Hour, maxWait: time.Hour, forgetAfter: day}
	return Key{directory.ID, rule, directory.Within(strconv.FormatInt(now.Unix()/int64(day/time.Second), 10) + " " + string(origin))}
}

// MailRule is for the mail that one account, or one network for one address, requests.
func MailRule() Rule {
	return Rule{name: "mail", freeFailures: 3, maxWait: 30 * time.Minute, forgetEvery: 30 * time.Minute}
}

// mailAddressRule bounds the mail to one address, from all requesters together. It allows more than MailRule, so that another
// person's requests do not delay the mail of the address's owner.
func mailAddressRule() Rule {
	return Rule{name: "mailed", freeFailures: 12, maxWait: 10 * time.Minute, forgetEvery: 10 * time.Minute}
}

// codeNetworkRule limits the codes by SMS or mail that one network asks for: 60 at once, and 60 an hour.
func codeNetworkRule() Rule {
	return Rule{name: "code_network", freeFailures: 60, firstWait: time.Minute, maxWait: time.Minute, forgetAfter: time.Hour, forgetEvery: time.Minute}
}

// codeDirectoryRule limits the codes that a directory sends a day, because each costs money. The beginning of a wait is recorded.
func codeDirectoryRule(name string, aDay int64) Rule {
	each := 24 * time.Hour / time.Duration(aDay)
	return Rule{name: name, locksOut: true, freeFailures: int(aDay), firstWait: each, maxWait: each, forgetAfter: 24 * time.Hour, forgetEvery: each}
}

// mailCodesADay bounds the codes by mail of a directory.
const mailCodesADay = 10_000

// CodeNetworkKey is the key of the codes that the network of an address asks for: its /24, or its /64 for IPv6.
func CodeNetworkKey(directory storage.Directory, method string, address netip.Addr) Key {
	address = address.Unmap()
	network := Network(address)
	if prefix, err := address.Prefix(24); err == nil && address.Is4() {
		network = prefix.String()
	}
	return Key{directory.ID, codeNetworkRule(), directory.Within(method + " " + network)}
}

// CodeDirectoryKey is the key of the codes that a directory sends by a sign-in method. Notices by SMS count too.
func CodeDirectoryKey(directory storage.Directory, method string) Key {
	if method == storage.SignInPhoneCode {
		return Key{directory.ID, codeDirectoryRule("sms_directory", directory.SMS.MessagesADay()), directory.Within("all")}
	}
	return Key{directory.ID, codeDirectoryRule("mail_directory", mailCodesADay), directory.Within("all")}
}

// NoticeKey is the key of the notices that a user gets by SMS: 5 at once, and one each two hours.
func NoticeKey(user storage.User) Key {
	const each = 2 * time.Hour
	return Key{user.Directory, Rule{name: "sms_notice", freeFailures: 5, firstWait: each, maxWait: each, forgetAfter: 24 * time.Hour, forgetEvery: each}, user.ID}
}

// NameKey is the key by typed name; it applies to unknown names too.
func NameKey(directory storage.Directory, folded string) Key {
	return Key{directory.ID, nameRule(), directory.Within(folded)}
}

// AccountKey is the key of the account that a name leads to. An unknown name counts as an account of its own, so that both
// need the same number of store operations.
func AccountKey(directory storage.Directory, holder, folded string) Key {
	return Key{directory.ID, accountRule(), cmp.Or(holder, directory.Within("nobody "+folded))}
}

// OpenIDKey is the key of a WeChat user who signs in.
func OpenIDKey(directory storage.Directory, login identity.Login) Key {
	return Key{directory.ID, openIDRule(), directory.Within(storage.Digest(login.AppID, login.OpenID))}
}

// MailAddressKey is the key of one kind of mail to one address.
func MailAddressKey(directory storage.Directory, mail string) Key {
	return Key{directory.ID, mailAddressRule(), directory.Within(mail)}
}

// AddressKey is the key of the network of an address, under a rule.
func AddressKey(directory string, rule Rule, address netip.Addr) Key {
	return Key{directory, rule, Network(address)}
}

// Check returns an error with the remaining wait if one of the keys has to wait.
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

// Take counts an action that is limited even if it succeeds, or returns an error if it has to wait.
func (t *Lockout) Take(ctx context.Context, all ...Key) error {
	if err := t.Check(ctx, all...); err != nil {
		return err
	}
	for _, who := range all {
		t.Failed(ctx, who)
	}
	return nil
}

// TakeExactly counts an action that is limited even if it succeeds, or returns an error if there were too many. Of concurrent
// actions not one more succeeds.
func (t *Lockout) TakeExactly(ctx context.Context, all ...Key) error {
	if err := t.Check(ctx, all...); err != nil {
		return err
	}
	for _, who := range all {
		if wait := t.Failed(ctx, who); wait > 0 {
			return TooManyRequests(wait)
		}
	}
	return nil
}

// IsFree counts an event, and reports whether it is within the limit by the counts of the store. Concurrent events get one count each,
// so that no more pass.
func (t *Lockout) IsFree(ctx context.Context, who Key) (bool, error) {
	wait, err := t.StoredWait(ctx, who)
	if err != nil || wait > 0 {
		return false, err
	}
	return t.Failed(ctx, who) == 0, nil
}

// TooManyRequests returns the error for a caller who has to wait.
func TooManyRequests(wait time.Duration) *grants.Error {
	problem := endpoint.NewErrorStatus(
		fosite.ErrTemporarilyUnavailable, http.StatusTooManyRequests, "There were too many attempts. Try again after the seconds of Retry-After.",
	)
	problem.Reason = endpoint.ReasonRateLimited
	problem.RetryAfter = max(wait, time.Second)
	return problem
}
