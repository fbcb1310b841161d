package api

import (
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/server/admin/apply"
)

// description is what the document says of an object or a member.
type description struct {
	text     string
	access   access
	needed   bool
	withheld bool
	enum     []string
}

// objectNames renames types whose Go name says too little in the document.
func objectNames() map[string]string {
	return map[string]string{
		"Key": "SigningKey", "UserSession": "Session", "UserGrant": "Grant", "UserSessionList": "SessionList", "UserGrantList": "GrantList",
		"Change": "PlannedChange", "Difference": "PlannedMember", "UserImportReport": "ImportReport", "UserImportProblem": "ImportProblem",
	}
}

func keyStates() []keys.State {
	return []keys.State{keys.StateNext, keys.StateActive, keys.StateRetired, keys.StateRemoved}
}

func says(text string) description { return description{text: text} }

// server describes a member that the server sets.
func server(text string) description { return description{text: text, access: readOnly} }

// atCreation describes a member that a creation may have and a change may not.
func atCreation(text string) description { return description{text: text, access: created} }

// needs describes a member that a creation must have.
func needs(text string) description { return description{text: text, needed: true} }

// oneOf adds the values that a member may have.
func (d description) oneOf(values ...string) description {
	d.enum = values
	return d
}

// withheld is for members that the API never shows and never accepts.
func withheld() description { return description{withheld: true} }

// descriptions describes every member of the API, by object and member. A member without a row is not in the API, and a test fails:
// a new setting is described here, or withheld.
func descriptions() map[string]description {
	all := map[string]description{}
	for _, part := range []map[string]description{
		directoryDescriptions(), clientDescriptions(), connectionDescriptions(), resourceDescriptions(), initialTokenDescriptions(), userDescriptions(), mergeDescriptions(), keyDescriptions(), otherDescriptions(), operatorDescriptions(), applyDescriptions(),
	} {
		for name, described := range part {
			all[name] = described
		}
	}
	return all
}

