package page

import (
	"errors"
	"net/http"
	"strings"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
)

// Field is one input of a form.
type Field struct {
	// Name is its name and ID, by which password managers and tests find it.
	Name  string
	Label Message
	// Type and Autocomplete are the attributes of HTML.
	Type, Autocomplete string
	// Mode is the keyboard of a phone (inputmode); empty is that of the type.
	Mode  string
	Value string
	// Hint describes the expected value, and Wrong the error of the entered one.
	Hint, Wrong Message
	// Limit is the maximum number of characters.
	Limit int
	// An Optional field can be empty. A Plain one has no spelling correction. Focus is the initial focus.
	Optional, Plain, Focus bool
	// Suggestions are values that the browser offers.
	Suggestions []string
	// Aside is a link next to the label.
	Aside *Link
}

// Described are the IDs of the texts that describe the field (aria-describedby).
func (f Field) Described() string {
	var ids []string
	if !f.Hint.IsZero() {
		ids = append(ids, f.Name+"-hint")
	}
	if !f.Wrong.IsZero() {
		ids = append(ids, f.Name+"-wrong")
	}
	return strings.Join(ids, " ")
}

// maxPasswordField is the maximum number of characters of a password field. Package identity checks passwords.
const maxPasswordField = 256

// PasswordField is an input for a password. autocomplete shows password managers whether it is a new one.
func PasswordField(name string, label Message, autocomplete string) Field {
	return Field{Name: name, Label: label, Type: "password", Autocomplete: autocomplete, Limit: maxPasswordField, Plain: true}
}

// NewPasswordField is an input for a new password.
func NewPasswordField() Field {
	f := PasswordField("new_password", Text("field.new_password"), "new-password")
	f.Hint = Text("field.new_password.hint")
	return f
}

// Link links to another page.
type Link struct {
	Text Message
	Path string
	// Parameters are query parameters of the URL, in pairs.
	Parameters []string
	// Before is the text before the link.
	Before Message
}

// Form is a page that consists of one form.
type Form struct {
	// ID is the ID of the button and the prefix of the form's ID.
	ID    string
	Back  *Link
	Lead  Message
	Alert Message
	// Account is the username that belongs to the password, for password managers.
	Account string
	Fields  []Field
	Submit  Message
	Else    *Link
}

// WithError returns the form with the error of a field, or of the whole form if there is no such field.
func (f Form) WithError(name string, what Message) Form {
	f.Fields = append([]Field(nil), f.Fields...)
	for i := range f.Fields {
		f.Fields[i].Focus = f.Fields[i].Name == name
		if f.Fields[i].Name == name {
			f.Fields[i].Wrong = what
			f.Alert = Text("form.wrong")
		}
	}
	if f.Alert.IsZero() {
		f.Alert = what
	}
	return f
}

// partView is the data of a template for a part of a page.
type partView struct {
	*view
	Item any
}

// On returns the data for a part of the page.
func (v *view) On(item any) partView { return partView{v, item} }

// RenderInvalid renders a form again with its error. problem is for the log, cause for the operator.
func (p *Renderer) RenderInvalid(w http.ResponseWriter, r *endpoint.Request, shown Page, problem *grants.Error, cause error) {
	c := r
	c.Failure, c.Cause = problem, cause
	shown.Status, shown.Failed = problem.Protocol.CodeField, true
	setRetryAfter(w.Header(), problem.RetryAfter)
	if err := p.Render(w, r, shown); err != nil {
		p.WriteError(w, r, endpoint.ErrorOf(err))
	}
}

// UserView shows a user on a page.
type UserView struct {
	// Name is empty for a user without a name.
	Name string
	// Detail distinguishes users of the same name.
	Detail string
}

// ViewUser returns a user as pages show it.
func ViewUser(user storage.User) UserView {
	names := []string{user.Profile.Name, user.Profile.Nickname, user.Username, user.Email}
	var shown UserView
	for _, name := range names {
		switch {
		case name == "":
		case shown.Name == "":
			shown.Name = name
		case shown.Detail == "" && (name == user.Username || name == user.Email) && name != shown.Name:
			shown.Detail = name
		}
	}
	return shown
}

// ExplainInvalid returns the explanation of an invalid value, and the name of the field that holds it.
func ExplainInvalid(err error) (member string, what Message, ok bool) {
	invalid, ok := errors.AsType[*identity.InvalidError](err)
	if !ok {
		return "", Message{}, false
	}
	return invalid.Member, Text(invalidTexts()[invalid.Reason]), true
}

// invalidTexts are the keys of the explanations. Values that no page has as a field share a general one.
func invalidTexts() map[identity.InvalidReason]string {
	return map[identity.InvalidReason]string{
		identity.InvalidMissing:            "invalid.other",
		identity.InvalidCountryCode:        "invalid.other",
		identity.InvalidNotDigits:          "invalid.other",
		identity.InvalidPhone:              "invalid.other",
		identity.InvalidOver32:             "invalid.long",
		identity.InvalidOver35:             "invalid.locale",
		identity.InvalidOver254:            "invalid.long",
		identity.InvalidOver256:            "invalid.long",
		identity.InvalidOver256UTF8:        "invalid.long",
		identity.InvalidOver1024:           "invalid.other",
		identity.InvalidTooLong:            "invalid.other",
		identity.InvalidProfileTooLong:     "invalid.long",
		identity.InvalidEmail:              "invalid.email",
		identity.InvalidUsernameUTF8:       "invalid.username.length",
		identity.InvalidUsernameLength:     "invalid.username.length",
		identity.InvalidUnstableCase:       "invalid.username.letters",
		identity.InvalidUsernameCharacters: "invalid.username.letters",
		identity.InvalidTooManyMarks:       "invalid.username.letters",
		identity.InvalidFirstCharacter:     "invalid.username.edge",
		identity.InvalidLastCharacter:      "invalid.username.edge",
		identity.InvalidMixedScripts:       "invalid.username.mixed",
		identity.InvalidShortPassword:      "invalid.short",
		identity.InvalidPasswordIsUsername: "invalid.same",
		identity.InvalidBreachedPassword:   "invalid.breached",
		identity.InvalidNotObject:          "invalid.other",
		identity.InvalidNotString:          "invalid.other",
		identity.InvalidCharacters:         "invalid.characters",
		identity.InvalidURL:                "invalid.other",
		identity.InvalidBirthdate:          "invalid.birthdate",
		identity.InvalidLocale:             "invalid.locale",
		identity.InvalidZoneinfo:           "invalid.zoneinfo",
		identity.InvalidNoOpenID:           "invalid.other",
		identity.InvalidLongID:             "invalid.other",
		identity.InvalidMergeLimit:         "invalid.other",
		identity.InvalidGroup:              "invalid.other",
		identity.InvalidGroupCount:         "invalid.other",
		identity.InvalidGuardianConsent:    "invalid.other",
		identity.InvalidAttributeName:      "invalid.other",
		identity.InvalidAttributeCount:     "invalid.other",
		identity.InvalidAttributeValue:     "invalid.other",
		identity.InvalidMembershipSize:     "invalid.other",
		identity.InvalidPasswordHash:       "invalid.other",
		identity.InvalidPasswordSalt:       "invalid.other",
		identity.InvalidSub:                "invalid.other",
		identity.InvalidSubOfWeChat:        "invalid.other",
		identity.InvalidImportKeys:         "invalid.other",
		identity.InvalidImportLinks:        "invalid.other",
		identity.InvalidExternalID:         "invalid.other",
	}
}
