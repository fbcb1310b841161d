package main

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/minifed/minifed/cmd/minifed/internal/config"
)

// settingEffect is where a setting does what its help says: a file of the repository, and the code there that reads it.
type settingEffect struct{ file, reads string }

// flagEffects names the effect of every flag of the commands `client` and `directory`. A flag without an entry fails the test:
// what has no effect has no place in the commands.
func flagEffects() map[string]settingEffect {
	return map[string]settingEffect{
		// 1. Commands.
		"client --directory": {"cmd/minifed/client.go", "d.directory"},
		"client create --id": {"server/admin/clients.go", "client.ID"}, "client create --kind": {"server/admin/client_kinds.go", "rulesOf(kind"},
		"client create --for": {"server/admin/relyingparty/party.go", "func Named("}, "client create --url": {"server/admin/relyingparty/party.go", "below(address"},
		"client create --secret-file": {"server/admin/clients.go", "asked.Secret"}, "client create --secret-stdin": {"server/admin/clients.go", "asked.Secret"},
		"client create --app-secret-file": {"server/federation/service.go", "Federation.AppSecret"}, "client create --app-secret-stdin": {"server/federation/service.go", "Federation.AppSecret"},
		"client rotate-secret --alone":       {"server/admin/clients.go", "if alone"},
		"client rotate-secret --secret-file": {"server/admin/clients.go", "s.clientSecret(ctx, chosen)"}, "client rotate-secret --secret-stdin": {"server/admin/clients.go", "s.clientSecret(ctx, chosen)"},
		"client set-app-secret --app-secret-file": {"server/federation/service.go", "Federation.AppSecret"}, "client set-app-secret --app-secret-stdin": {"server/federation/service.go", "Federation.AppSecret"},
		"client set-push-keys --push-token-file": {"server/pushevent/endpoint.go", "Federation.PushToken"}, "client set-push-keys --push-token-stdin": {"server/pushevent/endpoint.go", "Federation.PushToken"},
		"client set-push-keys --encoding-aes-key-file": {"server/pushevent/endpoint.go", "Federation.EncodingAESKey"}, "client set-push-keys --encoding-aes-key-stdin": {"server/pushevent/endpoint.go", "Federation.EncodingAESKey"},
		"client set-push-keys --remove": {"server/admin/push.go", "push == (PushKeys{})"},
		"client delete --yes":           {"cmd/minifed/client.go", "sure.ask("}, "directory delete --yes": {"cmd/minifed/directory.go", "sure.ask("},
		"client list --after": {"cmd/minifed/operator.go", "p.after"}, "client list --all": {"cmd/minifed/operator.go", "p.all"}, "client list --limit": {"cmd/minifed/operator.go", "p.limit"},
		"directory list --after": {"cmd/minifed/operator.go", "p.after"}, "directory list --all": {"cmd/minifed/operator.go", "p.all"}, "directory list --limit": {"cmd/minifed/operator.go", "p.limit"},

		"client initial-token --expires": {"server/admin/initial_tokens.go", "ExpiresAt"}, "client initial-token --name": {"server/admin/initial_tokens.go", "asked.Name"},
		"client initial-token list --after": {"cmd/minifed/operator.go", "p.after"}, "client initial-token list --all": {"cmd/minifed/operator.go", "p.all"}, "client initial-token list --limit": {"cmd/minifed/operator.go", "p.limit"},

		// 2. What create and update of a client set.
		"client --name": {"server/account/consent.go", "ClientName("}, "client --logo": {"server/page/logo.go", "Logo"},
		"client --policy-url": {"server/page/logo.go", "PolicyURL"}, "client --terms-url": {"server/page/logo.go", "TermsURL"},
		"client --app-id": {"server/federation/service.go", "Federation.AppID"}, "client --open-platform": {"server/federation/native_app.go", "Federation.OpenPlatform"},
		"client --provisioning": {"server/federation/resolve_user.go", "Federation.Provisioning"}, "client --update-profile": {"server/federation/resolve_user.go", "federation.UpdateProfile"},
		"client --password-binding": {"server/federation/account_linker.go", "settings.PasswordBinding"}, "client --linking-partner": {"server/federation/account_linker.go", "settings.LinkingPartners"},
		"client --native-app":        {"server/federation/native_app.go", "record.NativeApp"},
		"client --scan-mini-program": {"server/method/scan/target.go", "Scan.Over("}, "client --scan-page": {"storage/scan.go", "cmp.Or(s.Page"},
		"client --scan-version":    {"storage/scan.go", "cmp.Or(s.Version"},
		"client --starts-sessions": {"server/account/starts_sessions.go", "client.StartsSessions"},
		"client --auth-method":     {"storage/oauth2/client.go", "record.AuthMethod"}, "client --auth-alg": {"server/clientauth/assertion.go", "AuthAlgorithm"},
		"client --jwks-uri": {"server/clientauth/key_set.go", "JWKSURI"}, "client --jwks-file": {"storage/oauth2/client.go", "parseJWKS(record.JWKS)"},
		"client --redirect-uri": {"storage/oauth2/client.go", "record.RedirectURIs"}, "client --post-logout-redirect-uri": {"server/logout/endpoint.go", "PostLogoutRedirectURIs"},
		"client --origin": {"server/endpoint/cors.go", "Origins"}, "client --initiate-login-uri": {"server/method/handoff/open.go", "InitiateLoginURI"}, "client --event-uri": {"server/logout/security_event.go", "EventURI"}, "client --backchannel-logout-uri": {"server/logout/backchannel.go", "BackchannelLogoutURI"},
		"client --backend-logout":    {"server/logout/logout_hint.go", "client.BackendLogout"},
		"client --access-token-type": {"server/token/access_token.go", "AccessTokenType"}, "client --placeholder-email-domain": {"server/token/placeholder_email.go", "PlaceholderEmailDomain"},
		"client --keep-refresh-token": {"storage/oauth2/refresh.go", "record.KeepRefreshToken"},
		"client --first-party":        {"server/authorize/endpoint.go", "FirstParty"}, "client --require-pkce": {"server/authorize/pkce.go", "RequirePKCE"},
		"client --require-par": {"server/authorize/endpoint.go", "RequirePAR"}, "client --subject-type": {"server/token/subject.go", "client.Pairwise"},
		"client --sector-identifier": {"storage/sector.go", "c.SectorIdentifier"}, "client --grant-type": {"storage/oauth2/client.go", "record.GrantTypes"},
		"client --scope": {"storage/oauth2/client.go", "record.Scopes"}, "client --default-scope": {"storage/oauth2/client.go", "record.DefaultScopes"},
		"client --account-linking": {"storage/oauth2/client.go", "record.AccountLinking"}, "client --resource": {"server/target/targets.go", "Record().Resources"}, "client --audience": {"storage/oauth2/client.go", "record.Audiences"},
		"client --default-audience": {"storage/oauth2/client.go", "record.DefaultAudience"}, "client --introspection": {"server/token/introspection.go", "Record().Introspection"},
		"client --id-token-alg": {"storage/oauth2/client.go", "record.IDTokenAlgorithm"}, "client --access-token-alg": {"storage/oauth2/client.go", "record.AccessTokenAlgorithm"},
		"client --opaque-access-tokens": {"storage/oauth2/strategy.go", "OpaqueAccessTokens"}, "client --id-token-claims": {"server/token/id_token.go", "IDTokenClaims"},
		"client --access-token-lifetime": {"storage/oauth2/client.go", "c.lifetimes.AccessToken"}, "client --id-token-lifetime": {"storage/oauth2/client.go", "c.lifetimes.IDToken"},
		"client --refresh-idle-lifetime": {"storage/oauth2/client.go", "c.lifetimes.RefreshIdle"}, "client --refresh-absolute-lifetime": {"storage/oauth2/lifetimes.go", "RefreshAbsolute"},
		"client --code-lifetime": {"storage/oauth2/client.go", "c.lifetimes.Code"},

		// 3. What create and update of a directory set.
		"directory --name": {"server/page/page.go", "Directory.Name"}, "directory --issuer": {"server/endpoint/catalog.go", "Issuer"}, "directory --logo": {"server/page/logo.go", "Logo"},
		"directory --accent-color": {"server/page/assets.go", "AccentColor"}, "directory --policy-url": {"server/page/pages/frame.html", ".Branding.PolicyURL"},
		"directory --terms-url": {"server/page/pages/frame.html", ".Branding.TermsURL"}, "directory --support-url": {"server/page/pages/frame.html", ".Branding.SupportURL"},
		"directory --signing-alg": {"server/discovery.go", "SigningAlgorithms"}, "directory --self-registration": {"server/account/register.go", "SelfRegistration"},
		"directory --attach-by-phone": {"identity/phone.go", "policy.AttachByPhone"}, "directory --phone-fresh": {"identity/phone.go", "policy.PhoneFresh"},
		"directory --terms":                  {"storage/terms.go", "d.Terms"},
		"directory --require-terms":          {"server/federation/terms.go", "RequireTerms"},
		"directory --guardian-consent-under": {"storage/guardian.go", "GuardianConsentUnder"},
		"directory --deletion-delay":         {"identity/deletion.go", "Policy.DeletionGrace()"},
		"directory --scan-mini-program":      {"server/method/scan/target.go", "setting.MiniProgram"},
		"directory --scan-page":              {"server/method/scan/picture.go", "to.Page"},
		"directory --scan-version":           {"server/method/scan/picture.go", "to.Version"},
		"directory --scan-link-rule":         {"server/method/scan/target.go", "ScanLinkRule"},
		"directory --sign-in-method":         {"server/account/ways.go", "ShownSignInMethods()"},
		"directory --device-grant":           {"server/token/dispatcher.go", "Policy.DeviceGrant"},
		"directory --merge-by-unionid":       {"identity/merge_unionid.go", "Policy.MergeByUnionID"},
		"directory --documents":              {"server/clientdocument/clients.go", "Policy.Documents"},
		"directory --document-host":          {"server/clientdocument/clients.go", "Policy.DocumentHosts"},
		"directory --registration":           {"server/registration/endpoint.go", "Policy.Registration"},
		"directory --unknown-client-scope":   {"server/endpoint/catalog.go", "UnknownClientScopes()"},
		"directory --unknown-clients-daily":  {"server/ratelimit/rules.go", "UnknownClientsDaily"},
		"directory --two-factor":             {"server/account/sign_in.go", "Directory.TwoFactor()"},
		"directory --icp-number":             {"server/page/pages/frame.html", ".Branding.ICPNumber"},
		"directory --police-number":          {"server/page/pages/frame.html", ".Branding.PoliceNumber"},
		"directory --verification-file":      {"server/verification.go", "VerificationFiles"},
		"directory --sms-provider":           {"server/sms/sms.go", "account.Provider"}, "directory --sms-url": {"server/sms/webhook.go", "account.URL"},
		"directory --sms-access-key": {"server/sms/aliyun.go", "account.AccessKey"}, "directory --sms-app-id": {"server/sms/tencent.go", "account.AppID"},
		"directory --sms-region": {"server/sms/tencent.go", "account.Region"}, "directory --sms-signature": {"server/sms/aliyun.go", "account.Signature"},
		"directory --sms-template-en": {"server/sms/sms.go", "templates.English"}, "directory --sms-template-zh": {"server/sms/sms.go", "templates.Chinese"},
		"directory --sms-notice-template-en": {"server/sms/sms.go", "a.NoticeTemplates"}, "directory --sms-notice-template-zh": {"storage/sms.go", "NoticeTemplates.Chinese"},
		"directory --sms-country-code": {"server/method/onetimecode/channel.go", "AllowedCountryCodes()"}, "directory --sms-daily-limit": {"server/ratelimit/rules.go", "MessagesADay()"},
		"directory --captcha-url":          {"server/method/onetimecode/captcha.go", "CaptchaURL"},
		"directory set-sms-key --key-file": {"server/sms/sms.go", "directory.SMSKey"}, "directory set-sms-key --key-stdin": {"server/sms/sms.go", "directory.SMSKey"},
		"directory set-sms-key --remove": {"server/admin/codes.go", `key != ""`}, "directory set-captcha-key --remove": {"server/admin/codes.go", `key != ""`},
		"directory set-captcha-key --key-file": {"server/method/onetimecode/captcha.go", "directory.CaptchaKey"}, "directory set-captcha-key --key-stdin": {"server/method/onetimecode/captcha.go", "directory.CaptchaKey"},
		"directory --claim":                 {"storage/claim_mapping.go", "m.Source"},
		"directory --access-token-lifetime": {"storage/oauth2/lifetimes.go", "AccessToken"}, "directory --id-token-lifetime": {"storage/oauth2/lifetimes.go", "IDToken"},
		"directory --passkey-for-new-browser": {"server/account/sign_in.go", "Policy.PasskeyForNewBrowser"},
		"directory --refresh-idle-lifetime":   {"storage/oauth2/lifetimes.go", "RefreshIdle"}, "directory --refresh-absolute-lifetime": {"storage/oauth2/lifetimes.go", "RefreshAbsolute"},
		"directory --session-idle-lifetime": {"server/authorize/session.go", ").SessionIdle"}, "directory --session-absolute-lifetime": {"server/authorize/session.go", ").SessionAbsolute"},
		"directory --code-lifetime": {"storage/oauth2/lifetimes.go", "Code"},
	}
}

