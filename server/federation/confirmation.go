package federation

import (
	"context"
	"net/url"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// Confirmation is what a user confirms by a login in a mini-program, such as the sign-in of a browser.
type Confirmation interface {
	// Check runs after the client is authenticated and before the code is spent. An error rejects the login. It may run more than
	// once for one request. candidates are the IDs that the grant of the login may have: a repeat of a login has the same.
	Check(ctx context.Context, client storage.Client, candidates []string) error
	// Digest identifies what is confirmed: the repeat of a login with another confirmation is rejected.
	Digest() string
}

// Confirmed is a login that confirms something.
type Confirmed struct {
	LoginResponse
	// User is the user as stored.
	User storage.User
	// Grant is the ID of the grant of the login. The repeat of a login has the same.
	Grant string
}

// Confirm signs a user in, as Profile does, to confirm something.
func (h Handler) Confirm(r *endpoint.Request, form url.Values, what Confirmation) (Confirmed, error) {
	v := &Request{Request: r, confirmation: what}
	response, err := h.login(form, v)
	if err != nil {
		return Confirmed{}, err
	}
	return Confirmed{response, *v.user, v.grant}, nil
}

// checkConfirmation checks what a login confirms.
func (f *Service) checkConfirmation(ctx context.Context, client *oauth2.Client, request grants.Exchange, v *Request) error {
	if v.confirmation == nil {
		return nil
	}
	ids, err := f.grantIDs(ctx, client, v, request.Code)
	if err != nil {
		return err
	}
	candidates := make([]string, len(ids))
	for i, id := range ids {
		candidates[i] = id.ID
	}
	return v.confirmation.Check(ctx, client.Record(), candidates)
}
