package endpoint

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/storage"
)

func TestError_MapsLibraryErrors(t *testing.T) {
	for _, row := range []struct {
		name   string
		err    error
		code   string
		status int
	}{
		{"jti seen before", fosite.ErrJTIKnown, "invalid_client", 401},
		{"unauthorized request", fosite.ErrRequestUnauthorized, "invalid_client", 401},
		{"short state", fosite.ErrInvalidState, "invalid_request", 400},
		{"little entropy", fosite.ErrInsufficientEntropy, "invalid_request", 400},
		{"scope not granted", fosite.ErrScopeNotGranted, "invalid_grant", 400},
		{"inactive token", fosite.ErrInactiveToken, "invalid_grant", 400},
		{"forbidden", fosite.ErrRequestForbidden, "access_denied", 403},
		{"misconfigured", fosite.ErrMisconfiguration, "server_error", 500},
		{"a code that another request redeemed", fosite.ErrServerError.WithWrap(fosite.ErrInvalidatedAuthorizeCode), "invalid_grant", 400},
		{"a token that another request rotated", fosite.ErrInvalidRequest.WithWrap(fosite.ErrInactiveToken), "invalid_grant", 400},
		{"no such client", fosite.ErrInvalidClient.WithWrap(fosite.ErrNotFound), "invalid_client", 401},
		{"the store is down", fosite.ErrServerError.WithWrap(storage.ErrUnavailable), "temporarily_unavailable", 503},
		{"the store is down, says the grant", &grants.Error{Protocol: fosite.ErrServerError.WithWrap(storage.ErrUnavailable)}, "temporarily_unavailable", 503},
		{"a newer record", storage.ErrNewerVersion, "temporarily_unavailable", 503},
		{"stale keys", keys.ErrStale, "temporarily_unavailable", 503},
		{"a write to be decided again", fosite.ErrServerError.WithWrap(fosite.ErrSerializationFailure), "temporarily_unavailable", 503},
		{"no time left", context.DeadlineExceeded, "temporarily_unavailable", 503},
		{"anything else", errors.New("secret detail"), "server_error", 500},
	} {
		t.Run(row.name, func(t *testing.T) {
			problem := ErrorOf(row.err)
			if problem.Protocol.ErrorField != row.code || problem.Protocol.CodeField != row.status {
				t.Errorf("got %s %d", problem.Protocol.ErrorField, problem.Protocol.CodeField)
			}
			if text := problem.Members()["error_description"]; text == "" || strings.Contains(text.(string), "secret detail") {
				t.Errorf("the description is %q", text)
			}
		})
	}
}

func TestError_SharedErrorIsNotModified(t *testing.T) {
	shared := &grants.Error{Protocol: &fosite.RFC6749Error{ErrorField: "misconfiguration", CodeField: 500}}
	var calls sync.WaitGroup
	for range 8 {
		calls.Go(func() { ErrorOf(shared) })
	}
	calls.Wait()
	if shared.Protocol.ErrorField != "misconfiguration" {
		t.Error("it was changed")
	}
}