func directoryDescriptions() map[string]description {
	return map[string]description{
		"Directory":                    says("An identity application: one issuer with its own users, clients, keys, policy and look."),
		"Directory.id":                 atCreation("Letters a-z, digits and -, at most 32. It is part of the issuer and never changes."),
		"Directory.name":               says("The name on pages and in letters."),
		"Directory.incarnation":        withheld(),
		"Directory.issuer":             says("An https origin of its own. Without one the issuer is below the public URL: /d/ and the ID, and the public URL itself for the default directory."),
		"Directory.issuer_url":         server("The issuer: issuer, or the one that follows from the public URL."),
		"Directory.disabled":           server("true if the directory is disabled."),
		"Directory.former_issuer":      server("The issuer before the last change of issuer."),
		"Directory.issuer_changed_at":  server("When issuer changed last."),
		"Directory.sign_in_methods":    says("The sign-in methods of browsers in the order of the login page: scan, link, website, official-account, password, phone-code, email-code, passkey, hand-off. Without one: password and, where the policy allows them, passkeys."),
		"Directory.scan":               says("The mini-program of sign-ins by scan and by link."),
		"Directory.scan_link_rule":     says("A rule of WeChat's console opens the page for ordinary links that begin with {issuer}/scan/. The picture is then an ordinary QR code, which needs no call to WeChat."),
		"Directory.branding":           says("The look of pages."),
		"Directory.policy":             says("What the directory allows."),
		"Directory.lifetimes":          says("How long tokens and sessions are valid, in seconds. A client's own values come first."),
		"Directory.claims":             says("Claims that return groups and attributes of users, at most 16."),
		"Directory.terms":              says("The versions of the terms and the privacy notice. The current one is that with the latest effective time that is not in the future."),
		"Directory.verification_files": says("Files that are served at {issuer}/NAME.txt, at most 16."),
		"Directory.created_at":         server("When the directory was created."),
		"Directory.updated_at":         server("When the directory was changed last."),

		"Branding":               says("The look of a directory's pages."),
		"Branding.logo":          says("A PNG, JPEG or GIF of at most 1 MB and 2048 pixels in each direction, in base64. It is drawn again and returned as PNG."),
		"Branding.accent_color":  says("# and six hexadecimal digits, such as #07c160."),
		"Branding.policy_url":    says("The privacy notice, an https URL."),
		"Branding.terms_url":     says("The terms of service, an https URL."),
		"Branding.support_url":   says("Where users get help, an https URL."),
		"Branding.icp_number":    says("The ICP filing number, such as 京ICP备12345678号-1. Pages show it in the footer."),
		"Branding.police_number": says("The filing number at the public security authority, such as 京公网安备 11010502030143号. Pages show it in the footer."),

		"VerificationFile":         says("A file by which WeChat verifies that the operator controls the host of the issuer."),
		"VerificationFile.name":    says("Letters, digits, - and _, and .txt at the end."),
		"VerificationFile.content": says("The text of the file, of at most 256 bytes."),

		"Policy":                        says("What a directory allows."),
		"Policy.signing_algorithms":     says("The algorithms that the directory has signing keys for. RS256 is always one of them. The default is RS256 and ES256."),
		"Policy.self_registration":      says("Offers a page where people create an account."),
		"Policy.attach_by_phone":        says("Lets bindUser attach a WeChat user to the account that has the proven phone number. This trusts the backend of every mini-program of the directory."),
		"Policy.phone_fresh":            says("How long ago, in seconds, the number may have been verified for attach_by_phone. The default is 90 days."),
		"Policy.require_terms":          says("Rejects sign-ins of users who have not accepted the current version of the terms, with the reason terms_required. Pages ask in any case."),
		"Policy.guardian_consent_under": says("An age in years, at most 21. Sign-ins of users who are younger by their birth date are rejected until a guardian's consent is on record, with the reason guardian_consent_required. 0, the default, needs none."),
		"Policy.deletion_delay":         says("How long, in seconds, a user waits for the deletion and can restore the account, between 1 and 30 days. The default is 15 days."),

		"Policy.device_grant":            says("Offers the device authorization grant (RFC 8628): devices without a browser sign in by a code, which their user allows on another screen. A client also needs the grant type."),
		"Policy.merge_by_unionid":        says("Merges two users when a login finds both by one UnionID, unless one of them has a password, a passkey, or a verified phone number or e-mail address. Other pairs remain merge candidates. Merges can be undone."),
		"Policy.documents":               says("Which clients may sign users in without registration, by a metadata document at the URL that is their client_id: none (off), those of document_hosts (hosts), or all (any).").oneOf("off", "hosts", "any"),
		"Policy.document_hosts":          says("The hosts of metadata documents that you trust, with a port unless it is 443; at most 64. Their clients show a logo."),
		"Policy.registration":            says("Which clients may register themselves (RFC 7591): none (off), those with an initial access token (token), or all (open).").oneOf("off", "token", "open"),
		"Policy.unknown_client_scopes":   says("The scopes of clients that no operator registered. The default is openid, profile, email and offline_access."),
		"Policy.unknown_clients_daily":   says("The most new clients a day that no operator registered, by documents and by open registration each. The default is 1000."),
		"Policy.two_factor":              says("Whether users may, or must, sign in to browsers by a passkey, or by a password and a code of an app."),
		"Policy.passkey_for_new_browser": says("Requires a passkey, from users who have one, to sign in with a browser that they have not signed in with."),

		"Lifetimes":                  says("Times in seconds; absent is the default."),
		"Lifetimes.access_token":     says("Access tokens; 600."),
		"Lifetimes.id_token":         says("ID tokens; 600."),
		"Lifetimes.refresh_idle":     says("An unused refresh token; 30 days, and 7 days for clients of kind wechat_miniapp."),
		"Lifetimes.refresh_absolute": says("A grant, however often it is refreshed; 180 days."),
		"Lifetimes.session_idle":     says("An unused browser session; 12 hours. It has no effect for a client."),
		"Lifetimes.session_absolute": says("A browser session; 30 days. It has no effect for a client."),
		"Lifetimes.code":             says("Authorization codes; 60."),

		"Directory.sms":             says("How codes are sent to phones, for the sign-in method phone-code, and notices."),
		"Directory.sms_key":         withheld(),
		"Directory.captcha_url":     says("A page of the operator that browsers pass before a code is sent, an https URL. It sends the browser back with a signed proof."),
		"Directory.captcha_key":     withheld(),
		"Directory.sms_key_set":     server("Whether the key of the SMS provider is set: see setSMSKey."),
		"Directory.captcha_key_set": server("Whether the key of the captcha is set: see setCaptchaKey."),
		"SMS":                       says("How codes and notices are sent to phones."),
		"SMS.provider":              says("The provider. Without one, nothing is sent.").oneOf("aliyun", "tencent", "webhook", "log"),
		"SMS.url":                   says("Where the webhook is, or another address of the API of the provider, an https URL."),
		"SMS.access_key":            says("The AccessKey ID of Aliyun, or the SecretId of Tencent Cloud."),
		"SMS.app_id":                says("The SdkAppId of Tencent Cloud."),
		"SMS.region":                says("The region of Tencent Cloud. The default is ap-guangzhou."),
		"SMS.signature":             says("The approved signature of the messages."),
		"SMS.templates":             says("The approved templates, with the code as their only variable: ${code} for Aliyun, {1} for Tencent Cloud."),
		"SMS.notice_templates":      says("The approved templates of notices about changes of an account, for users without an e-mail address. Their only variable is the change: ${change} for Aliyun, {1} for Tencent Cloud. Without one in Chinese, none are sent."),
		"SMS.country_codes":         says("The country codes of the numbers that get messages, such as +86, which is the default. The first is that of numbers without one."),
		"SMS.daily_limit":           says("The most messages of the directory a day. The default is 1000."),
		"SMSTemplates":              says("Templates by language."),
		"SMSTemplates.en":           says("The template in English. Without one, that in Chinese is used."),
		"SMSTemplates.zh":           says("The template in Chinese, which is that of all other languages too."),
		"DirectoryKey":              says("A key of a directory."),
		"DirectoryKey.key":          needs("8 to 256 ASCII characters; empty removes the key."),

		"ScanTarget":              says("The page of a mini-program that a picture or a link opens."),
		"ScanTarget.mini_program": says("The ID of the client of kind wechat_miniapp, which needs starts_sessions."),
		"ScanTarget.page":         says("The path of the page, such as pages/scan/index. Without one, the home page."),
		"ScanTarget.version":      says("The version of the mini-program. The default is release.").oneOf("release", "trial", "develop"),

		"TermsDocument":              says("A version of the terms and the privacy notice in one language. Users accept both together."),
		"TermsDocument.version":      needs("1 to 32 letters, digits, dots, underscores and hyphens."),
		"TermsDocument.effective_at": needs("When the version becomes the current one. All documents of a version have the same time."),
		"TermsDocument.locale":       needs("en or zh-CN."),
		"TermsDocument.terms_url":    needs("The https URL of the terms, without a comma."),
		"TermsDocument.privacy_url":  needs("The https URL of the privacy notice, without a comma."),

		"ClaimMapping":        says("A claim that returns groups or an attribute of users. Only operators and imports set its value."),
		"ClaimMapping.claim":  needs("The name of the claim."),
		"ClaimMapping.source": needs("groups, external_id, text:NAME for the first value of an attribute, or list:NAME for all its values."),
		"ClaimMapping.scope":  needs("The scope that releases the claim."),
	}
}

