package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/storage"
)

// DirectoryKey names a key of a directory that operators enter and that is never shown.
type DirectoryKey string

const (
	// SMSKey is the key of the SMS provider.
	SMSKey DirectoryKey = "sms"
	// CaptchaKey is the key that signs the results of the captcha.
	CaptchaKey DirectoryKey = "captcha"
)

// SetDirectoryKey replaces a key of a directory; an empty one removes it. It takes effect within five seconds.
func (s *Service) SetDirectoryKey(ctx context.Context, id string, which DirectoryKey, key string) error {
	if err := s.Allowed(id, ActDirectoryKey); err != nil {
		return err
	}
	var p problems
	if p.check("key", checkDirectoryKey(key)); p.err() != nil {
		return p.err()
	}
	_, err := s.changeDirectory(ctx, id, "", ActDirectoryKey, func(directory *storage.Directory) (err error) {
		member, binding := directoryKey(directory, which)
		*member = ""
		if key != "" {
			*member, err = s.config.Master.Seal([]byte(key), binding)
		}
		return err
	})
	return err
}

// directoryKey returns the member of a key and its binding.
func directoryKey(directory *storage.Directory, which DirectoryKey) (*string, keys.Binding) {
	if which == CaptchaKey {
		return &directory.CaptchaKey, keys.CaptchaKeyBinding(directory.ID)
	}
	return &directory.SMSKey, keys.SMSKeyBinding(directory.ID)
}

// checkDirectoryKey catches a slip of the clipboard.
func checkDirectoryKey(key string) error {
	const least, most = 8, 256
	if key != "" && (len(key) < least || len(key) > most || !allRunes(key, isPrintableASCII)) {
		return fmt.Errorf("must be %d to %d ASCII characters without spaces", least, most)
	}
	return nil
}

// checkCodes checks the settings of codes by SMS, and of the captcha.
func (p *problems) checkCodes(directory storage.Directory) {
	sms := directory.SMS
	if sms.Provider != "" && !slices.Contains(storage.SMSProviders(), sms.Provider) {
		p.add("sms.provider", "must be one of %s", strings.Join(storage.SMSProviders(), ", "))
	}
	p.checkLinks(map[string]string{"sms.url": sms.URL, "captcha_url": directory.CaptchaURL})
	for member, label := range map[string]string{
		"sms.access_key": sms.AccessKey, "sms.app_id": sms.AppID, "sms.region": sms.Region, "sms.signature": sms.Signature,
		"sms.templates.en": sms.Templates.English, "sms.templates.zh": sms.Templates.Chinese,
		"sms.notice_templates.en": sms.NoticeTemplates.English, "sms.notice_templates.zh": sms.NoticeTemplates.Chinese,
	} {
		p.check(member, checkLabel(label))
	}
	p.each("sms.country_codes", sms.CountryCodes, storage.MaxCountryCodes, func(code string) error {
		digits, plus := strings.CutPrefix(code, "+")
		if !plus || digits == "" || len(digits) > 3 || digits[0] == '0' || strings.Trim(digits, "0123456789") != "" {
			return errors.New("must be a country code such as +86")
		}
		return nil
	})
	if sms.DailyLimit < 0 || sms.DailyLimit > maxDailyLimit {
		p.add("sms.daily_limit", "must be between 0 and %d", maxDailyLimit)
	}
	if sms.NoticeTemplates.English != "" && sms.NoticeTemplates.Chinese == "" {
		p.add("sms.notice_templates.zh", "is required by sms.notice_templates.en: it is the template of all other languages")
	}
	p.checkSMSProvider(sms)
}

// maxDailyLimit bounds the messages of a directory a day.
const maxDailyLimit = 10_000_000

// checkSMSProvider requires what the provider needs. Its key is set after the other settings: doctor reports a missing one.
func (p *problems) checkSMSProvider(sms storage.SMS) {
	needs := map[string]string{}
	switch sms.Provider {
	case storage.SMSAliyun:
		needs = map[string]string{"sms.access_key": sms.AccessKey, "sms.signature": sms.Signature, "sms.templates.zh": sms.Templates.Chinese}
	case storage.SMSTencent:
		needs = map[string]string{
			"sms.access_key": sms.AccessKey, "sms.app_id": sms.AppID, "sms.signature": sms.Signature, "sms.templates.zh": sms.Templates.Chinese,
		}
	case storage.SMSWebhook:
		needs = map[string]string{"sms.url": sms.URL}
	}
	for member, value := range needs {
		if value == "" {
			p.add(member, "is required by the provider %s", sms.Provider)
		}
	}
}

// CodeProblems returns what is wrong with the sign-in by codes of a directory: what is listed and cannot work.
func CodeProblems(directory storage.Directory) []Problem {
	var p problems
	p.checkCodes(directory)
	if directory.HasSignInMethod(storage.SignInPhoneCode) && directory.SMS.Provider == "" {
		p.add("sms.provider", "is required by the sign-in method phone-code")
	}
	if directory.SMS.NoticeTemplates.Chinese != "" && directory.SMS.Provider == "" {
		p.add("sms.provider", "is required by sms.notice_templates.zh")
	}
	if needsKey := directory.SMS.Provider != "" && directory.SMS.Provider != storage.SMSLog; needsKey && directory.SMSKey == "" {
		p.add("sms_key", "is missing: set it by `minifed directory set-sms-key`")
	}
	if directory.CaptchaURL != "" && directory.CaptchaKey == "" {
		p.add("captcha_key", "is missing: set it by `minifed directory set-captcha-key`")
	}
	return p
}
