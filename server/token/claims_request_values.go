package token

import (
	"encoding/json"
	"reflect"
	"slices"

	"github.com/minifed/minifed/server/endpoint"
)

// claimRequest is the request for one claim (OpenID Connect Core §5.5.1).
type claimRequest struct {
	essential bool
	// values are those of "value" and "values", decoded; empty means any value.
	values []any
}

// parseClaimRequests parses the request for each claim: null, or an object.
func parseClaimRequests(members map[string]json.RawMessage) (map[string]claimRequest, error) {
	requests := make(map[string]claimRequest, len(members))
	for name, raw := range members {
		request, err := parseClaimRequest(name, raw)
		if err != nil {
			return nil, err
		}
		requests[name] = request
	}
	return requests, nil
}

// parseClaimRequest parses the request for one claim. A member that is null counts as omitted, because some JSON libraries write it
// so. Members that the specification does not define are ignored.
func parseClaimRequest(name string, raw json.RawMessage) (claimRequest, error) {
	if endpoint.IsJSONNull(raw) {
		return claimRequest{}, nil
	}
	var members struct {
		Essential *bool  `json:"essential"`
		Value     any    `json:"value"`
		Values    *[]any `json:"values"`
	}
	if !isObject(string(raw)) || json.Unmarshal(raw, &members) != nil {
		return claimRequest{}, errClaims
	}
	request := claimRequest{essential: members.Essential != nil && *members.Essential}
	if members.Value != nil {
		request.values = append(request.values, members.Value)
	}
	if members.Values != nil {
		if len(*members.Values) == 0 || len(*members.Values) > maxClaimValues {
			return claimRequest{}, errClaims
		}
		request.values = append(request.values, *members.Values...)
	}
	if slices.ContainsFunc(request.values, func(value any) bool { return !hasTypeOf(name, value) }) {
		return claimRequest{}, errClaims
	}
	return request, nil
}

// hasTypeOf reports whether value has the JSON type of a claim. An unknown claim can have any type.
func hasTypeOf(claim string, value any) bool {
	switch claim {
	case "sub", "acr":
		return value != "" && reflect.TypeOf(value) == reflect.TypeFor[string]()
	case "email_verified", "phone_number_verified":
		return reflect.TypeOf(value) == reflect.TypeFor[bool]()
	case "updated_at", "auth_time":
		return reflect.TypeOf(value) == reflect.TypeFor[float64]()
	case "address":
		return reflect.TypeOf(value) == reflect.TypeFor[map[string]any]()
	default:
		return scopeOfClaim(claim) == "" || reflect.TypeOf(value) == reflect.TypeFor[string]()
	}
}

// texts returns the values that are strings.
func (w claimRequest) texts() []string {
	var texts []string
	for _, value := range w.values {
		if text, ok := value.(string); ok {
			texts = append(texts, text)
		}
	}
	return texts
}

// claimValues maps claims to the values that they are restricted to. A claim without an entry can have any value.
type claimValues map[string][]any

func valuesOf(requests map[string]claimRequest) claimValues {
	values := claimValues{}
	for name, request := range requests {
		if len(request.values) > 0 {
			values[name] = request.values
		}
	}
	return values
}

// met returns the names of the claims for which the user, with these claims, has one of the requested values.
func (v claimValues) met(names []string, claims map[string]any) []string {
	if len(v) == 0 {
		return names
	}
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		wanted, restricted := v[name]
		return restricted && !containsJSON(wanted, claims[name])
	})
}

// containsJSON reports whether value, encoded as JSON, is in a list of decoded values.
func containsJSON(values []any, value any) bool {
	text, err := json.Marshal(value)
	if err != nil {
		return false
	}
	var decoded any
	if json.Unmarshal(text, &decoded) != nil {
		return false
	}
	return slices.ContainsFunc(values, func(wanted any) bool { return reflect.DeepEqual(wanted, decoded) })
}
