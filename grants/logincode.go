package grants

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/ory/fosite"
)

// mockCode is what wx.login returns in WeChat's developer tools while the project has no AppID of its own.
const mockCode = "the code is a mock one"

// phoneCodeLength is the length of a code of the phone number button, in hexadecimal digits. A code of wx.login has 32 letters
// and digits.
const phoneCodeLength = 64

// CheckLoginCode rejects a form parameter that cannot be a code of wx.login, and names the likely mistake. It needs no call to
// WeChat.
func CheckLoginCode(form url.Values, name string) error {
	code := form.Get(name)
	switch {
	case code == "":
		return reject(fosite.ErrInvalidRequest, name+" is missing. "+missingCodeHint(form, name))
	case code == mockCode:
		return NewCode("This is the mock code of the WeChat developer tools. Set your own AppID in the project, then call wx.login again.", nil)
	case len(code) == phoneCodeLength && strings.Trim(code, "0123456789abcdef") == "":
		return reject(fosite.ErrInvalidRequest, name+" has the form of a code of the phone number button. Send that one as phone_code, and the code of wx.login as "+name+".")
	case !printable(code) || strings.Contains(code, " "):
		return NewCode(name+" is not a code of wx.login. Call wx.login and send its code unchanged.", nil)
	default:
		return checkOpenData(form)
	}
}

// CheckNativeAppCode rejects a form parameter that cannot be a code of a mobile app. It needs no call to WeChat.
func CheckNativeAppCode(form url.Values, name string) error {
	switch code := form.Get(name); {
	case code == "":
		return reject(fosite.ErrInvalidRequest, name+" is missing. Send the code that SendAuth of WeChat's SDK returned.")
	case !printable(code) || strings.Contains(code, " "):
		return NewCode(name+" is not a code of WeChat's SDK. Call SendAuth and send its code unchanged.", nil)
	default:
		return nil
	}
}

// missingCodeHint names the parameter that was sent in place of name.
func missingCodeHint(form url.Values, name string) string {
	for _, other := range []string{"js_code", "code", "subject_token", "jsCode"} {
		if other != name && form.Get(other) != "" {
			return fmt.Sprintf("The request has %s: send the code that wx.login returned as %s.", other, name)
		}
	}
	return "Send the code that wx.login returned."
}

// checkOpenData rejects parameters that WeChat's older APIs encrypt with the session key, because no session key is stored.
func checkOpenData(form url.Values) error {
	for _, name := range []string{"encryptedData", "encrypted_data"} {
		if form.Get(name) != "" {
			return reject(fosite.ErrInvalidRequest, name+" and iv are not read here: leave them out. "+
				"For a phone number send the code of the phone number button (detail.code) as phone_code; nickname and picture are what the user types.")
		}
	}
	return nil
}
