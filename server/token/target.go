package token

import (
	"context"
	"fmt"
	"slices"

	"github.com/ory/fosite"
	"github.com/ory/fosite/compose"

	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/target"
	"github.com/minifed/minifed/storage/oauth2"
)

// useTarget replaces the client of a token request by that of a token for the selected resources, so that every later step uses
// their format, algorithm and lifetime.
func useTarget(request fosite.Requester, selected *target.Selection, scopes []string) error {
	client, err := selected.ForToken(scopes)
	if err != nil {
		return err
	}
	return setClient(request, client)
}

func setClient(request fosite.Requester, client *oauth2.Client) error {
	concrete, ok := request.(*fosite.AccessRequest)
	if !ok {
		return fmt.Errorf("token: request is %T", request)
	}
	concrete.Client = client
	return nil
}

// exchangeTarget selects the resources of a token exchange before package grants reads the request.
type exchangeTarget struct {
	targets target.Targets
}

var _ fosite.TokenEndpointHandler = (*exchangeTarget)(nil)

// ExchangeTargets returns the factory of the handler that runs before the token exchange.
func ExchangeTargets(targets target.Targets) compose.Factory {
	return func(fosite.Configurator, any, any) any { return &exchangeTarget{targets} }
}

// CanHandleTokenEndpointRequest implements fosite.TokenEndpointHandler.
func (*exchangeTarget) CanHandleTokenEndpointRequest(context.Context, fosite.AccessRequester) bool {
	return true
}

// CanSkipClientAuth implements fosite.TokenEndpointHandler.
func (*exchangeTarget) CanSkipClientAuth(context.Context, fosite.AccessRequester) bool { return false }

// HandleTokenEndpointRequest implements fosite.TokenEndpointHandler. It replaces what the request names by the identifiers of its
// resources, and the client by that of their token.
func (h *exchangeTarget) HandleTokenEndpointRequest(ctx context.Context, request fosite.AccessRequester) error {
	client, ok := request.GetClient().(*oauth2.Client)
	if !ok {
		return fmt.Errorf("token: client is %T", request.GetClient())
	}
	issuer, ok := oauth2.IssuerFrom(ctx)
	if !ok {
		return errNoRequest
	}
	form := request.GetRequestForm()
	selected, err := h.targets.Requested(ctx, issuer, client, form)
	if err != nil {
		return err
	}
	asked := []string(request.GetRequestedScopes())
	if len(asked) == 0 {
		asked = selected.AllDefaultScopes()
	}
	if err := useTarget(request, selected, endpoint.Intersection(asked, selected.Scopes(asked))); err != nil {
		return err
	}
	if slices.ContainsFunc(form["resource"], notEmpty) || len(request.GetRequestedAudience()) > 0 {
		form.Del("resource")
		request.SetRequestedAudience(selected.Audience(nil))
	}
	return nil
}

func notEmpty(value string) bool { return value != "" }

// PopulateTokenEndpointResponse implements fosite.TokenEndpointHandler.
func (*exchangeTarget) PopulateTokenEndpointResponse(context.Context, fosite.AccessRequester, fosite.AccessResponder) error {
	return nil
}
