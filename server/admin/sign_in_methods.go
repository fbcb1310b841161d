package admin

import (
	"errors"
	"slices"
	"strings"

	"github.com/minifed/minifed/storage"
)

// checkScan checks the mini-program of sign-ins by scan and by link. A client may be created after the directory names it.
func (p *problems) checkScan(scan storage.ScanTarget) {
	if scan.MiniProgram != "" {
		p.check("scan.mini_program", checkClientID(scan.MiniProgram))
	}
	if page := scan.Page; len(page) > 1024 || strings.HasPrefix(page, "/") || strings.ContainsAny(page, "?# %") {
		p.add("scan.page", "must be the path of a page without a leading slash and without a query, such as pages/scan/index")
	}
	switch scan.Version {
	case "", "release", "trial", "develop":
	default:
		p.add("scan.version", "must be release, trial or develop")
	}
}

// checkSignInMethods checks the list of sign-in methods. The directory of operators has no list: its methods do not change.
func (p *problems) checkSignInMethods(directory storage.Directory) {
	const member = "sign_in_methods"
	methods := directory.SignInMethods
	if len(methods) > 0 && directory.ID == storage.OperatorsDirectory {
		p.add(member, "the directory of operators always has password and passkey")
		return
	}
	p.each(member, methods, len(storage.SignInMethods()), func(method string) error {
		if !slices.Contains(storage.SignInMethods(), method) {
			return errors.New("must be one of " + strings.Join(storage.SignInMethods(), ", "))
		}
		return nil
	})
	if slices.Contains(methods, storage.SignInPasskey) && directory.TwoFactor() == storage.TwoFactorOff {
		p.add(member, "passkey needs policy.two_factor optional or required")
	}
	if directory.Policy.PasskeyForNewBrowser && (directory.TwoFactor() == storage.TwoFactorOff || !directory.HasSignInMethod(storage.SignInPasskey)) {
		p.add("policy.passkey_for_new_browser", "needs policy.two_factor optional or required, and passkey in sign_in_methods")
	}
	for i, method := range methods {
		if slices.Contains(methods[:i], method) {
			p.add(member, "%q is listed twice", method)
		}
	}
}