func clientDescriptions() map[string]description {
	return map[string]description{
		"Client":                           says("An OAuth client of a directory: a single-page, native or web application, a service, or a WeChat mini-program."),
		"Client.directory":                 server("The directory of the client."),
		"Client.id":                        atCreation("The client_id: 1 to 64 of a-z, A-Z, 0-9 and - . _ ~. Without one, it is generated."),
		"Client.incarnation":               withheld(),
		"Client.directory_incarnation":     withheld(),
		"Client.origin":                    server("Who registered the client: an operator if it is absent, registered if it registered itself, document if its ID is the URL of its metadata document.").oneOf("registered", "document"),
		"Client.unused_until":              server("When a client that registered itself is deleted, until the first user consents to it."),
		"Client.document_copy":             withheld(),
		"Client.kind":                      {text: "The kind of software; the defaults follow from it.", access: created, needed: true},
		"Client.name":                      says("The name that users see."),
		"Client.disabled":                  server("true if the client is disabled."),
		"Client.logo":                      says("The picture on the consent page, as Branding.logo."),
		"Client.policy_url":                says("The client's privacy notice, an https URL."),
		"Client.terms_url":                 says("The client's terms of service, an https URL."),
		"Client.auth_method":               says("token_endpoint_auth_method. Without one, a secret is accepted by Basic and in the body.").oneOf("", "client_secret_basic", "client_secret_post", "private_key_jwt", "none"),
		"Client.secrets":                   withheld(),
		"Client.secret_count":              server("How many secrets are valid."),
		"Client.push_events":               server("Whether the mini-program receives push events of WeChat: see setPushKeys."),
		"Client.jwks":                      says("The client's public keys for private_key_jwt, as a JWK Set. jwks_uri excludes it."),
		"Client.jwks_uri":                  says("Where the client's public keys are, an https URL."),
		"Client.auth_algorithm":            says("token_endpoint_auth_signing_alg. Without one, every algorithm is accepted."),
		"Client.redirect_uris":             says("Where users come back to after sign-in."),
		"Client.post_logout_redirect_uris": says("Where users come back to after logout."),
		"Client.origins":                   says("Origins of scripts that call the endpoints (CORS), for spa and native clients."),
		"Client.initiate_login_uri":        says("initiate_login_uri of OpenID Connect: the https address where a browser begins to sign in. A hand-off from a mini-program redirects to it with iss and state."),
		"Client.event_uri":                 says("Where security events about users are sent (RFC 8935), an https URL."),
		"Client.backchannel_logout_uri":    says("Where logout tokens are sent, an https URL."),
		"Client.backend_logout":            says("Lets an ID token end its session at the logout endpoint without the browser's cookie."),
		"Client.grant_types":               says("The OAuth grant types of the client. The default depends on the kind."),
		"Client.scopes":                    says("The scopes that the client may have. The default depends on the kind."),
		"Client.default_scopes":            says("The scopes that are granted when none are requested."),
		"Client.resources":                 says("The identifiers of the resources that the client may have tokens for, where a resource is asked for by listed clients."),
		"Client.audiences":                 says("The audiences that the client may request."),
		"Client.default_audience":          says("The audience when none is requested. The default is the issuer."),
		"Client.id_token_algorithm":        says("The algorithm of ID tokens. The default depends on the kind."),
		"Client.id_token_claims":           says("Puts claims of the granted scopes into ID tokens, for clients that do not read UserInfo."),
		"Client.access_token_algorithm":    says("The algorithm of access tokens. The default is id_token_algorithm."),
		"Client.opaque_access_tokens":      says("Issues access tokens that only introspection and UserInfo can read."),
		"Client.access_token_type":         says("The header typ of access tokens.").oneOf("at+jwt", "JWT"),
		"Client.keep_refresh_token":        says("Returns the same refresh token from a refresh. By default it is rotated, which detects a stolen one."),
		"Client.placeholder_email_domain":  says("Gives users without an e-mail address the address sub@domain, unverified."),
		"Client.first_party":               says("The client needs no consent of users."),
		"Client.require_pkce":              says("Requires PKCE of a confidential client. Public clients always need it."),
		"Client.require_par":               says("Rejects authorization requests that were not pushed."),
		"Client.pairwise":                  says("Gives the client its own subject identifiers."),
		"Client.sector_identifier":         says("sector_identifier_uri: an https URI whose host determines the pairwise subjects."),
		"Client.account_linking":           says("Allows the scope urn:minifed:link. Within five minutes of a user's sign-in, the backend can then set the first password of that user and attach any WeChat user to the account."),
		"Client.native_app":                says("The AppID of a connection of kind native-app: the client's backend exchanges the codes of WeChat's SDK (SendAuth) for tokens. For kinds wechat_miniapp and web."),
		"Client.starts_sessions":           says("Lets the backend of a mini-program start browser sessions: sign-in by scan, by link and by hand-off. With a login code of a user, the backend can sign that user in to any browser, at every client of the directory, without the user's consent."),
		"Client.introspection":             says("Lets the client introspect every token of the directory."),
		"Client.scan":                      says("The mini-program of sign-ins by scan and by link to this client, in place of the directory's."),
		"Client.lifetimes":                 says("Times that replace those of the directory."),
		"Client.assignments":               withheld(),
		"Client.expires_at":                withheld(),
		"Client.federation":                says("The mini-program, for kind wechat_miniapp."),
		"Client.created_at":                server("When the client was created."),
		"Client.updated_at":                server("When the client was changed last."),

		"Federation":                  says("The mini-program of a client of kind wechat_miniapp."),
		"Federation.app_id":           says("The AppID of WeChat's console."),
		"Federation.app_secret":       withheld(),
		"Federation.push_token":       withheld(),
		"Federation.encoding_aes_key": withheld(),
		"Federation.open_platform":    says("A name of your choice for the Open Platform account that the AppID is bound to. Without one, UnionIDs are ignored."),
		"Federation.provisioning":     says("What happens with an unknown WeChat user: auto creates a user, bind lets the mini-program register or bind one."),
		"Federation.update_profile":   says("Lets the member user of a sign-in update the profile of a known user."),
		"Federation.password_binding": says("Allows bindUser by username and password, for first-party clients."),
		"Federation.linking_partners": says("The clients whose access tokens bindUser accepts in addition to this client's."),

		"NewClient":            says("A client to create."),
		"NewClient.secret":     says("A chosen secret of 16 to 256 characters. Without one, a secret is generated for a client that authenticates with one."),
		"NewClient.app_secret": says("The AppSecret of WeChat's console, for kind wechat_miniapp. It is sealed and never shown."),

		"NewClient.push_token":       says("The Token of the message push in WeChat's console; optional, and with encoding_aes_key."),
		"NewClient.encoding_aes_key": says("The EncodingAESKey of the message push in WeChat's console. It is sealed and never shown."),

		"CreatedClient":        says("A client with its secret."),
		"CreatedClient.secret": server("The client secret. It is not shown again."),

		"NewSecret":            says("A secret to add."),
		"NewSecret.secret":     says("A chosen secret of 16 to 256 characters. Without one, a secret is generated."),
		"NewSecret.alone":      says("Ends the earlier secrets at once."),
		"Secret":               says("A secret."),
		"Secret.secret":        server("The secret. It is not shown again."),
		"AppSecret":            says("The AppSecret of a mini-program."),
		"AppSecret.app_secret": needs("The AppSecret of WeChat's console."),

		"PushKeys":                  says("The keys of the message push of a mini-program or a connection."),
		"PushKeys.push_token":       needs("The Token of WeChat's console: 3 to 32 letters and digits."),
		"PushKeys.encoding_aes_key": needs("The EncodingAESKey of WeChat's console: 43 letters and digits."),

		"AppCredential":            says("An AppID and AppSecret to test."),
		"AppCredential.app_id":     needs("The AppID of WeChat's console."),
		"AppCredential.app_secret": needs("The AppSecret of WeChat's console."),

		"Credential":          says("What WeChat says of an AppID and AppSecret."),
		"Credential.valid":    server("true if WeChat accepts them from this server."),
		"Credential.rejected": server("The setting that WeChat rejects: app_id, app_secret, ip_list, or other."),
		"Credential.errcode":  server("WeChat's errcode."),
		"Credential.rid":      server("WeChat's trace ID, for its support."),
		"Credential.problem":  server("What is wrong."),
		"Credential.remedy":   server("What to do."),
	}
}

