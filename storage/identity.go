package storage

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"
)

// IdentityType says what kind of outside identity a link starts from.
type IdentityType string

// The types of identities with the parts of their tuples, in order.
const (
	// IdentityOpenID is (AppID, OpenID).
	IdentityOpenID IdentityType = "wechat_openid"
	// IdentityUnionID is (Open Platform account, UnionID).
	IdentityUnionID IdentityType = "wechat_unionid"
	// IdentityPhone is (E.164 number).
	IdentityPhone IdentityType = "phone"
	// IdentityUsername is (NFKC, case-folded username).
	IdentityUsername IdentityType = "username"
	// IdentityEmail is (lower-cased address).
	IdentityEmail IdentityType = "email"
	// IdentityExternal is (ID in the system from which an import took the user).
	IdentityExternal IdentityType = "external_id"
)

// Identity is a link from an outside identity to a user of the same directory. The value is a field and its digest the ID,
// so that no driver's error can quote an OpenID or a phone number.
type Identity struct {
	Directory string       `json:"directory"`
	Type      IdentityType `json:"type"`
	// Namespace is the AppID or the Open Platform account; empty for the other types.
	Namespace string `json:"namespace,omitempty"`
	// Value is the canonical OpenID, UnionID, number, username or address.
	Value string `json:"value"`
	// User is the ID of the user; that user may be missing (not yet written), an alias or a tombstone.
	User string `json:"user"`
	// UnionDigest, on an OpenID link, is a digest of the UnionID last seen with it: only a difference reads the UnionID link.
	UnionDigest string    `json:"union_digest,omitempty"`
	VerifiedAt  time.Time `json:"verified_at,omitzero"`
	// DeregisteredAt is when WeChat reported that the account of an OpenID link was deregistered. The next login clears it.
	DeregisteredAt time.Time `json:"deregistered_at,omitzero"`
	// MergedFrom are the users that named this link's owner before merges moved it, oldest first, at most 8: undoing a merge
	// moves it back.
	MergedFrom []string  `json:"merged_from,omitempty"`
	CreatedAt  time.Time `json:"created_at,omitzero"`
	// ExpiresAt is set to let a link go by compare-and-set: Delete could hit a link that has just moved to another user.
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

// Document implements Record.
func (i Identity) Document() Document {
	return Document{
		Kind:      KindIdentity,
		ID:        IdentityKey(i.Directory, i.Type, i.Namespace, i.Value),
		Owner:     Key(i.Directory, i.User),
		CreatedAt: i.CreatedAt,
		ExpiresAt: i.ExpiresAt,
	}
}

// IdentityKey is the store key of an identity: its type and the SHA-256 of its length-prefixed tuple.
func IdentityKey(directory string, typ IdentityType, namespace, value string) string {
	return string(typ) + ":" + Digest(directory, string(typ), namespace, value)
}

// Digest is the base64url SHA-256 of the length-prefixed parts: no two lists of parts share an encoding.
func Digest(parts ...string) string {
	buf := make([]byte, 0, 512) // on the stack: most lists are shorter
	for _, part := range parts {
		buf = binary.BigEndian.AppendUint32(buf, uint32(len(part)))
		buf = append(buf, part...)
	}
	sum := sha256.Sum256(buf)
	return string(base64.RawURLEncoding.AppendEncode(buf[:0], sum[:]))
}
