package api

import (
	"net/http"

	"github.com/minifed/minifed/server/admin"
)

// methodRoutes are the operations on sign-in methods of users.
func methodRoutes() []route {
	const tag, item = "Users", "/directories/{directory}/users/{user}"
	return []route{
		{
			id: "getUserMethods", method: http.MethodGet, path: item + "/methods", tag: tag, status: http.StatusOK,
			summary: "List a user's sign-in methods", text: "The password, the passkeys and the authenticator app, without keys and secrets. The identities of the user are the other ways to sign in.",
			act: admin.ActUserRead, reply: typeOf[admin.UserMethods](),
			serve: func(c *call) (reply, error) {
				methods, err := c.service.UserMethods(c.Context(), c.directory(), c.param("user"))
				return reply{body: methods}, err
			},
		},
		{
			id: "removeUserPasskey", method: http.MethodDelete, path: item + "/passkeys/{passkey}", tag: tag, status: http.StatusNoContent,
			summary: "Remove a passkey", text: "It is removed even if it is the last way to sign in.", act: admin.ActUserPasskey,
			serve: func(c *call) (reply, error) {
				return reply{}, c.service.RemoveUserPasskey(c.Context(), c.directory(), c.param("user"), c.param("passkey"))
			},
		},
		{
			id: "removeUserTOTP", method: http.MethodDelete, path: item + "/totp", tag: tag, status: http.StatusNoContent,
			summary: "Remove the authenticator app", text: "Its recovery codes are removed with it. Where the directory requires two factors, the user sets up another one after the next sign-in by password.",
			act: admin.ActUserTOTP,
			serve: func(c *call) (reply, error) {
				return reply{}, c.service.RemoveUserTOTP(c.Context(), c.directory(), c.param("user"))
			},
		},
	}
}
