package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/minifed/minifed/internal/uri"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/storage"
)

const (
	maxURIs    = 20
	maxScopes  = 50
	maxSecrets = 4
	maxJWKS    = 8 << 10
)

// checkClient says everything that is wrong with a client, given the signing algorithms of its directory.
func checkClient(client storage.Client, algorithms []string) error {
	var p problems
	rules, known := rulesOf(client.Kind)
	if !known {
		p.add("kind", "%q is not a kind of client; the kinds are %s", client.Kind, joinKinds())
		return p.err()
	}
	if _, document := uri.ParseDocument(client.ID); !document {
		p.check("id", checkClientID(client.ID))
	}
	p.check("name", checkLabel(client.Name))
	p.checkLinks(map[string]string{"policy_url": client.PolicyURL, "terms_url": client.TermsURL})
	p.checkAuthentication(client, rules)
	p.checkGrants(client, rules)
	p.checkRedirects(client, rules)
	p.checkScopes(client)
	p.checkLinking(client)
	p.checkAlgorithms(client, algorithms)
	p.checkTokens(client)
	p.checkSubjects(client)
	p.checkClientLifetimes(client, rules)
	p.checkMeaning(client, rules)
	p.checkFederation(client)
	p.checkNativeApp(client)
	return p.err()
}

// checkClientChange returns only the problems that a change adds to a client: rules may have become stricter since the client
// was created. doctor reports the older ones.
func checkClientChange(before, after storage.Client, algorithms []string) error {
	known := problemsOf(before, algorithms)
	added := slices.DeleteFunc(problemsOf(after, algorithms), func(problem Problem) bool { return slices.Contains(known, problem) })
	return problems(added).err()
}

func problemsOf(client storage.Client, algorithms []string) []Problem {
	var invalid *Invalid
	if errors.As(checkClient(client, algorithms), &invalid) {
		return invalid.Problems
	}
	return nil
}

// ClientProblems returns what is wrong with a stored client by today's rules, given its directory. The rules are for clients that
// operators registered.
func ClientProblems(client storage.Client, directory storage.Directory) []Problem {
	if client.Origin != storage.OriginOperator {
		return nil
	}
	return problemsOf(client, SigningAlgorithms(directory))
}

func (p *problems) checkAuthentication(client storage.Client, rules kindRules) {
	if !slices.Contains(rules.AuthMethods, client.TokenEndpointAuthMethod()) {
		p.add("auth_method", "%q is not for a %s client; it may have %s", client.AuthMethod, client.Kind, strings.Join(rules.AuthMethods, ", "))
	}
	hasKeys := len(client.JWKS) > 0 || client.JWKSURI != ""
	if client.AuthMethod == authPrivateKey && !hasKeys {
		p.add("jwks", "private_key_jwt needs jwks or jwks_uri")
	}
	if len(client.JWKS) > 0 && client.JWKSURI != "" {
		p.add("jwks", "jwks and jwks_uri exclude each other (OpenID Connect Registration §2)")
	}
	if len(client.JWKS) > 0 {
		p.check("jwks", checkJWKS(client.JWKS))
	}
	if client.JWKSURI != "" {
		p.check("jwks_uri", uri.CheckHTTPS(client.JWKSURI))
	}
	if len(client.Secrets) > maxSecrets {
		p.add("secrets", "%d are more than the maximum of %d", len(client.Secrets), maxSecrets)
	}
}

