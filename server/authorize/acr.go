package authorize

import (
	"slices"
	"strings"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
)

// The authentication context classes (OpenID Connect Core §2, "acr"). A higher one includes the lower one.
const (
	// ACRSingleFactor is a sign-in with one factor, such as a password.
	ACRSingleFactor = "1"
	// ACRTwoFactors is a sign-in with two: a password and TOTP, or a passkey, which has verified its user.
	ACRTwoFactors = "2"
)

// ACRValues returns the classes that a sign-in to a browser can have in a directory.
func ACRValues(directory storage.Directory) []string {
	if directory.TwoFactor() == storage.TwoFactorOff {
		return []string{ACRSingleFactor}
	}
	return []string{ACRSingleFactor, ACRTwoFactors}
}

// acr returns the classes of which the request asks for one: the essential ones, else those of acr_values, which are voluntary (OpenID
// Connect Core §3.1.2.1).
func (a *Request) acr() []string {
	if len(a.claims.ACR) > 0 {
		return a.claims.ACR
	}
	return strings.Fields(a.form.Get("acr_values"))
}

// WantsTwoFactors reports whether the request asks for a sign-in with two factors, and not for one with a single one.
func (a *Request) WantsTwoFactors() bool {
	return !meetsACR(a.acr(), ACRSingleFactor) && meetsACR(a.acr(), ACRTwoFactors)
}

// stepsUp reports whether a session does not have what acr_values asks for, and a new sign-in could (RFC 9470 §5). A request without
// pages continues: its client finds the class in the tokens.
func (a *Request) stepsUp(session storage.Session, directory storage.Directory) bool {
	return !a.silent() && !meetsACR(a.acr(), session.ACR) && canMeetACR(a.acr(), directory)
}

// canMeetACR reports whether a sign-in to a directory can meet one of the classes.
func canMeetACR(requested []string, directory storage.Directory) bool {
	return slices.ContainsFunc(ACRValues(directory), func(acr string) bool { return meetsACR(requested, acr) })
}

// meetsACR reports whether a class meets one of the requested ones, or there are none (OpenID Connect Core §5.5.1.1).
func meetsACR(requested []string, acr string) bool {
	return len(requested) == 0 || slices.Contains(requested, returnedACR(requested, acr))
}

// returnedACR returns the class for the client: one of the requested ones where the session meets one.
func returnedACR(requested []string, acr string) string {
	if acr == ACRTwoFactors && !slices.Contains(requested, acr) && slices.Contains(requested, ACRSingleFactor) {
		return ACRSingleFactor
	}
	return acr
}

// isTooWeak reports whether a session has fewer factors than its directory requires.
func isTooWeak(session storage.Session, directory storage.Directory) bool {
	return directory.TwoFactor() == storage.TwoFactorRequired && session.ACR != ACRTwoFactors
}

// unmetACR is the error of OpenID Connect Core Unmet Authentication Requirements 1.0 §3.
func unmetACR() error {
	problem := endpoint.NewError(fosite.ErrAccessDenied, "The user cannot be authenticated in the way that the claims parameter demands.")
	problem.Protocol.ErrorField = "unmet_authentication_requirements"
	return problem
}
