package storage

import (
	"slices"
	"strings"
)

// SMS says how a directory sends codes and notices to phones. The key of the provider is Directory.SMSKey.
type SMS struct {
	// Provider is one of SMSProviders; empty sends nothing.
	Provider string `json:"provider,omitempty"`
	// URL is where a webhook is, or another address of the provider's API, such as that of another region.
	URL string `json:"url,omitempty"`
	// AccessKey is the AccessKey ID of Aliyun, or the SecretId of Tencent Cloud.
	AccessKey string `json:"access_key,omitempty"`
	// AppID is the SdkAppId of Tencent Cloud, and Region its region; empty is ap-guangzhou.
	AppID  string `json:"app_id,omitempty"`
	Region string `json:"region,omitempty"`
	// Signature is the approved signature of the messages.
	Signature string `json:"signature,omitempty"`
	// Templates are the approved templates.
	Templates SMSTemplates `json:"templates,omitzero"`
	// NoticeTemplates are the approved templates of notices about changes of an account. Without one in Chinese, none are sent.
	NoticeTemplates SMSTemplates `json:"notice_templates,omitzero"`
	// CountryCodes are the country codes of the numbers that get messages, such as +86, which is the default.
	CountryCodes []string `json:"country_codes,omitempty"`
	// DailyLimit is the most messages of the directory a day; 0 is 1000.
	DailyLimit int64 `json:"daily_limit,omitempty"`
}

// SMSTemplates are the IDs of templates with one variable: the code, or in a notice the change.
type SMSTemplates struct {
	English string `json:"en,omitempty"`
	// Chinese is the template of the other languages too.
	Chinese string `json:"zh,omitempty"`
}

// The providers of SMS.
const (
	SMSAliyun  = "aliyun"
	SMSTencent = "tencent"
	// SMSWebhook posts the message to a service of the operator.
	SMSWebhook = "webhook"
	// SMSLog writes the message to the standard error output, for development.
	SMSLog = "log"
)

const (
	defaultCountryCode = "+86"
	defaultDailyLimit  = 1000
	// MaxCountryCodes bounds SMS.CountryCodes.
	MaxCountryCodes = 64
)

// SMSProviders returns the providers of SMS.
func SMSProviders() []string { return []string{SMSAliyun, SMSTencent, SMSWebhook, SMSLog} }

// AllowedCountryCodes returns the country codes of the numbers that get messages. The first is that of numbers without one.
func (s SMS) AllowedCountryCodes() []string {
	if len(s.CountryCodes) == 0 {
		return []string{defaultCountryCode}
	}
	return slices.Clone(s.CountryCodes)
}

// Allows reports whether a number in E.164 gets messages.
func (s SMS) Allows(number string) bool {
	return slices.ContainsFunc(s.AllowedCountryCodes(), func(code string) bool { return strings.HasPrefix(number, code) })
}

// SendsNotices reports whether the directory sends notices to phones.
func (s SMS) SendsNotices() bool { return s.Provider != "" && s.NoticeTemplates.Chinese != "" }

// MessagesADay returns the most messages of the directory a day.
func (s SMS) MessagesADay() int64 {
	if s.DailyLimit == 0 {
		return defaultDailyLimit
	}
	return s.DailyLimit
}
