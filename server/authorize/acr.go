package authorize

import (
	"slices"

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

// meetsACR reports whether a class meets one of the essential ones, or there are none (OpenID Connect Core §5.5.1.1).
func meetsACR(essential []string, acr string) bool {
	return len(essential) == 0 || slices.Contains(essential, returnedACR(essential, acr))
}

// returnedACR returns the class for the client: one of the essential ones where the session meets one.
func returnedACR(essential []string, acr string) string {
	if acr == ACRTwoFactors && !slices.Contains(essential, acr) && slices.Contains(essential, ACRSingleFactor) {
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