// checkJWKS accepts the public keys of RFC 7517 §5, and no private ones.
func checkJWKS(raw []byte) error {
	if len(raw) > maxJWKS {
		return fmt.Errorf("is longer than %d bytes", maxJWKS)
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(raw, &set); err != nil || len(set.Keys) == 0 {
		return errors.New("must be a JWK Set with at least one key (RFC 7517 §5)")
	}
	for i, key := range set.Keys {
		if !key.IsPublic() {
			return fmt.Errorf("key %d is not a public key; the private one stays with the client", i+1)
		}
		if !key.Valid() {
			return fmt.Errorf("key %d is not valid", i+1)
		}
	}
	return nil
}

func (p *problems) checkGrants(client storage.Client, rules kindRules) {
	allowed := slices.Concat(rules.Grants, rules.FurtherGrants)
	if client.NativeApp != "" {
		allowed = append(allowed, grantExchange)
	}
	p.each("grant_types", client.GrantTypes, maxScopes, func(grant string) error {
		if !slices.Contains(allowed, grant) {
			return fmt.Errorf("is not for a %s client; it may have %s", client.Kind, strings.Join(allowed, ", "))
		}
		return nil
	})
	if len(client.GrantTypes) == 0 {
		p.add("grant_types", "must not be empty")
	}
}

func (p *problems) checkRedirects(client storage.Client, rules kindRules) {
	if !rules.Browser {
		p.none("redirect_uris", client.Kind, client.RedirectURIs)
		p.none("post_logout_redirect_uris", client.Kind, client.PostLogoutRedirectURIs)
	}
	if rules.Browser && len(client.RedirectURIs) == 0 && slices.Contains(client.GrantTypes, grantCode) {
		p.add("redirect_uris", "a %s client needs at least one", client.Kind)
	}
	p.each("redirect_uris", client.RedirectURIs, maxURIs, func(address string) error { return uri.CheckRedirect(client.Kind, address) })
	p.each("post_logout_redirect_uris", client.PostLogoutRedirectURIs, maxURIs, func(address string) error { return uri.CheckPostLogout(client.Kind, address) })
	if client.Kind != storage.ClientSPA && client.Kind != storage.ClientNative {
		p.none("origins", client.Kind, client.Origins)
	}
	p.each("origins", client.Origins, maxURIs, checkClientOrigin)
	if client.InitiateLoginURI != "" {
		p.check("initiate_login_uri", uri.CheckHTTPS(client.InitiateLoginURI))
	}
	if client.BackchannelLogoutURI != "" {
		p.check("backchannel_logout_uri", uri.CheckHTTPS(client.BackchannelLogoutURI))
	}
	if client.EventURI != "" {
		p.check("event_uri", uri.CheckHTTPS(client.EventURI))
	}
}

// none rejects values that have no meaning for a kind.
func (p *problems) none(field string, kind storage.ClientKind, values []string) {
	if len(values) > 0 {
		p.add(field, "a %s client has none", kind)
	}
}

func (p *problems) checkScopes(client storage.Client) {
	p.each("scopes", client.Scopes, maxScopes, checkScope)
	p.each("default_scopes", client.DefaultScopes, maxScopes, func(scope string) error {
		if !slices.Contains(client.Scopes, scope) {
			return errors.New("is not among scopes")
		}
		if scope == ScopeLink || scope == ScopeAccount {
			return errors.New("is never granted unasked")
		}
		return nil
	})
	p.each("resources", client.Resources, storage.MaxClientResources, checkIdentifier)
	if client.Kind == storage.ClientService && slices.Contains(client.Scopes, ScopeAccount) {
		p.add("scopes", "%s means nothing to a %s client, which has no users", ScopeAccount, client.Kind)
	}
	p.each("audiences", client.Audiences, maxURIs, checkAudience)
	p.each("default_audience", client.DefaultAudience, maxURIs, func(audience string) error {
		if !slices.Contains(client.Audiences, audience) && !slices.Contains(client.Resources, audience) {
			return errors.New("is not among audiences and resources")
		}
		return nil
	})
}

func (p *problems) checkAlgorithms(client storage.Client, algorithms []string) {
	p.signedWith("id_token_algorithm", client.IDTokenAlgorithm, algorithms)
	p.signedWith("access_token_algorithm", client.AccessTokenAlgorithm, algorithms)
	if client.AuthAlgorithm != "" && !slices.Contains(keys.Algorithms(), client.AuthAlgorithm) {
		p.add("auth_algorithm", "%q is not verified; choose one of %s", client.AuthAlgorithm, strings.Join(keys.Algorithms(), ", "))
	}
}

// signedWith requires an algorithm for which the directory has keys; empty is RS256 (OpenID Connect Registration §2).
func (p *problems) signedWith(field, algorithm string, algorithms []string) {
	if algorithm != "" && !slices.Contains(algorithms, algorithm) {
		p.add(field, "%q has no keys in this directory, which signs with %s", algorithm, strings.Join(algorithms, ", "))
	}
}

// checkTokens is for the settings of what the client's tokens say and how long they stay the same.
func (p *problems) checkTokens(client storage.Client) {
	if !slices.Contains([]string{"", "at+jwt", "JWT"}, client.AccessTokenType) {
		p.add("access_token_type", "%q must be at+jwt or JWT", client.AccessTokenType)
	}
	if client.AccessTokenType != "" && client.OpaqueAccessTokens {
		p.add("access_token_type", "means nothing to a client whose access tokens are opaque")
	}
	if client.KeepRefreshToken && client.AuthMethod == authNone {
		p.add("keep_refresh_token", "is not for public clients: only rotation finds a refresh token that was stolen from one (RFC 9700 §2.2.2)")
	}
	if client.PlaceholderEmailDomain != "" && !isDomain(client.PlaceholderEmailDomain) {
		p.add("placeholder_email_domain", "must be a domain in lower case, such as users.example.com")
	}
}

// isDomain reports whether text is a host name of at least two labels (RFC 1123 §2.1).
func isDomain(text string) bool {
	labels := strings.Split(text, ".")
	return len(text) <= 190 && len(labels) >= 2 && !slices.ContainsFunc(labels, func(label string) bool {
		return label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" ||
			strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-")
	})
}

func (p *problems) checkSubjects(client storage.Client) {
	if client.Pairwise && client.Kind != storage.ClientWeb && client.Kind != storage.ClientSPA {
		p.add("subject_type", "pairwise is for web and spa clients")
		return
	}
	if client.SectorIdentifier != "" && !client.Pairwise {
		p.add("sector_identifier", "means nothing without the subject type pairwise")
	}
	if client.SectorIdentifier != "" {
		p.check("sector_identifier", uri.CheckHTTPS(client.SectorIdentifier))
	} else if _, err := client.Sector(); client.Pairwise && len(client.RedirectURIs) > 0 && err != nil {
		p.add("sector_identifier", "is needed, because the redirect URIs have several hosts: an https URI whose host stands for all of them (OpenID Connect Core §8.1)")
	}
}

// checkSector rejects a change that gives a client other subjects for its users, unless the change requests that.
func checkSector(before, after storage.Client) error {
	if !before.Pairwise || !after.Pairwise || before.SectorIdentifier != after.SectorIdentifier {
		return nil
	}
	was, err := before.Sector()
	if is, _ := after.Sector(); err != nil || is == was {
		return nil
	}
	var p problems
	p.add("sector_identifier", "is needed, because the redirect URIs move to another host: https://%s preserves the subjects of the client's users, and the new host changes them", was)
	return p.err()
}

func (p *problems) checkFederation(client storage.Client) {
	if client.Kind != storage.ClientMiniapp {
		if client.Federation != nil {
			p.add("federation", "is for clients of kind %s", storage.ClientMiniapp)
		}
		return
	}
	if client.Federation == nil {
		p.add("app_id", "a %s client needs the AppID of its mini-program", client.Kind)
		return
	}
	f := client.Federation
	p.check("app_id", checkAppID(f.AppID))
	p.check("open_platform", checkLabel(f.OpenPlatform))
	if f.Provisioning != storage.ProvisionAuto && f.Provisioning != storage.ProvisionBind {
		p.add("provisioning", "%q must be %s or %s", f.Provisioning, storage.ProvisionAuto, storage.ProvisionBind)
	}
	if f.PasswordBinding && !client.FirstParty {
		p.add("password_binding", "is for first-party clients only, because the client collects passwords of this directory")
	}
	p.each("linking_partners", f.LinkingPartners, maxURIs, checkClientID)
}

// checkAppID accepts what WeChat's console calls AppID, and the AppIDs of the simulator.
func checkAppID(id string) error {
	if isSimulated(id) {
		return nil
	}
	rest, found := strings.CutPrefix(id, "wx")
	if !found || len(rest) != 16 || strings.Trim(rest, "0123456789abcdef") != "" {
		return errors.New("must be wx and 16 hexadecimal digits, as WeChat's console shows it, or wxsim… on the simulator")
	}
	return nil
}

// isSimulated reports whether an AppID can only be the simulator's.
func isSimulated(id string) bool {
	isAlphanumeric := func(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' }
	return strings.HasPrefix(id, "wxsim") && len(id) <= 64 && allRunes(id, isAlphanumeric)
}

func joinKinds() string {
	names := []string{}
	for _, kind := range ClientKinds() {
		names = append(names, string(kind))
	}
	return strings.Join(names, ", ")
}
