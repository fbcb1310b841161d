package main

import (
	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// checkCodes checks the sign-in by codes of a directory: the provider of SMS and its key, the captcha, and the sending of mail.
func (e *examination) checkCodes(directory storage.Directory) {
	byPhone, byMail := directory.HasSignInMethod(storage.SignInPhoneCode), directory.HasSignInMethod(storage.SignInEmailCode)
	if !byPhone && !byMail && directory.SMS.Provider == "" && directory.CaptchaURL == "" {
		return
	}
	check := locale.Text("doctor.codes", directory.ID)
	problems := admin.CodeProblems(directory)
	for _, problem := range problems {
		e.warn(check, locale.Text("doctor.codes.invalid", problem.Field, problem.Text), locale.Text("doctor.codes.invalid.remedy", directory.ID))
	}
	switch {
	case byMail && e.config.Mail.Mailer(nil, nil) == nil:
		e.warn(check, locale.Text("doctor.codes.no_mail"), locale.Text("doctor.codes.no_mail.remedy"))
	case directory.SMS.Provider == storage.SMSLog && !e.config.Loopback():
		e.warn(check, locale.Text("doctor.codes.log"), locale.Text("doctor.codes.log.remedy", directory.ID))
	case len(problems) == 0:
		e.ok(check, locale.Text("doctor.codes.ok"))
	}
}