// configEffects does the same for every key of the configuration.
func configEffects() map[string]settingEffect {
	const provider, load = "cmd/minifed/internal/provider/provider.go", "cmd/minifed/internal/deployment/deployment.go"
	return map[string]settingEffect{
		"public_url": {provider, "p.Config.PublicURL"}, "default_directory": {provider, "p.Config.DefaultDirectory"}, "data_dir": {"cmd/minifed/internal/config/store.go", "DataDir"},
		"storage.uri": {"cmd/minifed/internal/config/store.go", "Storage.URI"}, "storage.uri_file": {"cmd/minifed/internal/config/environment.go", "URIFile"},
		"keys.master_key": {"cmd/minifed/internal/deployment/masterkey.go", "Keys.MasterKey"}, "keys.master_key_file": {"cmd/minifed/internal/deployment/masterkey.go", "MasterKeyPath()"},
		"keys.rotate_every": {load, "Keys.RotateEvery"}, "audit.retention": {load, "Audit.Retention"},
		"audit.webhook.url": {"cmd/minifed/internal/provider/audit.go", "receiver.URL"}, "audit.webhook.secret": {"cmd/minifed/internal/provider/audit.go", "receiver.Secret"},
		"audit.webhook.fetch": {"cmd/minifed/internal/provider/audit.go", "receiver.Fetch"}, "audit.webhook.secret_file": {"cmd/minifed/internal/config/environment.go", "webhook.SecretFile"},
		"admin.public_url": {provider, "p.Config.Admin.PublicURL"}, "admin.metrics": {"cmd/minifed/internal/provider/admin.go", "Config.Admin.Metrics"},
		"backup.every": {"cmd/minifed/internal/provider/backups.go", "Config.Backup.Every"}, "backup.keep": {"cmd/minifed/internal/provider/backups.go", "Config.Backup.Keep"},
		"backup.dir":   {"cmd/minifed/internal/config/config.go", "c.Backup.Dir"},
		"clients.rate": {provider, "Clients.Rate"}, "clients.burst": {provider, "Clients.Burst"}, "clients.fetch": {provider, "Clients.Fetch"},
		"listen.address": {"cmd/minifed/internal/provider/listen.go", "Address"}, "listen.admin_address": {"cmd/minifed/internal/provider/listen.go", "AdminAddress"},
		"listen.drain_delay": {provider, "Listen.DrainDelay"}, "listen.shutdown_timeout": {provider, "Listen.ShutdownTimeout"},
		"listen.idle_timeout": {provider, "limits.IdleTimeout"}, "listen.read_header_timeout": {provider, "limits.ReadHeaderTimeout"},
		"listen.read_timeout": {provider, "limits.ReadTimeout"}, "listen.write_timeout": {provider, "limits.WriteTimeout"},
		"listen.request_timeout": {provider, "Listen.RequestTimeout"}, "listen.trusted_proxies": {provider, "Listen.ProxyNetworks()"}, "listen.country_header": {provider, "CountryHeader: p.Config.Listen.CountryHeader"},
		"listen.tls_cert_file": {"cmd/minifed/internal/provider/provider.go", "TLSCertFile"}, "listen.tls_key_file": {"cmd/minifed/internal/provider/provider.go", "TLSKeyFile"},
		"log.format": {"cmd/minifed/internal/logging/logging.go", "Format"}, "log.level": {"cmd/minifed/internal/logging/logging.go", "Level"},
		"mail.from": {"cmd/minifed/internal/config/mail.go", "From"}, "mail.sender": {"cmd/minifed/internal/config/mail.go", "Sender"},
		"mail.smtp.address": {"cmd/minifed/internal/config/mail.go", "SMTP.Address"}, "mail.smtp.username": {"cmd/minifed/internal/config/mail.go", "SMTP.Username"},
		"mail.smtp.password": {"cmd/minifed/internal/config/mail.go", "SMTP.Password"}, "mail.smtp.password_file": {"cmd/minifed/internal/config/environment.go", "PasswordFile"},
		"mail.webhook.url": {"cmd/minifed/internal/config/mail.go", "Webhook.URL"}, "mail.webhook.secret": {"cmd/minifed/internal/config/mail.go", "Webhook.Secret"},
		"mail.webhook.secret_file":    {"cmd/minifed/internal/config/environment.go", "SecretFile"},
		"passwords.argon2.memory_kib": {"cmd/minifed/internal/config/config.go", "MemoryKiB"}, "passwords.argon2.threads": {"cmd/minifed/internal/config/config.go", "Threads"},
		"passwords.argon2.time": {"cmd/minifed/internal/config/config.go", "Time"}, "passwords.hashing": {load, "newHashing(d.Config.Passwords)"},
		"wechat.base_url": {provider, "WeChat.BaseURL"}, "wechat.pages_url": {provider, "WeChat.PagesURL"}, "wechat.timeout": {provider, "WeChat.Timeout"}, "wechat.connect_timeout": {provider, "WeChat.ConnectTimeout"},
		"wechat.max_concurrent": {provider, "WeChat.MaxConcurrent"}, "wechat.breaker_failures": {provider, "WeChat.BreakerFailures"}, "wechat.breaker_open": {provider, "WeChat.BreakerOpen"},
	}
}

