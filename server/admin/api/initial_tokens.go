package api

import (
	"net/http"
	"time"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// NewInitialToken is the body of the creation of an initial access token.
type NewInitialToken struct {
	Name      string    `json:"name,omitempty"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

// CreatedInitialToken is an initial access token with its text, which is shown once.
type CreatedInitialToken struct {
	storage.InitialToken
	Token string `json:"token"`
}

// initialTokenRoutes are the operations on initial access tokens.
func initialTokenRoutes() []route {
	const tag, list, item = "Initial access tokens", "/directories/{directory}/initial-tokens", "/directories/{directory}/initial-tokens/{token}"
	return []route{
		{
			id: "listInitialTokens", method: http.MethodGet, path: list, tag: tag, status: http.StatusOK,
			summary: "List the initial access tokens", text: "The oldest come first. Expired ones are not listed.",
			act: admin.ActClientRead, query: pageParameters(), reply: typeOf[listOf[storage.InitialToken]](),
			serve: func(c *call) (reply, error) {
				tokens, next, err := c.service.InitialTokens(c.Context(), c.directory(), c.page())
				return listReply(tokens, next, err)
			},
		},
		{
			id: "createInitialToken", method: http.MethodPost, path: list, tag: tag, status: http.StatusCreated,
			summary: "Create an initial access token", text: "A program that sends it to /oauth2/register can register clients, where the directory's policy allows registration. The token is shown once.",
			act: admin.ActInitialTokenCreate, body: typeOf[NewInitialToken](), reply: typeOf[CreatedInitialToken](),
			serve: func(c *call) (reply, error) {
				asked, err := decode[NewInitialToken](c)
				if err != nil {
					return reply{}, err
				}
				created, token, err := c.service.CreateInitialToken(c.Context(), admin.NewInitialToken{Directory: c.directory(), Name: asked.Name, ExpiresAt: asked.ExpiresAt})
				if err != nil {
					return reply{}, err
				}
				return reply{body: CreatedInitialToken{created, token}, resource: created.ID, location: "/directories/" + created.Directory + "/initial-tokens/" + created.ID}, nil
			},
		},
		{
			id: "revokeInitialToken", method: http.MethodDelete, path: item, tag: tag, status: http.StatusNoContent,
			summary: "Revoke an initial access token", text: "No client is registered by it any more. The clients that were registered by it remain.",
			act: admin.ActInitialTokenRevoke,
			serve: func(c *call) (reply, error) {
				return reply{}, c.service.RevokeInitialToken(c.Context(), c.directory(), c.param("token"))
			},
		},
	}
}
