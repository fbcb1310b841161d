package onetimecode

import (
	"strings"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/account"
	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/storage"
)

// channel is what the sign-ins by phone number and by e-mail address differ in.
type channel struct {
	// method is the name of the sign-in method, and the prefix of the texts of its pages.
	method string
	// path is the page of the sign-in, and account the page of a signed-in user.
	path, account string
	// field is the name of the input of the address, and label its label.
	field string
	// parse returns the canonical form of a typed address.
	parse func(directory storage.Directory, typed string) (string, error)
	// identity is the identity of an address.
	identity func(directory, address string) storage.Identity
	// amr are the authentication methods of a sign-in (RFC 8176).
	amr []string
}

// phone is the channel of phone-code.
func phone() channel {
	return channel{
		method: storage.SignInPhoneCode, path: authorize.LoginPath + "/phone-code", account: account.PhonePath, field: "phone_number",
		parse: parsePhone, identity: identity.PhoneAddress, amr: []string{authorize.AMRSMS},
	}
}

// mail is the channel of email-code.
func mail() channel {
	return channel{
		method: storage.SignInEmailCode, path: authorize.LoginPath + "/email-code", account: endpoint.EmailPath, field: "email",
		parse:    func(_ storage.Directory, typed string) (string, error) { return identity.ParseEmail(typed) },
		identity: identity.EmailAddress, amr: []string{authorize.AMROneTimeCode, authorize.AMREmail},
	}
}

// text returns a text of the pages of the channel.
func (c channel) text(key string, parameters ...any) page.Message {
	return page.Text(strings.ReplaceAll(c.method, "-", "_")+"."+key, parameters...)
}

// maxTyped bounds a typed address, in bytes.
const maxTyped = 320

// parsePhone returns the E.164 form of a typed number. A number without "+" has the first country code of the directory.
func parsePhone(directory storage.Directory, typed string) (string, error) {
	if len(typed) > maxTyped {
		typed = ""
	}
	number := strings.Map(func(r rune) rune {
		if strings.ContainsRune(" -().\u00a0\u2011", r) {
			return -1
		}
		return r
	}, identity.TrimTyped(typed))
	switch {
	case strings.HasPrefix(number, "00"):
		number = "+" + number[2:]
	case number != "" && !strings.HasPrefix(number, "+"):
		number = directory.SMS.AllowedCountryCodes()[0] + strings.TrimPrefix(number, "0")
	}
	number, err := identity.ParsePhone(number)
	if err != nil {
		return "", err
	}
	if !directory.SMS.Allows(number) {
		return "", errCountry
	}
	return number, nil
}

// addressField is the input of an address.
func (c channel) addressField(typed string) page.Field {
	field := page.Field{Name: c.field, Label: c.text("field"), Value: typed, Limit: maxTyped, Plain: true, Focus: true}
	if c.method == storage.SignInPhoneCode {
		field.Type, field.Autocomplete, field.Hint = "tel", "tel", c.text("hint")
	} else {
		field.Type, field.Autocomplete = "email", "email"
	}
	return field
}

// codeField is the input of a code. Phones offer the code of a message that has just arrived.
func codeField() page.Field {
	return page.Field{
		Name: "code", Label: page.Text("field.code"), Type: "text", Autocomplete: "one-time-code", Mode: "numeric", Limit: maxTypedCode, Plain: true, Focus: true,
	}
}

// maxTypedCode bounds a typed code.
const maxTypedCode = 16
