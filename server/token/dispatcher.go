package token

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// Dispatcher is the only token endpoint handler that fosite has. It passes a request to the handlers of its grant type: fosite
// would call every handler twice, and each rejection records a stack trace. It also does the checks common to all grants.
type Dispatcher struct {
	handlers map[string][]fosite.TokenEndpointHandler
}

var _ fosite.TokenEndpointHandler = (*Dispatcher)(nil)

func newDispatcher(config fosite.Configurator, store, tokens any, factories Grants) (*Dispatcher, error) {
	d := &Dispatcher{handlers: make(map[string][]fosite.TokenEndpointHandler, len(factories))}
	for grant, list := range factories {
		for _, factory := range list {
			handler, ok := factory(config, store, tokens).(fosite.TokenEndpointHandler)
			if !ok {
				return nil, fmt.Errorf("token: the factory of grant %s returns no token endpoint handler", grant)
			}
			d.handlers[grant] = append(d.handlers[grant], handler)
		}
	}
	return d, nil
}

// GrantTypes lists the supported grant types.
func (d *Dispatcher) GrantTypes() []string { return slices.Sorted(maps.Keys(d.handlers)) }

// CanHandleTokenEndpointRequest implements fosite.TokenEndpointHandler. It accepts every request, so that an unknown grant
// type gets the correct error here.
func (d *Dispatcher) CanHandleTokenEndpointRequest(context.Context, fosite.AccessRequester) bool {
	return true
}

// CanSkipClientAuth implements fosite.TokenEndpointHandler. Every grant requires client authentication.
func (d *Dispatcher) CanSkipClientAuth(context.Context, fosite.AccessRequester) bool { return false }

// HandleTokenEndpointRequest implements fosite.TokenEndpointHandler.
func (d *Dispatcher) HandleTokenEndpointRequest(ctx context.Context, request fosite.AccessRequester) error {
	handlers, err := d.find(request)
	if err != nil {
		return err
	}
	issuer, ok := oauth2.IssuerFrom(ctx)
	if !ok || !OffersGrantType(issuer.Directory, request.GetGrantTypes()[0]) {
		return unsupportedGrantType()
	}
	grant := request.GetGrantTypes()[0]
	endpoint.FromContext(ctx).GrantType = grant
	if !slices.Contains(request.GetClient().GetGrantTypes(), grant) {
		return endpoint.NewError(fosite.ErrUnauthorizedClient, "This client may not use the grant type "+grant+". Its operator has to add it.")
	}
	for _, handler := range handlers {
		if err := handler.HandleTokenEndpointRequest(ctx, request); err != nil {
			return err
		}
	}
	return nil
}

// PopulateTokenEndpointResponse implements fosite.TokenEndpointHandler.
func (d *Dispatcher) PopulateTokenEndpointResponse(ctx context.Context, request fosite.AccessRequester, response fosite.AccessResponder) error {
	handlers, err := d.find(request)
	if err != nil {
		return err
	}
	for _, handler := range handlers {
		if err := handler.PopulateTokenEndpointResponse(ctx, request, response); err != nil {
			return err
		}
	}
	return nil
}

// find returns the handlers of the request's grant type, or unsupported_grant_type (RFC 6749 §5.2).
func (d *Dispatcher) find(request fosite.AccessRequester) ([]fosite.TokenEndpointHandler, error) {
	grants := request.GetGrantTypes()
	if len(grants) == 1 {
		if handlers := d.handlers[grants[0]]; len(handlers) > 0 {
			return handlers, nil
		}
	}
	return nil, unsupportedGrantType()
}

func unsupportedGrantType() error {
	return endpoint.NewError(fosite.ErrUnsupportedGrantType, "This grant_type is not supported. The discovery document lists those that are, as grant_types_supported.")
}

// OffersGrantType reports whether a directory offers a grant type of this server to its clients.
func OffersGrantType(directory storage.Directory, grant string) bool {
	return grant != oauth2.GrantTypeDevice || directory.Policy.DeviceGrant
}
