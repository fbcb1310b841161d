package setting

import (
	"slices"

	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/storage"
)

// Directory returns the settings of a directory.
func Directory() []Setting[storage.Directory] {
	type (
		r       = storage.Directory
		text    = Text[r]
		toggle  = Toggle[r]
		seconds = Seconds[r]
	)
	twoFactors := []string{string(storage.TwoFactorOff), string(storage.TwoFactorOptional), string(storage.TwoFactorRequired)}
	documents := []string{string(storage.DocumentsOff), string(storage.DocumentsHosts), string(storage.DocumentsAny)}
	registrations := []string{string(storage.RegistrationOff), string(storage.RegistrationToken), string(storage.RegistrationOpen)}
	own := []Setting[r]{
		{"name", "name", General, nil, text(func(d *r) *string { return &d.Name })},
		{"issuer", "issuer", General, nil, text(func(d *r) *string { return &d.Issuer })},
		{"logo", "branding.logo", Look, nil, Picture[r](func(d *r) *[]byte { return &d.Branding.Logo })},
		{"accent-color", "branding.accent_color", Look, nil, text(func(d *r) *string { return &d.Branding.AccentColor })},
		{"policy-url", "branding.policy_url", Look, nil, text(func(d *r) *string { return &d.Branding.PolicyURL })},
		{"terms-url", "branding.terms_url", Look, nil, text(func(d *r) *string { return &d.Branding.TermsURL })},
		{"support-url", "branding.support_url", Look, nil, text(func(d *r) *string { return &d.Branding.SupportURL })},
		{"icp-number", "branding.icp_number", China, nil, text(func(d *r) *string { return &d.Branding.ICPNumber })},
		{"police-number", "branding.police_number", China, nil, text(func(d *r) *string { return &d.Branding.PoliceNumber })},
		{"verification-file", "verification_files", China, nil, Files[r](func(d *r) *[]storage.VerificationFile { return &d.VerificationFiles })},
		{"sign-in-method", "sign_in_methods", SignIn, nil, List[r](func(d *r) *[]string { return &d.SignInMethods })},
		{"scan-mini-program", "scan.mini_program", SignIn, nil, text(func(d *r) *string { return &d.Scan.MiniProgram })},
		{"scan-page", "scan.page", SignIn, nil, text(func(d *r) *string { return &d.Scan.Page })},
		{"scan-version", "scan.version", SignIn, scanVersions(), text(func(d *r) *string { return &d.Scan.Version })},
		{"scan-link-rule", "scan_link_rule", SignIn, nil, toggle(func(d *r) *bool { return &d.ScanLinkRule })},
		{"sms-provider", "sms.provider", Codes, append([]string{""}, storage.SMSProviders()...), text(func(d *r) *string { return &d.SMS.Provider })},
		{"sms-url", "sms.url", Codes, nil, text(func(d *r) *string { return &d.SMS.URL })},
		{"sms-access-key", "sms.access_key", Codes, nil, text(func(d *r) *string { return &d.SMS.AccessKey })},
		{"sms-app-id", "sms.app_id", Codes, nil, text(func(d *r) *string { return &d.SMS.AppID })},
		{"sms-region", "sms.region", Codes, nil, text(func(d *r) *string { return &d.SMS.Region })},
		{"sms-signature", "sms.signature", Codes, nil, text(func(d *r) *string { return &d.SMS.Signature })},
		{"sms-template-en", "sms.templates.en", Codes, nil, text(func(d *r) *string { return &d.SMS.Templates.English })},
		{"sms-template-zh", "sms.templates.zh", Codes, nil, text(func(d *r) *string { return &d.SMS.Templates.Chinese })},
		{"sms-notice-template-en", "sms.notice_templates.en", Codes, nil, text(func(d *r) *string { return &d.SMS.NoticeTemplates.English })},
		{"sms-notice-template-zh", "sms.notice_templates.zh", Codes, nil, text(func(d *r) *string { return &d.SMS.NoticeTemplates.Chinese })},
		{"sms-country-code", "sms.country_codes", Codes, nil, List[r](func(d *r) *[]string { return &d.SMS.CountryCodes })},
		{"sms-daily-limit", "sms.daily_limit", Codes, nil, Number[r](func(d *r) *int64 { return &d.SMS.DailyLimit })},
		{"captcha-url", "captcha_url", Codes, nil, text(func(d *r) *string { return &d.CaptchaURL })},
		{"self-registration", "policy.self_registration", SignIn, nil, toggle(func(d *r) *bool { return &d.Policy.SelfRegistration })},
		{"two-factor", "policy.two_factor", SignIn, twoFactors, text(func(d *r) *string { return (*string)(&d.Policy.TwoFactor) })},
		{"passkey-for-new-browser", "policy.passkey_for_new_browser", SignIn, nil, toggle(func(d *r) *bool { return &d.Policy.PasskeyForNewBrowser })},
		{"attach-by-phone", "policy.attach_by_phone", SignIn, nil, toggle(func(d *r) *bool { return &d.Policy.AttachByPhone })},
		{"phone-fresh", "policy.phone_fresh", SignIn, nil, seconds(func(d *r) *int64 { return &d.Policy.PhoneFresh })},
		{"merge-by-unionid", "policy.merge_by_unionid", SignIn, nil, toggle(func(d *r) *bool { return &d.Policy.MergeByUnionID })},
		{"terms", "terms", SignIn, nil, Terms[r](func(d *r) *[]storage.TermsDocument { return &d.Terms })},
		{"require-terms", "policy.require_terms", SignIn, nil, toggle(func(d *r) *bool { return &d.Policy.RequireTerms })},
		{"guardian-consent-under", "policy.guardian_consent_under", SignIn, nil, Number[r](func(d *r) *int64 { return &d.Policy.GuardianConsentUnder })},
		{"deletion-delay", "policy.deletion_delay", SignIn, nil, seconds(func(d *r) *int64 { return &d.Policy.DeletionDelay })},
		{"device-grant", "policy.device_grant", SignIn, nil, toggle(func(d *r) *bool { return &d.Policy.DeviceGrant })},
		{"documents", "policy.documents", UnknownClients, documents, text(func(d *r) *string { return (*string)(&d.Policy.Documents) })},
		{"document-host", "policy.document_hosts", UnknownClients, nil, List[r](func(d *r) *[]string { return &d.Policy.DocumentHosts })},
		{"registration", "policy.registration", UnknownClients, registrations, text(func(d *r) *string { return (*string)(&d.Policy.Registration) })},
		{"unknown-client-scope", "policy.unknown_client_scopes", UnknownClients, nil, List[r](func(d *r) *[]string { return &d.Policy.UnknownClientScopes })},
		{"unknown-clients-daily", "policy.unknown_clients_daily", UnknownClients, nil, Number[r](func(d *r) *int64 { return &d.Policy.UnknownClientsDaily })},
		{"signing-alg", "policy.signing_algorithms", Tokens, keys.Algorithms(), List[r](func(d *r) *[]string { return &d.Policy.SigningAlgorithms })},
		{"claim", "claims", Tokens, nil, Claims[r](func(d *r) *[]storage.ClaimMapping { return &d.Claims })},
		// The clients of a directory share its browser sessions.
		{"session-idle-lifetime", "lifetimes.session_idle", Lifetimes, nil, seconds(func(d *r) *int64 { return &d.Lifetimes.SessionIdle })},
		{"session-absolute-lifetime", "lifetimes.session_absolute", Lifetimes, nil, seconds(func(d *r) *int64 { return &d.Lifetimes.SessionAbsolute })},
	}
	return slices.Concat(own, lifetimes(func(d *r) *storage.Lifetimes { return &d.Lifetimes }))
}

// scanVersions are the versions of a mini-program that a picture or a link opens. The first is the default.
func scanVersions() []string { return []string{"release", "trial", "develop"} }
