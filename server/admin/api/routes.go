package api

import (
	"net/http"
	"slices"
)

// directoryPattern is what a directory in a path may be, so that its store keys meet those of no other directory.
const directoryPattern = "[a-z0-9_-]{1,32}"

// allRoutes is the table of operations.
func (a *api) allRoutes() []route {
	return slices.Concat(
		directoryRoutes(), clientRoutes(), initialTokenRoutes(), connectionRoutes(), resourceRoutes(), userRoutes(), methodRoutes(), mergeRoutes(), keyRoutes(), applyRoutes(), transferRoutes(), auditRoutes(), statisticsRoutes(), operatorRoutes(), serviceRoutes(),
		[]route{{
			id: "openapi", method: http.MethodGet, path: "/openapi.json", tag: "Documents", status: http.StatusOK, public: true, tagged: true,
			summary: "OpenAPI description", text: "This document, as OpenAPI 3.1. It needs no access token.",
			replyMedia: []string{mediaJSON}, serve: a.serveDocument,
		}},
	)
}

// tag is a section of the document.
type tag struct{ name, text string }

func tags() []tag {
	return []tag{
		{"Directories", "A directory (身份应用) is a set of users and clients with its own issuer, keys, policy and look."},
		{"Clients", "A client is an application or a mini-program (第三方授权客户端) that signs users in."},
		{"Initial access tokens", "Tokens by which programs register clients at /oauth2/register (RFC 7591)."},
		{"Resources", "A resource is an API that access tokens are for (RFC 8707). Its identifier is the aud of its tokens."},
		{"Connections", "A connection is a WeChat app by which users sign in and that is no client: a website app, an official account or a mobile app."},
		{"Users", "Users of a directory: search, identities, sessions, grants and what an operator does for them."},
		{"Merges", "Accounts that look like one person, and their merge."},
		{"Keys", "Signing keys and token secrets of a directory."},
		{"Files", "Directories, clients and operators as documents, which `minifed apply` reads from files."},
		{"Import and export", "Users in files, and the whole installation."},
		{"Audit", "Who did what."},
		{"Statistics", "Sign-ins, calls to WeChat, and the state of the installation."},
		{"Operators", "People who administer minifed, with their roles."},
		{"Service clients", "Clients of programs that use this API, with roles and expiry."},
		{"Documents", "Public documents."},
	}
}
