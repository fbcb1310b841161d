package authorize

import (
	"github.com/ory/fosite"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/server/endpoint"
)

// PageError returns an error for a page, which explains it by its reason.
func PageError(reason, description string) *grants.Error {
	problem := endpoint.NewError(fosite.ErrInvalidRequest, description)
	problem.Reason = reason
	return problem
}
