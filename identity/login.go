package identity

import "github.com/minifed/minifed/storage"

// maxExternalID is the longest ID of an app or user that WeChat issues, in bytes.
const maxExternalID = 128

// Login is a user that WeChat has just authenticated. It comes from a proof only, never from request parameters.
type Login struct {
	// Directory is the directory where the user signs in.
	Directory string
	// AppID and OpenID identify the user to one app. Required.
	AppID, OpenID string
	// OpenPlatform and UnionID identify the user to all apps of one Open Platform account. There is no UnionID unless both are
	// set.
	OpenPlatform, UnionID string
	// Snapshot means that WeChat marked the user as virtual (is_snapshotuser); such a login is rejected.
	Snapshot bool
}

func (l Login) validate() error {
	if l.Snapshot {
		return ErrSnapshotUser
	}
	if l.Directory == "" {
		return invalid("directory", InvalidMissing)
	}
	if l.AppID == "" || l.OpenID == "" {
		return invalid("login", InvalidNoOpenID)
	}
	if max(len(l.AppID), len(l.OpenID), len(l.OpenPlatform), len(l.UnionID)) > maxExternalID {
		return invalid("login", InvalidLongID)
	}
	return nil
}

func (l Login) hasUnion() bool { return l.OpenPlatform != "" && l.UnionID != "" }

// unionDigest is the digest of the UnionID that the OpenID link stores; empty without a UnionID.
func (l Login) unionDigest() string {
	if !l.hasUnion() {
		return ""
	}
	return storage.Digest(l.OpenPlatform, l.UnionID)
}

// changesUnion reports whether the UnionID of the login differs from that of the OpenID link. A login without UnionID changes
// nothing: an app can be unbound from its Open Platform account temporarily.
func (l Login) changesUnion(link storage.Identity) bool {
	return l.hasUnion() && l.unionDigest() != link.UnionDigest
}

func (l Login) openIdentity() storage.Identity {
	return storage.Identity{Directory: l.Directory, Type: storage.IdentityOpenID, Namespace: l.AppID, Value: l.OpenID}
}

func (l Login) unionIdentity() storage.Identity {
	return storage.Identity{Directory: l.Directory, Type: storage.IdentityUnionID, Namespace: l.OpenPlatform, Value: l.UnionID}
}
