package api

import (
	"net/http"
	"time"

	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/server/admin"
)

// KeyRotation is the body of the rotation of a signing key.
type KeyRotation struct {
	Algorithm string `json:"algorithm"`
	Now       bool   `json:"now,omitempty"`
}

// KeySet is all signing keys of a directory.
type KeySet struct {
	Items []keys.Key `json:"items"`
}

// SecretGeneration is a generation of token secrets.
type SecretGeneration struct {
	Generation uint32    `json:"generation"`
	UseAt      time.Time `json:"use_at"`
}

// keyRoutes are the operations on signing keys and token secrets.
func keyRoutes() []route {
	const tag, list = "Keys", "/directories/{directory}/keys"
	return []route{
		{
			id: "listKeys", method: http.MethodGet, path: list, tag: tag, status: http.StatusOK,
			summary: "List the signing keys", text: "The keys are in the order of algorithm and age, without their private parts.",
			act: admin.ActKeysRead, reply: typeOf[KeySet](), serve: listKeys,
		},
		{
			id: "rotateKey", method: http.MethodPost, path: list + "/rotate", tag: tag, status: http.StatusOK,
			summary: "Rotate a signing key", text: "Publishes the next key of an algorithm. It signs when no cache lacks it any more; with now, it signs at once, and a client with an older copy of the JWK Set rejects its tokens for a time.",
			act: admin.ActKeysRotate, body: typeOf[KeyRotation](), reply: typeOf[keys.Key](), serve: rotateKey,
		},
		{
			id: "revokeKey", method: http.MethodDelete, path: list + "/{kid}", tag: tag, status: http.StatusOK,
			summary: "Revoke a signing key", text: "No token that the key signed is accepted any more. The response is the key that signs now.",
			act: admin.ActKeysRevoke, reply: typeOf[keys.Key](),
			serve: func(c *call) (reply, error) {
				key, err := c.service.RevokeSigningKey(c.Context(), c.directory(), c.param("kid"))
				return reply{body: key}, err
			},
		},
		{
			id: "rotateTokenSecrets", method: http.MethodPost, path: "/directories/{directory}/token-secrets/rotate", tag: tag, status: http.StatusOK,
			summary: "Rotate the token secrets", text: "Stores the next generation of the secrets from which codes, refresh tokens and form tokens derive. Those of earlier generations stay valid.",
			act: admin.ActSecretsRotate, reply: typeOf[SecretGeneration](),
			serve: func(c *call) (reply, error) {
				generation, useAt, err := c.service.RotateTokenSecrets(c.Context(), c.directory())
				return reply{body: SecretGeneration{generation, useAt}}, err
			},
		},
	}
}

func listKeys(c *call) (reply, error) {
	found, err := c.service.SigningKeys(c.Context(), c.directory())
	if found == nil {
		found = []keys.Key{}
	}
	return reply{body: KeySet{found}}, err
}

func rotateKey(c *call) (reply, error) {
	asked, err := decode[KeyRotation](c)
	if err != nil {
		return reply{}, err
	}
	rotate := c.service.RotateSigningKey
	if asked.Now {
		rotate = c.service.RotateSigningKeyNow
	}
	key, err := rotate(c.Context(), c.directory(), asked.Algorithm)
	return reply{body: key}, err
}
