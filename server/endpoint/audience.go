package endpoint

import (
	"encoding/json"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/grants"
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

// InvalidTarget is the error code of RFC 8707 §2.
func InvalidTarget(description string) *grants.Error {
	problem := NewError(fosite.ErrInvalidRequest, description)
	problem.Protocol.ErrorField = "invalid_target"
	return problem
}