func userDescriptions() map[string]description {
	return map[string]description{
		"User":                       says("A person in a directory."),
		"User.directory":             server("The directory of the user."),
		"User.directory_incarnation": withheld(),
		"User.id":                    server("The claim sub. It is never used again."),
		"User.status":                server("active, disabled, deletion_pending, deleted, or alias: merged into the user alias_of."),
		"User.alias_of":              server("The user into which this one was merged."),
		"User.aliases":               server("The users who were merged into this one, oldest merge first."),
		"User.shadow":                server("true if a sign-in by WeChat created the user."),
		"User.epoch":                 withheld(),
		"User.sessions_due_at":       withheld(),
		"User.deletion_due_at":       server("When the user is to be deleted; absent unless the deletion was requested."),
		"User.deletion_requested_at": server("When the deletion of the user was requested."),
		"User.terms_accepted":        server("The versions of the terms that the user accepted, oldest first, at most 16."),
		"User.guardian_consent":      says("Names the proof of a guardian's consent in your own record, such as a case number, at most 128 characters. An empty text withdraws the consent, and ends all sessions and grants of the user."),
		"User.guardian_consent_at":   server("When the guardian's consent was recorded."),
		"TermsAcceptance":            says("That a user accepted a version of the terms and the privacy notice."),
		"TermsAcceptance.version":    server("The version."),
		"TermsAcceptance.at":         server("When the user accepted it."),
		"TermsAcceptance.method":     server("browser: a page of the issuer; backend: the parameter terms_version."),
		"TermsAcceptance.client":     server("The client whose backend reported it."),
		"User.client_epochs":         withheld(),
		"User.client_epoch_base":     withheld(),
		"User.removed":               withheld(),
		"User.username":              says("The username as the user wrote it. Case and width of letters do not matter."),
		"User.password":              withheld(),
		"User.claim_sources":         withheld(),
		"User.has_password":          server("true if the user has a password."),
		"User.password_changed_at":   server("When the password was set."),
		"User.password_from":         server("When the password begins to work; absent for at once."),
		"User.email":                 says("The e-mail address. One that an operator sets counts as verified."),
		"User.email_verified":        server("true if the address is verified."),
		"User.phone":                 says("The phone number in E.164, with a masked middle. One that an operator sets counts as verified."),
		"User.phone_verified_at":     server("When the number was verified."),
		"User.phone_proven_at":       server("When the user proved the number last by a code on a page of the issuer. Other proofs do not set it."),
		"User.profile":               says("Claims about the user."),
		"User.groups":                says("Groups of the user, which a directory can map to a claim."),
		"User.attributes":            says("Attributes of the user by name, each with a list of values."),
		"User.assignments":           withheld(),
		"User.external_id":           server("The user's ID in the system that an import came from."),
		"User.imported":              withheld(),
		"User.events":                withheld(),
		"User.former_ids":            withheld(),
		"User.merge_plan":            server("The merge that turned this user into an alias."),
		"User.sign_ins":              server("The last 20 sign-ins, newest first; not in lists."),
		"User.identities":            server("What the user signs in by. Only the operations on one user return it."),
		"User.created_at":            server("When the user was created."),
		"User.updated_at":            server("When the user was changed last."),

		"Profile":             says("The standard claims of OpenID Connect Core 1.0 section 5.1."),
		"Profile.name":        says("The full name."),
		"Profile.given_name":  says("The given name."),
		"Profile.family_name": says("The family name."),
		"Profile.middle_name": says("The middle name."),
		"Profile.nickname":    says("The nickname."),
		"Profile.profile":     says("The URL of a profile page."),
		"Profile.picture":     says("The URL of a picture."),
		"Profile.website":     says("The URL of a website."),
		"Profile.gender":      says("The gender."),
		"Profile.birthdate":   says("The birthday, as YYYY-MM-DD, 0000-MM-DD or YYYY."),
		"Profile.zoneinfo":    says("The time zone, such as Asia/Shanghai."),
		"Profile.locale":      says("The language, such as zh-CN."),
		"Profile.address":     says("The postal address."),

		"Address":                says("A postal address."),
		"Address.formatted":      says("The whole address, with line breaks."),
		"Address.street_address": says("Street and house number."),
		"Address.locality":       says("City."),
		"Address.region":         says("Province or region."),
		"Address.postal_code":    says("Postal code."),
		"Address.country":        says("Country."),

		"Identity":                 says("A link from an identity outside to a user."),
		"Identity.directory":       server("The directory of the user."),
		"Identity.type":            server("The type of the identity."),
		"Identity.namespace":       server("The AppID of an OpenID, or the Open Platform account of a UnionID."),
		"Identity.value":           server("The value. Phone numbers, OpenIDs and UnionIDs are masked."),
		"Identity.user":            server("The user that the link names."),
		"Identity.union_digest":    withheld(),
		"Identity.verified_at":     server("When the identity was proven."),
		"Identity.merged_from":     server("The users who had the link before merges."),
		"Identity.created_at":      server("When the link was created."),
		"Identity.expires_at":      withheld(),
		"Identity.deregistered_at": server("When WeChat reported that the account was deregistered. The user is deleted 15 days later, unless the user signs in or has another way to sign in."),

		"NewUser":                  says("A user to create."),
		"NewUser.username":         needs("3 to 64 letters, digits and . _ -."),
		"NewUser.password":         says("A password. Without one, the user has none."),
		"NewUser.email":            says("An e-mail address, which counts as verified."),
		"NewUser.phone":            says("A phone number in E.164, which counts as verified."),
		"NewUser.profile":          says("Claims about the user."),
		"NewUser.groups":           says("Groups of the user."),
		"NewUser.attributes":       says("Attributes of the user by name, each with a list of values."),
		"NewUser.guardian_consent": says("Names the proof of a guardian's consent in your own record, such as a case number, at most 128 characters."),

		"UserSearch":             says("A search for users, with exactly one member."),
		"UserSearch.name":        says("The beginning of the name, of the nickname of a user without name, or of the username of a user with neither. Case does not matter."),
		"UserSearch.id":          says("The ID. That of a merged user finds the user that it leads to."),
		"UserSearch.username":    says("The username."),
		"UserSearch.email":       says("The verified e-mail address."),
		"UserSearch.phone":       says("The phone number in E.164."),
		"UserSearch.open_id":     says("The OpenID in one of the directory's mini-programs."),
		"UserSearch.union_id":    says("The UnionID in one of the directory's Open Platform accounts."),
		"UserSearch.external_id": says("The ID in the system that an import came from."),
		"UserSearch.q":           says("Any of these: exact values first, then the beginning of the name."),

		"NewPassword":          says("A password to set."),
		"NewPassword.password": says("The password. Without one, it is generated."),
		"Password":             says("The result of the reset of a password."),
		"Password.password":    server("The generated password. It is not shown again."),

		"UserMethods":                     says("The sign-in methods of a user other than identities."),
		"UserMethods.password":            server("true if the user has a password."),
		"UserMethods.password_changed_at": server("When the password was set."),
		"UserMethods.passkeys":            server("The passkeys."),
		"UserMethods.totp":                server("The authenticator app; absent if there is none."),

		"Passkey":            says("A passkey of a user."),
		"Passkey.id":         server("The ID."),
		"Passkey.name":       server("The name that the user gave it."),
		"Passkey.host":       server("The host for which it was created. At another host it does not work."),
		"Passkey.backed_up":  server("true if the user's devices share it."),
		"Passkey.valid_from": server("When the passkey begins to work; absent for at once. A first passkey of a session that a client's backend could start is delayed by 24 hours."),
		"Passkey.suspect_at": server("When its counter went back, as that of a copy would."),
		"Passkey.used_at":    server("When it was used last."),
		"Passkey.created_at": server("When it was created."),

		"TOTP":                says("The authenticator app of a user."),
		"TOTP.recovery_codes": server("How many recovery codes are unused."),
		"TOTP.remove_at":      server("When its use ends, because the user has lost it."),
		"TOTP.used_at":        server("When it was used last."),
		"TOTP.created_at":     server("When it was set up."),

		"Session":                   says("A browser that is signed in to a directory."),
		"Session.directory":         server("The directory of the session."),
		"Session.id":                server("The claim sid of ID tokens."),
		"Session.secret":            withheld(),
		"Session.user":              server("The user."),
		"Session.user_epoch":        withheld(),
		"Session.auth_time":         server("When the user signed in."),
		"Session.amr":               server("How the user signed in (RFC 8176)."),
		"Session.backend_initiated": server("true if the backend of a mini-program could start the session without its user: sign-in by scan, link or hand-off."),
		"Session.acr":               server("The class of the sign-in."),
		"Session.browser":           server("A label of the browser."),
		"Session.from":              server("The client address at the last sign-in."),
		"Session.country":           server("The country of that address, where a trusted proxy sends it."),
		"Session.client":            server("The only client that the session signs in to, if a hand-off opened it."),
		"Session.clients":           withheld(),
		"Session.ended_at":          server("When the session was ended."),
		"Session.tell_at":           withheld(),
		"Session.told":              withheld(),
		"Session.seen_at":           server("When the session was used last."),
		"Session.created_at":        server("When the session was created."),
		"Session.expires_at":        server("When the session expires."),
		"Session.state":             server("active or ended.").oneOf(admin.StateActive, admin.StateEnded),

		"Grant":                   says("What a client was granted by one sign-in of a user."),
		"Grant.directory":         server("The directory of the grant."),
		"Grant.id":                server("The ID of the grant."),
		"Grant.client":            server("The client."),
		"Grant.incarnation":       withheld(),
		"Grant.issuer":            withheld(),
		"Grant.user":              server("The user."),
		"Grant.state":             server("active or ended.").oneOf(admin.StateActive, admin.StateEnded),
		"Grant.grant_type":        server("The OAuth grant type."),
		"Grant.secret_generation": withheld(),
		"Grant.user_epoch":        withheld(),
		"Grant.client_epoch":      withheld(),
		"Grant.session":           server("The session that the grant ends with."),
		"Grant.sid":               withheld(),
		"Grant.scopes":            server("The granted scopes."),
		"Grant.asked_scopes":      withheld(),
		"Grant.audience":          server("The audience of the access tokens."),
		"Grant.nonce":             withheld(),
		"Grant.auth_time":         server("When the user signed in."),
		"Grant.amr":               server("How the user signed in (RFC 8176)."),
		"Grant.acr":               server("The class of the sign-in."),
		"Grant.backend_initiated": server("true if the backend of a client could create it without its user."),
		"Grant.claims":            withheld(),
		"Grant.asked":             withheld(),
		"Grant.asked_bind":        withheld(),
		"Grant.repeat_until":      withheld(),
		"Grant.phone_error":       withheld(),
		"Grant.refusal":           withheld(),
		"Grant.hand_off":          withheld(), "Grant.device": withheld(),
		"Grant.pending":         withheld(),
		"Grant.code":            withheld(),
		"Grant.refresh":         withheld(),
		"Grant.attempt":         withheld(),
		"Grant.revoked_at":      server("When the grant was revoked."),
		"Grant.revoked_because": server("Why it was revoked: reuse, logout, revoked, proofs, not_me or operator."),
		"Grant.created_at":      server("When the grant was created."),
		"Grant.expires_at":      server("When no token of the grant can be valid any more."),
	}
}

