package identity

import "github.com/minifed/minifed/storage"

// maxExternalID bounds what WeChat calls its apps and users, in bytes.
const maxExternalID = 128

// Login is a WeChat user whom WeChat has just vouched for. It is made from a proof alone, never from what a request says.
type Login struct {
	// Directory is where the user signs in.
	Directory string
	// AppID and OpenID name the user to one app. Required.
	AppID, OpenID string
	// OpenPlatform and UnionID name the user to all apps of one Open Platform account; without both, there is no UnionID.
	OpenPlatform, UnionID string
	// Snapshot says that WeChat marked the user as a virtual one (is_snapshotuser); such a login is refused.
	Snapshot bool
}

func (l Login) validate() error {
	if l.Snapshot {
		return ErrSnapshotUser
	}
	if l.Directory == "" {
		return invalid("directory", "is missing")
	}
	if l.AppID == "" || l.OpenID == "" {
		return invalid("login", "needs an AppID and an OpenID")
	}
	if max(len(l.AppID), len(l.OpenID), len(l.OpenPlatform), len(l.UnionID)) > maxExternalID {
		return invalid("login", "has a part that is too long")
	}
	return nil
}

func (l Login) hasUnion() bool { return l.OpenPlatform != "" && l.UnionID != "" }

// unionDigest is what the OpenID link remembers of the UnionID; empty without one.
func (l Login) unionDigest() string {
	if !l.hasUnion() {
		return ""
	}
	return storage.Digest(l.OpenPlatform, l.UnionID)
}

// changesUnion reports whether the login shows another UnionID than the OpenID link remembers. One that shows none changes
// nothing: an app may be unbound from its Open Platform account for a while.
func (l Login) changesUnion(link storage.Identity) bool {
	return l.hasUnion() && l.unionDigest() != link.UnionDigest
}

func (l Login) openIdentity() storage.Identity {
	return storage.Identity{Directory: l.Directory, Type: storage.IdentityOpenID, Namespace: l.AppID, Value: l.OpenID}
}

func (l Login) unionIdentity() storage.Identity {
	return storage.Identity{Directory: l.Directory, Type: storage.IdentityUnionID, Namespace: l.OpenPlatform, Value: l.UnionID}
}
