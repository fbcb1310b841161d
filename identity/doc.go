// Package identity manages the users of a directory and the links by which they are found: shadow users that federation creates,
// links from external identities (WeChat OpenIDs and UnionIDs, phone numbers, usernames, e-mail addresses), binding, linking and
// merging. It does not depend on HTTP or OAuth. The ID of a user is the "sub" claim of OpenID Connect Core 1.0 §2, and the
// profile contains the claims of §5.1.
//
// # Links
//
// A user is found through links only, and a link is written before its user. A link can name a user who is not stored yet: the
// next operation that finds the link stores the user under that ID. The link of a deleted user is free, and is reassigned by
// compare-and-set. Each write is insert-if-absent or compare-and-set on one document. After a lost write, the operation reads and
// decides again. So concurrent logins create one user, and the next login completes what a crash left incomplete. An unknown
// outcome ([storage.ErrUnavailable]) is returned to the caller and never treated as a lost write.
//
// # Linking
//
// The OpenID link and the UnionID link are separate. A new UnionID is attached to the OpenID's user. A new OpenID gets the user
// of a known UnionID. If the two name different users, the OpenID's user signs in and a merge candidate is recorded: accounts are
// not merged, unless the directory's policy takes the UnionID as proof: storage.Policy.MergeByUnionID. A merged user remains as an
// alias, which still resolves.
package identity
