package endpoint

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/storage/oauth2"
)

// Audience is "aud": one string, or an array of several (RFC 7519 §4.1.3).
type Audience []string

// UnmarshalJSON implements json.Unmarshaler.
func (a *Audience) UnmarshalJSON(raw []byte) error {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		*a = Audience{one}
		return nil
	}
	return json.Unmarshal(raw, (*[]string)(a))
}

// MarshalJSON implements json.Marshaler.
func (a Audience) MarshalJSON() ([]byte, error) {
	if len(a) == 1 {
		return json.Marshal(a[0])
	}
	return json.Marshal([]string(a))
}

// RequestedAudience reads resource and audience, each of which must be among those allowed.
func RequestedAudience(form url.Values, allowed []string) ([]string, error) {
	var targets []string
	for _, target := range slices.Concat(form["resource"], fosite.GetAudiences(form)) {
		if target == "" || slices.Contains(targets, target) {
			continue
		}
		if !slices.Contains(allowed, target) {
			return nil, InvalidTarget("This client may not ask for tokens for one of the resources or audiences. Its operator has to add it.")
		}
		targets = append(targets, target)
	}
	for _, resource := range form["resource"] {
		if parsed, err := url.Parse(resource); resource != "" && (err != nil || !parsed.IsAbs() || strings.Contains(resource, "#")) {
			return nil, InvalidTarget("A resource must be an absolute URI without fragment.")
		}
	}
	if len(targets) > oauth2.MaxAudience {
		return nil, InvalidTarget(fmt.Sprintf("The request names %d resources and audiences. At most %d are allowed.", len(targets), oauth2.MaxAudience))
	}
	return targets, nil
}

// InvalidTarget is the error code of RFC 8707 §2.
func InvalidTarget(description string) error {
	problem := NewError(fosite.ErrInvalidRequest, description)
	problem.Protocol.ErrorField = "invalid_target"
	return problem
}
