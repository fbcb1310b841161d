package admin

import "github.com/minifed/minifed/storage"

// checkMeaning rejects settings that have no effect on a client of this kind and authentication method, so that no operator
// relies on them.
func (p *problems) checkMeaning(client storage.Client, rules kindRules) {
	means := func(field string, set, effective bool, because string) {
		if set && !effective {
			p.add(field, "has no effect on a %s client: %s", client.Kind, because)
		}
	}
	people := client.Kind != storage.ClientService
	const noPages = "no page shows it"
	means("logo", len(client.Logo) > 0, people, noPages)
	means("policy_url", client.PolicyURL != "", people, noPages)
	means("terms_url", client.TermsURL != "", people, noPages)
	means("first_party", client.FirstParty, people, "it has no users")
	means("backchannel_logout_uri", client.BackchannelLogoutURI != "", people, "it has no users who sign out")
	means("event_uri", client.EventURI != "", people, "it has no users")
	means("starts_sessions", client.StartsSessions, client.Kind == storage.ClientMiniapp, "only the backend of a mini-program starts browser sessions")
	means("backend_logout", client.BackendLogout, client.Kind == storage.ClientWeb, "it has no backend with a browser session")
	if client.BackendLogout && client.Pairwise {
		p.add("backend_logout", "is not for the subject type pairwise: its ID tokens do not name the session")
	}
	const noAuthorize = "it does not use the authorization endpoint"
	means("scan", client.Scan != storage.ScanTarget{}, rules.Browser, noAuthorize)
	p.checkScan(client.Scan)
	means("require_pkce", client.RequirePKCE, rules.Browser, noAuthorize)
	means("initiate_login_uri", client.InitiateLoginURI != "", rules.Browser, noAuthorize)
	means("require_par", client.RequirePAR, rules.Browser, noAuthorize)
	means("introspection", client.Introspection, client.AuthMethod != authNone, "introspection needs a client that authenticates")
	p.checkKeysMeaning(client)
}

// checkKeysMeaning rejects keys of a client that does not authenticate with them.
func (p *problems) checkKeysMeaning(client storage.Client) {
	if client.AuthMethod == authPrivateKey {
		return
	}
	for field, set := range map[string]bool{
		"jwks": len(client.JWKS) > 0, "jwks_uri": client.JWKSURI != "", "auth_algorithm": client.AuthAlgorithm != "",
	} {
		if set {
			p.add(field, "has no effect unless auth_method is %s", authPrivateKey)
		}
	}
}

// checkClientLifetimes limits a client's lifetimes, and rejects lifetimes of tokens that it does not get.
func (p *problems) checkClientLifetimes(client storage.Client, rules kindRules) {
	l := client.Lifetimes
	p.checkLifetimes(l)
	means := func(field string, seconds int64, effective bool, because string) {
		if seconds != 0 && !effective {
			p.add("lifetimes."+field, "has no effect on a %s client: %s", client.Kind, because)
		}
	}
	const ofDirectory = "a browser session belongs to the directory and is shared by its clients; set it there"
	means("session_idle", l.SessionIdle, false, ofDirectory)
	means("session_absolute", l.SessionAbsolute, false, ofDirectory)
	people := client.Kind != storage.ClientService
	means("id_token", l.IDToken, people, "it gets no ID tokens")
	means("refresh_idle", l.RefreshIdle, people, "it gets no refresh tokens")
	means("refresh_absolute", l.RefreshAbsolute, people, "it gets no refresh tokens")
	means("code", l.Code, rules.Browser, "it gets no authorization codes")
}