// checkEffects compares the settings that there are with those whose effect is known, and looks for the effects.
func checkEffects(t *testing.T, settings []string, known map[string]settingEffect) {
	t.Helper()
	for _, setting := range settings {
		if _, ok := known[setting]; !ok {
			t.Errorf("%s: nobody says where it has its effect", setting)
		}
	}
	for _, setting := range slices.Sorted(maps.Keys(known)) {
		if !slices.Contains(settings, setting) {
			t.Errorf("%s: there is no such setting", setting)
			continue
		}
		text, err := os.ReadFile("../../" + known[setting].file)
		if err != nil {
			t.Error(err)
		} else if !strings.Contains(string(text), known[setting].reads) {
			t.Errorf("%s: %s does not read %s", setting, known[setting].file, known[setting].reads)
		}
	}
}

func TestSettings_EveryFlagOfClientsAndDirectoriesHasAnEffect(t *testing.T) {
	found := map[string]bool{}
	for _, command := range newRoot(newCLI(t).Console).Commands() {
		if name := command.Name(); name == "client" || name == "directory" {
			collectFlags(command, name, found)
		}
	}
	checkEffects(t, slices.Collect(maps.Keys(found)), flagEffects())
}

// collectFlags names the flags of a command and those below it. What create and update share is one setting.
func collectFlags(command *cobra.Command, path string, found map[string]bool) {
	own := map[string]bool{"for": true, "url": true, "id": true, "kind": true, "secret-file": true, "secret-stdin": true, "app-secret-file": true, "app-secret-stdin": true}
	command.LocalNonPersistentFlags().VisitAll(func(flag *pflag.Flag) {
		at := path
		if last := command.Name(); last == "update" || last == "create" && !own[flag.Name] {
			at = strings.TrimSuffix(path, " "+last)
		}
		if flag.Name != "help" {
			found[at+" --"+flag.Name] = true
		}
	})
	command.PersistentFlags().VisitAll(func(flag *pflag.Flag) { found[path+" --"+flag.Name] = true })
	for _, child := range command.Commands() {
		collectFlags(child, path+" "+child.Name(), found)
	}
}

func TestSettings_EveryConfigurationKeyHasAnEffect(t *testing.T) {
	checkEffects(t, slices.Collect(maps.Keys(config.Leaves(new(config.Config)))), configEffects())
}