func mergeDescriptions() map[string]description {
	return map[string]description{
		"MergeCandidate":            says("Two accounts that look like one person."),
		"MergeCandidate.directory":  server("The directory of both."),
		"MergeCandidate.id":         server("The ID of the candidate."),
		"MergeCandidate.users":      server("The two users; the one that signed in first comes first. It is empty for a WeChat user without an account."),
		"MergeCandidate.identity":   withheld(),
		"MergeCandidate.reason":     server("What the two share: unionid or phone."),
		"MergeCandidate.state":      server("open, merged, dismissed or undone.").oneOf("open", "merged", "dismissed", "undone"),
		"MergeCandidate.merge":      server("The merge, by which it can be undone."),
		"MergeCandidate.batch":      server("The batch in which it was merged."),
		"MergeCandidate.created_at": server("When the pair was found."),
		"MergeCandidate.updated_at": server("When the candidate was decided."),

		"MergeBatch":            says("Merge candidates that were accepted together."),
		"MergeBatch.directory":  server("The directory."),
		"MergeBatch.id":         server("The ID of the batch."),
		"MergeBatch.candidates": server("The candidates in the order of their merges."),
		"MergeBatch.actor":      server("Who accepted them."),
		"MergeBatch.created_at": server("When they were accepted."),
		"MergeBatch.expires_at": server("Until when the batch can be undone as one."),

		"Candidates":            says("Merge candidates."),
		"Candidates.candidates": needs("The IDs of 1 to 100 merge candidates, in the order in which they are merged."),
		"UserPair":              says("Two users to merge."),
		"UserPair.users":        needs("The IDs of two users."),

		"Merge":          says("A merge of two users."),
		"Merge.id":       server("The ID of the merge, by which it is undone."),
		"Merge.survivor": server("The user that remains."),
		"Merge.alias":    server("The user whose ID now leads to the survivor."),

		"MergePreview":           says("What the acceptance of a merge candidate would do."),
		"MergePreview.candidate": server("The candidate."),
		"MergePreview.survivor":  server("The user that would remain."),
		"MergePreview.alias":     server("The user that would become an alias."),
		"MergePreview.gained":    server("The members of the profile that the survivor would get."),
		"MergePreview.problem":   server("Why the candidate cannot be merged; absent if it can."),
		"MergePreviews":          says("Previews in the order of the candidates."),
		"MergePreviews.items":    server("One preview for each candidate."),

		"MergeOutcome":           says("The result for one merge candidate."),
		"MergeOutcome.candidate": server("The candidate."),
		"MergeOutcome.merge":     server("The merge, if it was merged."),
		"MergeOutcome.problem":   server("Why it was not merged or not separated; absent on success."),
		"BatchOutcome":           says("The result of a batch."),
		"BatchOutcome.batch":     server("The ID of the batch, by which it is undone."),
		"BatchOutcome.items":     server("One result for each candidate."),
	}
}

