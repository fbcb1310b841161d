package storage

import "time"

// OperatorsDirectory is the reserved ID of the directory of operators. It contains "_", so that no other directory can have it.
const OperatorsDirectory = "_admin"

// Everywhere is the Assignment.Directory that means all directories and the installation itself.
const Everywhere = "*"

// MaxAssignments bounds the assignments of an operator or a service client.
const MaxAssignments = 64

// Assignment gives an operator or a service client a role in one directory, or in all of them.
type Assignment struct {
	// Directory is the ID of a directory, or Everywhere.
	Directory string `json:"directory"`
	// Role is owner, admin, support or auditor; see package server/admin.
	Role string `json:"role"`
}

// ConsoleLink is the one link by which the first owner opens the console and creates an account.
type ConsoleLink struct {
	// Secret is the digest of the secret in the link, so that the store cannot be turned into a link.
	Secret string `json:"secret"`
	// User is the user who was created by the link; empty while it is unused.
	User      string    `json:"user,omitempty"`
	CreatedAt time.Time `json:"created_at,omitzero"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

// ConsoleLinkID is the ID of the one ConsoleLink.
const ConsoleLinkID = "console_link"

// Document implements Record.
func (l ConsoleLink) Document() Document {
	return Document{Kind: KindMeta, ID: ConsoleLinkID, CreatedAt: l.CreatedAt, ExpiresAt: l.ExpiresAt}
}
