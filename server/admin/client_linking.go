package admin

import (
	"slices"

	"github.com/minifed/minifed/storage"
)

// ScopeLink is the scope of access tokens that may add a way to sign in to their user's account.
const ScopeLink = "urn:minifed:link"

// ScopeAccount is the scope of access tokens that may show and change the account of their user.
const ScopeAccount = "urn:minifed:account"

// LinkingGivesAway says what a client's backend can do with ScopeLink, for the operator who is asked to allow it.
const LinkingGivesAway = "within five minutes of a user's sign-in, the backend can set the first password of that user, " +
	"and attach any WeChat user of its choice to that user's account in this directory"

// settleLinking synchronizes AccountLinking and Scopes after a change. Turning AccountLinking on adds ScopeLink, turning it off
// removes the scope, and a new list of scopes without it turns AccountLinking off.
func settleLinking(client *storage.Client, before storage.Client) {
	has := slices.Contains(client.Scopes, ScopeLink)
	switch {
	case client.AccountLinking && !before.AccountLinking && !has:
		client.Scopes = append(slices.Clone(client.Scopes), ScopeLink)
	case client.AccountLinking && !has:
		client.AccountLinking = false
	case !client.AccountLinking && before.AccountLinking:
		client.Scopes = withoutLinking(client.Scopes)
	}
}

func withoutLinking(scopes []string) []string {
	return slices.DeleteFunc(slices.Clone(scopes), func(scope string) bool { return scope == ScopeLink })
}

// LinkingUnconfirmed reports whether a client has ScopeLink from a time when it was a default, and no operator has confirmed
// it. The client is not granted the scope.
func LinkingUnconfirmed(client storage.Client) bool {
	return !client.AccountLinking && slices.Contains(client.Scopes, ScopeLink)
}

// checkLinking requires the operator's explicit permission for ScopeLink.
func (p *problems) checkLinking(client storage.Client) {
	if client.AccountLinking && client.Kind == storage.ClientService {
		p.add("account_linking", "means nothing to a %s client, which has no users", client.Kind)
	}
	if LinkingUnconfirmed(client) {
		p.add("scopes", "%s needs account_linking: %s", ScopeLink, LinkingGivesAway)
	}
}