func keyDescriptions() map[string]description {
	return map[string]description{
		"SigningKey":            says("A signing key, without its private part."),
		"SigningKey.directory":  server("The directory of the key."),
		"SigningKey.algorithm":  server("The algorithm (RFC 7518)."),
		"SigningKey.kid":        server("The key ID."),
		"SigningKey.state":      server("next is published and does not sign yet, active signs, retired is published for the tokens that it signed, removed only verifies id_token_hint."),
		"SigningKey.publish_at": server("When it is published."),
		"SigningKey.sign_at":    server("When it begins to sign."),
		"SigningKey.retire_at":  server("When it stops to sign."),
		"SigningKey.remove_at":  server("When it leaves the JWK Set."),
		"SigningKey.forget_at":  server("Until when an id_token_hint that it signed is accepted."),
		"KeySet":                says("All signing keys of a directory."),
		"KeySet.items":          server("The keys in the order of algorithm and age."),

		"KeyRotation":           says("The rotation of a signing key."),
		"KeyRotation.algorithm": needs("The algorithm, one of the directory's."),
		"KeyRotation.now":       says("Lets the next key sign at once."),

		"SecretGeneration":            says("A generation of token secrets."),
		"SecretGeneration.generation": server("Its number."),
		"SecretGeneration.use_at":     server("When it is used."),
	}
}

func otherDescriptions() map[string]description {
	return map[string]description{
		"List":       says("One page of a list."),
		"List.items": server("The items of the page."),
		"List.next":  server("The parameter after of the next page; absent on the last page."),

		"ImportReport":              says("What an import did, or would do."),
		"ImportReport.rows":         server("Rows of the file."),
		"ImportReport.created":      server("New users."),
		"ImportReport.completed":    server("Users that an interrupted import had begun."),
		"ImportReport.updated":      server("Users with other values than before."),
		"ImportReport.unchanged":    server("Users with the same values as before."),
		"ImportReport.differing":    server("Users from an earlier import with other values, which stay without update."),
		"ImportReport.conflicts":    server("Rows in conflict with users who exist. They are left out."),
		"ImportReport.invalid":      server("Rows with an unacceptable value. With one of them, nothing is imported."),
		"ImportReport.unverified":   server("E-mail addresses and phone numbers that are left out, because the file says that they are not verified."),
		"ImportReport.external_ids": server("Rows with an external ID."),
		"ImportReport.problems":     server("Conflicts and unacceptable values, at most 1000."),
		"ImportReport.digest":       server("The SHA-256 of the file."),
		"ImportProblem":             says("A problem of one row. It contains no value of the file."),
		"ImportProblem.line":        server("The line of the file."),
		"ImportProblem.member":      server("The member of the row."),
		"ImportProblem.problem":     server("What is wrong."),

		"AuditEntry":             says("Who did what."),
		"AuditEntry.directory":   server("The directory."),
		"AuditEntry.id":          server("The ID of the entry."),
		"AuditEntry.actor":       server("operator:ID, service:CLIENT, cli:USER, user:ID or system."),
		"AuditEntry.action":      server("What was done, such as user.disable."),
		"AuditEntry.target":      server("What it was done to, such as user:ID or client:ID."),
		"AuditEntry.details":     server("Names of fields and states, never secret or personal values."),
		"AuditEntry.created_at":  server("When it was done."),
		"AuditEntry.expires_at":  server("Until when the entry is stored, in entries of earlier versions."),
		"AuditEntry.before":      server("The changed members before the act, without secrets; personal data is masked or \"set\"."),
		"AuditEntry.after":       server("The changed members after the act."),
		"AuditEntry.outcome":     server("done or failed. An entry is written before its act: if the act then fails, another entry says so and names it."),
		"AuditEntry.from":        server("The client address."),
		"AuditEntry.request_id":  server("Identifies the request in the server's log."),
		"AuditEntry.sign_ins":    server("The sign-ins or links of a batch, for the actions sign_ins and links. A link has the type of the identity as its method."),
		"AuditEntry.chain":       server("The chain of the entry: that of one process. Entries of earlier versions have none."),
		"AuditEntry.sequence":    server("The place in the chain, from 1."),
		"AuditEntry.previous":    server("The MAC of the entry before."),
		"AuditEntry.previous_at": server("The time of the entry before."),
		"AuditEntry.key":         server("The ID of the master key that the key of the MAC derives from."),
		"AuditEntry.mac":         server("The MAC of the entry. `minifed audit verify` checks it."),

		"SignIn":            says("A sign-in, or a failed one of a known user."),
		"Statistics":        says("Counts of sign-ins in a time."),
		"Statistics.from":   server("The beginning."),
		"Statistics.to":     server("The end; it is not included."),
		"Statistics.step":   server("The time that each value counts.").oneOf("minute", "quarter", "hour", "day"),
		"Statistics.series": server("The counts by directory, method and outcome."),

		"Series":           says("The counts of one outcome of a method in a directory."),
		"Series.directory": server("The directory; absent for calls to WeChat and for checks."),
		"Series.method":    server("The sign-in method; wechat for calls to WeChat; store, keys or backup for checks, counted by each instance once a minute."),
		"Series.outcome":   server("The outcome."),
		"Series.values":    server("The counts of each step, the oldest first."),

		"Health":                      says("The state of the installation as one instance sees it."),
		"Health.store":                server("Why the store does not respond; absent if it does."),
		"Health.store_latency":        server("The duration of one read, in nanoseconds."),
		"Health.signers":              server("The directories that cannot sign now."),
		"Health.backup":               server("The state of backups; absent if the server takes none."),
		"Health.audit":                server("The state of the audit; absent if the store does not respond."),
		"AuditState":                  says("The state of the audit."),
		"AuditState.verified_at":      server("When the audit was last verified, by any instance; absent before the first time."),
		"AuditState.problems":         server("The problems that the last verification found."),
		"AuditState.waiting_sign_ins": server("The sign-ins that this instance has to write."),
		"AuditState.write_failures":   server("The entries that this instance could not write since its start."),
		"SignerProblem":               says("A directory that cannot sign."),
		"SignerProblem.directory":     server("The directory."),
		"SignerProblem.reason":        server("Why it cannot sign."),
		"BackupState":                 says("The state of backups."),
		"BackupState.last_good":       server("When the last good backup was taken."),
		"BackupState.failed_at":       server("When a later backup failed."),
		"BackupState.failed_why":      server("Why it failed."),

		"AuditReport":                 says("The result of a verification of the audit."),
		"AuditReport.entries":         server("How many entries there are."),
		"AuditReport.sign_ins":        server("How many sign-ins the entries have."),
		"AuditReport.chains":          server("How many chains there are, one for each process."),
		"AuditReport.checkpoints":     server("How many checkpoints there are."),
		"AuditReport.unchained":       server("How many entries are of earlier versions, which no chain protects."),
		"AuditReport.last_checkpoint": server("When the last checkpoint was written. An end that was cut off is found up to there."),
		"AuditReport.complete_from":   server("From when on the audit is complete. Older entries may be deleted."),
		"AuditReport.problems":        server("The first problems, at most 1000."),
		"AuditReport.found":           server("How many problems there are. 0 means that the audit is as it was written."),

		"AuditProblem":          says("A place at which the audit is not as it was written."),
		"AuditProblem.problem":  server("What is wrong."),
		"AuditProblem.chain":    server("The chain."),
		"AuditProblem.sequence": server("The place in the chain; absent if the whole chain is meant."),
		"AuditProblem.key":      server("The ID of the master key that is not known."),

		"SignIn.at": server("When it was."),
		"SignIn.u":  server("The user."),
		"SignIn.c":  server("The client."),
		"SignIn.m":  server("The sign-in method."),
		"SignIn.o":  server("Why it failed; absent for a success."),
		"SignIn.f":  server("The client address."),
		"SignIn.s":  server("The session that began; only in the user's own list."),
		"SignIn.b":  server("The browser; only in the user's own list."),
		"SignIn.l":  server("The country, where a trusted proxy sends it; only in the user's own list."),
		"SignIn.r":  server("Identifies the request in the server's log."),

		"Problem":            says("The body of every error (RFC 9457), as application/problem+json."),
		"Problem.type":       server("The kind of problem. Decide by it."),
		"Problem.title":      server("The kind of problem as a text."),
		"Problem.status":     server("The HTTP status."),
		"Problem.detail":     server("What happened and what to do. The text can change."),
		"Problem.request_id": server("Identifies the request in the server's log."),
		"Problem.errors":     server("The wrong values of the request."),

		"ProblemField":           says("A wrong value."),
		"ProblemField.pointer":   server("The JSON pointer of the member of the body (RFC 6901)."),
		"ProblemField.parameter": server("The name of the query parameter or header."),
		"ProblemField.detail":    server("What is wrong with it."),
	}
}

