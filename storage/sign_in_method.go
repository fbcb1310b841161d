package storage

import "slices"

// The sign-in methods of browsers that Directory.SignInMethods may list.
const (
	// SignInScan signs in by a picture that the phone of the user scans in a mini-program.
	SignInScan = "scan"
	// SignInLink signs in by a link that opens a mini-program on the same phone.
	SignInLink = "link"
	// SignInWebsite signs in by the QR code of WeChat's own page for websites.
	SignInWebsite = "website"
	// SignInOfficialAccount signs in inside WeChat by an official account.
	SignInOfficialAccount = "official-account"
	SignInPassword        = "password"
	// SignInPhoneCode signs in by a code that an SMS brings to a phone number.
	SignInPhoneCode = "phone-code"
	// SignInEmailCode signs in by a code that a mail brings.
	SignInEmailCode = "email-code"
	SignInPasskey   = "passkey"
	// SignInHandOff signs in the web-view of a mini-program. It has no button on the login page.
	SignInHandOff = "hand-off"
)

// SignInMethods returns the sign-in methods that a directory may list.
func SignInMethods() []string {
	return []string{SignInScan, SignInLink, SignInWebsite, SignInOfficialAccount, SignInPassword, SignInPhoneCode, SignInEmailCode, SignInPasskey, SignInHandOff}
}

// ShownSignInMethods returns the sign-in methods of the directory in the order of the login page: its list, else password and passkey.
func (d Directory) ShownSignInMethods() []string {
	if len(d.SignInMethods) == 0 {
		return []string{SignInPassword, SignInPasskey}
	}
	return d.SignInMethods
}

// HasSignInMethod reports whether users of the directory may sign in by the method.
func (d Directory) HasSignInMethod(method string) bool {
	return slices.Contains(d.ShownSignInMethods(), method)
}
