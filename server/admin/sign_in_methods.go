package admin

import (
	"errors"
	"slices"
	"strings"

	"github.com/minifed/minifed/storage"
)

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
	for i, method := range methods {
		if slices.Contains(methods[:i], method) {
			p.add(member, "%q is listed twice", method)
		}
	}
}