func applyDescriptions() map[string]description {
	return map[string]description{
		"FileDocument":        says("A document that describes a record. A member that is absent has its default."),
		"FileDocument.kind":   needs("What the document describes: directory, operator, service_client, or the kind of a client.").oneOf(apply.Kinds()...),
		"FileDocument.source": says("Where the document is, such as a file and a line. Messages name it."),
		"FileDocument.body":   needs("The members of the record as this API has them. secret and app_secret of a client, secret of a service client and password of an operator can be members too; without them, stored secrets stay unchanged."),

		"FileDocuments":       says("The documents of a directory."),
		"FileDocuments.items": server("The directory comes first."),

		"DocumentSet":                   says("Documents to plan or to apply."),
		"DocumentSet.documents":         needs("The documents, at most 10,000."),
		"DocumentSet.default_directory": says("The directory of clients that name none."),
		"DocumentSet.prune":             says("true deletes the clients of described directories that no document describes."),

		"ApplyPlan":         says("What documents change."),
		"ApplyPlan.pending": server("true if the plan has changes that were not done."),
		"ApplyPlan.changes": server("The records in the order of the plan."),

		"PlannedChange":                  says("What a plan does to one record."),
		"PlannedChange.action":           server("create, change, leave or delete. ignore is a client in no document, which prune would delete.").oneOf(texts([]apply.Action{apply.ActionCreate, apply.ActionChange, apply.ActionLeave, apply.ActionDelete, apply.ActionIgnore})...),
		"PlannedChange.kind":             server("The kind of the document."),
		"PlannedChange.directory":        server("The directory of a client."),
		"PlannedChange.id":               server("The ID of the record; the username of an operator."),
		"PlannedChange.source":           server("Where the document is."),
		"PlannedChange.members":          server("The members that differ. A new record has all that are not the default."),
		"PlannedChange.generated_secret": server("true if the new client gets a generated secret. Rotate the secret to get one that is shown."),

		"PlannedMember":        says("A member that has another value."),
		"PlannedMember.member": server("The path of the member, such as lifetimes.access_token."),
		"PlannedMember.before": server("The value before; absent for the default."),
		"PlannedMember.after":  server("The value after; absent for the default."),
		"PlannedMember.secret": server("true if the values are secrets, which are not shown."),
	}
}

