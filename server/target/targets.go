package target

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// Resources finds the records of resources; an *endpoint.Resources.
type Resources interface {
	// Find returns the resource with an identifier, or storage.ErrNotFound.
	Find(ctx context.Context, issuer *oauth2.Issuer, identifier string) (*storage.Resource, error)
	// FindAudience is Find for an audience that needs no record.
	FindAudience(ctx context.Context, issuer *oauth2.Issuer, audience string) (*storage.Resource, error)
}

// Targets selects the resources of requests.
type Targets struct {
	Resources Resources
}

// Requested returns what the parameters resource and audience name (RFC 8707 §2), or the client's default.
func (t Targets) Requested(ctx context.Context, issuer *oauth2.Issuer, client *oauth2.Client, form url.Values) (*Selection, error) {
	named, err := parameters(form)
	if err != nil {
		return nil, err
	}
	values, explicit := named, true
	if len(named) == 0 {
		values, explicit = client.DefaultAudience(), false
	}
	return t.selection(ctx, issuer, client, values, explicit)
}

// ErrNothingLeft means that the client may have none of the granted resources now, as with a grant of another issuer.
var ErrNothingLeft = errors.New("target: no granted resource is allowed any more")

// Granted returns what a token request may have of the audience of its grant: what its parameters name, or everything that the
// client may still have. It returns ErrNothingLeft if that is nothing.
func (t Targets) Granted(ctx context.Context, issuer *oauth2.Issuer, client *oauth2.Client, form url.Values, granted []string) (*Selection, error) {
	named, err := parameters(form)
	if err != nil {
		return nil, err
	}
	if len(named) == 0 {
		return t.remaining(ctx, issuer, client, granted)
	}
	for i, value := range named {
		at := slices.IndexFunc(granted, func(audience string) bool { return storage.SameResource(audience, value) })
		if at < 0 {
			return nil, endpoint.InvalidTarget("The resource or audience is not among those that were granted.")
		}
		named[i] = granted[at]
	}
	return t.selection(ctx, issuer, client, named, true)
}

// remaining returns the granted audiences that the client may still have.
func (t Targets) remaining(ctx context.Context, issuer *oauth2.Issuer, client *oauth2.Client, granted []string) (*Selection, error) {
	s := &Selection{client: client, issuer: issuer.URL, explicit: true}
	for _, audience := range granted {
		chosen, err := t.choose(ctx, issuer, client, audience)
		if isRejection(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		s.chosen = append(s.chosen, chosen)
	}
	if len(s.chosen) == 0 {
		return nil, ErrNothingLeft
	}
	return s, nil
}

// isRejection reports whether an error is one for the client, and not a failure of the store.
func isRejection(err error) bool { return errors.Is(err, errRejected) }

func (t Targets) selection(ctx context.Context, issuer *oauth2.Issuer, client *oauth2.Client, values []string, explicit bool) (*Selection, error) {
	s := &Selection{client: client, issuer: issuer.URL, explicit: explicit}
	for _, value := range values {
		chosen, err := t.choose(ctx, issuer, client, value)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(s.chosen, func(c choice) bool { return c.audience == chosen.audience }) {
			s.chosen = append(s.chosen, chosen)
		}
	}
	return s, nil
}

// choose returns what one value of resource or audience means for a client.
func (t Targets) choose(ctx context.Context, issuer *oauth2.Issuer, client *oauth2.Client, value string) (choice, error) {
	if value == issuer.URL {
		return choice{audience: value}, nil
	}
	// 1. The audience that the client is registered for. It needs no record.
	registered := slices.IndexFunc(client.GetAudience(), func(audience string) bool { return storage.SameResource(audience, value) })
	find := t.Resources.Find
	if registered >= 0 {
		find = t.Resources.FindAudience
	}
	// 2. The record.
	resource, err := find(ctx, issuer, value)
	switch {
	case err == nil:
		return t.permitted(client, resource, registered >= 0)
	case !errors.Is(err, storage.ErrNotFound):
		return choice{}, err
	case registered < 0:
		return choice{}, rejected(value, causeUnregistered)
	}
	return choice{audience: client.GetAudience()[registered]}, nil
}

// permitted returns the choice of a resource, if the client may have tokens for it.
func (Targets) permitted(client *oauth2.Client, resource *storage.Resource, registered bool) (choice, error) {
	chosen := choice{audience: resource.Identifier, resource: resource, whole: true}
	switch {
	case resource.Disabled:
		return choice{}, rejected(resource.Identifier, causeDisabled)
	case slices.ContainsFunc(client.Record().Resources, func(listed string) bool { return storage.SameResource(listed, resource.Identifier) }),
		resource.Asked() == storage.AskedByAny,
		resource.Asked() == storage.AskedByRegistered && !unknown(client):
		return chosen, nil
	case registered:
		chosen.whole = false
		return chosen, nil
	default:
		return choice{}, rejected(resource.Identifier, causeNotListed)
	}
}

// The causes for the log.
const (
	causeUnregistered endpoint.OperatorCause = "the resource or audience has no record in this directory and is not registered for the client: create it by minifed resource create, or register it by minifed client update --audience"
	causeDisabled     endpoint.OperatorCause = "the resource is disabled: enable it by minifed resource enable"
	causeNotListed    endpoint.OperatorCause = "the client may not have tokens for this resource: allow it by minifed client update --resource, or allow all clients by minifed resource update --asked-by"
)

// errRejected marks the errors of resources that a client may not have.
var errRejected = errors.New("target: the client may not have the resource")

// rejected returns invalid_target for a value, with the cause for the log.
func rejected(value string, cause endpoint.OperatorCause) error {
	return endpoint.CausedBy(endpoint.InvalidTarget("This client may not ask for tokens for "+shown(value)+". Its operator has to allow it."), errors.Join(cause, errRejected))
}

// shown returns a value of a request for an error, if it is short and printable.
func shown(value string) string {
	const most = 200
	if len(value) > most || strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }) {
		return "one of the resources or audiences"
	}
	return value
}

// parameters returns the values of resource and audience, each once.
func parameters(form url.Values) ([]string, error) {
	for _, resource := range form["resource"] {
		if resource == "" {
			continue
		}
		if parsed, err := url.Parse(resource); err != nil || !parsed.IsAbs() || strings.Contains(resource, "#") {
			return nil, endpoint.InvalidTarget("A resource must be an absolute URI without fragment.")
		}
	}
	var values []string
	for _, value := range slices.Concat(form["resource"], fosite.GetAudiences(form)) {
		if value != "" && !slices.Contains(values, value) {
			values = append(values, value)
		}
	}
	if len(values) > oauth2.MaxAudience {
		return nil, endpoint.InvalidTarget(fmt.Sprintf("The request names %d resources and audiences. At most %d are allowed.", len(values), oauth2.MaxAudience))
	}
	return values, nil
}
