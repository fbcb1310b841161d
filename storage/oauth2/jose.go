package oauth2

import (
	"encoding/json"
	"fmt"

	"github.com/go-jose/go-jose/v3"
)

// parseJWKS converts a client's JWK Set for fosite. Unusable keys are ignored (RFC 7517 §5).
func parseJWKS(raw json.RawMessage) (*jose.JSONWebKeySet, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	var document struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(raw, &document); err != nil {
		return nil, fmt.Errorf("oauth2: client's JWK Set: %w", err)
	}
	set := &jose.JSONWebKeySet{}
	for _, raw := range document.Keys {
		var key jose.JSONWebKey
		if json.Unmarshal(raw, &key) == nil && key.IsPublic() {
			set.Keys = append(set.Keys, key)
		}
	}
	return set, nil
}

// GetJSONWebKeys implements fosite.OpenIDConnectClient.
func (c *Client) GetJSONWebKeys() *jose.JSONWebKeySet { return c.jwks }

// keySet is the type of the key set in a Client.
type keySet = jose.JSONWebKeySet