func operatorDescriptions() map[string]description {
	roles := func(text string) description { return needs(text) }
	return map[string]description{
		"Operator":             says("A person who administers minifed."),
		"Operator.id":          server("The ID."),
		"Operator.status":      server("active or disabled."),
		"Operator.username":    server("The username."),
		"Operator.name":        server("The full name."),
		"Operator.email":       server("The e-mail address."),
		"Operator.assignments": server("The roles, one for each directory."),
		"Operator.created_at":  server("When the operator was created."),

		"NewOperator":             says("An operator to create."),
		"NewOperator.username":    needs("3 to 64 letters, digits and . _ -."),
		"NewOperator.name":        says("The full name."),
		"NewOperator.password":    says("The password. Without one, it is generated."),
		"NewOperator.email":       says("The e-mail address, which counts as verified."),
		"NewOperator.assignments": roles("The roles, at least one."),

		"CreatedOperator":          says("An operator with a generated password."),
		"CreatedOperator.password": server("The generated password. It is not shown again."),

		"Roles":             says("The roles of an operator."),
		"Roles.assignments": roles("The roles, at least one. They replace all earlier ones."),

		"Assignment":           says("A role in one directory, or in all of them."),
		"Assignment.directory": needs("The ID of a directory, or * for all directories and the installation itself."),
		"Assignment.role":      needs("owner may do everything, admin all in a directory but its deletion, support helps users without seeing secrets, auditor reads.").oneOf(texts(admin.Roles())...),

		"ServiceClient":             says("A client of a program that uses this API."),
		"ServiceClient.id":          server("The client_id."),
		"ServiceClient.name":        says("What it is for."),
		"ServiceClient.disabled":    server("true if it is disabled."),
		"ServiceClient.assignments": says("The roles, at least one."),
		"ServiceClient.expires_at":  says("From when it counts as disabled, at most two years ahead."),
		"ServiceClient.created_at":  server("When it was created."),

		"NewServiceClient":             says("A service client to create."),
		"NewServiceClient.id":          says("The client_id. Without one, it is generated."),
		"NewServiceClient.name":        says("What it is for."),
		"NewServiceClient.assignments": roles("The roles, at least one."),
		"NewServiceClient.expires_at":  needs("From when it counts as disabled, at most two years ahead."),

		"CreatedServiceClient":        says("A service client with its secret."),
		"CreatedServiceClient.secret": server("The client secret. It is not shown again."),
	}
}

func connectionDescriptions() map[string]description {
	return map[string]description{
		"Connection":                       says("A WeChat app by which users of a directory sign in and that is no client."),
		"Connection.directory":             server("The directory of the connection."),
		"Connection.directory_incarnation": withheld(),
		"Connection.app_id":                {text: "The AppID of WeChat's console. It identifies the connection.", access: created, needed: true},
		"Connection.kind":                  {text: "website and native-app are apps of WeChat's Open Platform, official-account is a service account.", access: created, needed: true},
		"Connection.name":                  says("A name for operators."),
		"Connection.disabled":              server("true if the connection is disabled."),
		"Connection.app_secret":            withheld(),
		"Connection.push_token":            withheld(),
		"Connection.encoding_aes_key":      withheld(),
		"Connection.push_events":           server("Whether the app receives push events of WeChat: see setConnectionPushKeys."),
		"Connection.open_platform":         says("A name of your choice for the Open Platform account that the app is bound to; the same as that of the mini-programs whose users it shares. Without one, UnionIDs are ignored."),
		"Connection.provisioning":          says("What happens with an unknown WeChat user: auto creates a user, bind lets the person sign in to an account or create one."),
		"Connection.created_at":            server("When the connection was created."),
		"Connection.updated_at":            server("When the connection was changed last."),

		"NewConnection":                  says("A connection to create."),
		"NewConnection.app_secret":       needs("The AppSecret of WeChat's console."),
		"NewConnection.push_token":       says("The Token of the message push in WeChat's console; optional, and with encoding_aes_key."),
		"NewConnection.encoding_aes_key": says("The EncodingAESKey of the message push in WeChat's console. It is sealed and never shown."),
	}
}

func initialTokenDescriptions() map[string]description {
	return map[string]description{
		"InitialToken":                       says("An initial access token (RFC 7591): a program that has it can register clients."),
		"InitialToken.directory":             server("The directory in which clients are registered."),
		"InitialToken.directory_incarnation": withheld(),
		"InitialToken.id":                    server("It identifies the token and is no secret."),
		"InitialToken.name":                  says("A name for operators."),
		"InitialToken.hash":                  withheld(),
		"InitialToken.created_at":            server("When the token was created."),
		"InitialToken.expires_at":            server("When the token expires."),
		"NewInitialToken":                    says("What a new initial access token has."),
		"NewInitialToken.name":               says("A name for operators."),
		"NewInitialToken.expires_at":         says("When the token expires, at most two years ahead. The default is 30 days from now."),
		"CreatedInitialToken":                says("An initial access token with its text."),
		"CreatedInitialToken.token":          server("The token, which is shown only once."),
	}
}

func resourceDescriptions() map[string]description {
	return map[string]description{
		"Resource":                       says("An API that access tokens are for."),
		"Resource.directory":             server("The directory of the resource."),
		"Resource.identifier":            {text: "An absolute URI without fragment, such as https://api.example.com. It is the aud of the tokens. Requests are compared with it: the case of scheme and host does not matter, and an empty path equals /.", access: created, needed: true},
		"Resource.id":                    server("The ID of the resource in paths."),
		"Resource.directory_incarnation": withheld(),
		"Resource.incarnation":           withheld(),
		"Resource.name":                  says("The name on the consent page."),
		"Resource.logo":                  says("A PNG, JPEG or GIF of at most 1 MB and 2048 pixels in each direction, in base64. It is drawn again and returned as PNG."),
		"Resource.disabled":              server("true if the resource is disabled."),
		"Resource.scopes":                says("The scopes of the resource."),
		"Resource.token_format":          says("The format of the access tokens: a JWT of the type at+jwt, a JWT of the type JWT for APIs that accept nothing else, or opaque for introspection. The default is the client's."),
		"Resource.token_algorithm":       says("The algorithm of the access tokens. The default is the client's."),
		"Resource.token_lifetime":        says("The lifetime of the access tokens in seconds. The default is the client's."),
		"Resource.asked_by":              says("Which clients may ask for tokens: those that list the resource, all that an operator registered, or any, also clients that registered themselves or that a document describes. The default is listed."),
		"Resource.introspected_by":       says("The client IDs of those that may introspect the tokens: the API itself, or a gateway."),
		"Resource.created_at":            server("When the resource was created."),
		"Resource.updated_at":            server("When the resource was changed last."),

		"ResourceScope":         says("A scope of a resource."),
		"ResourceScope.name":    needs("The scope in requests."),
		"ResourceScope.text_en": says("What the scope allows, in English, for the consent page."),
		"ResourceScope.text_zh": says("What the scope allows, in Chinese, for the consent page."),
		"ResourceScope.default": says("Grants the scope to a request for the resource without scope."),
	}
}
