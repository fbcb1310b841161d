// Package identity knows the people of a directory and how they are recognised: shadow users that federation creates,
// links from outside identities (WeChat OpenIDs and UnionIDs, phone numbers, usernames, e-mail addresses), binding,
// linking and merging. It speaks neither HTTP nor OAuth; what it yields is the user whose ID is the "sub" claim of OpenID
// Connect Core 1.0 §2 and whose profile is the claims of §5.1.
//
// # Links
//
// A user is found through links only, and a link is written before the user it names. A link may therefore name a user who
// is missing, and missing always means not yet: whoever notices writes the user, under that ID. A link whose user was
// deleted is free, and moves by compare-and-set. Everything is insert-if-absent or compare-and-set on one document; whoever
// loses reads again and decides again, so that racing logins end with one user and a crash after any write heals at the
// next login. An outcome that is unknown ([storage.ErrUnavailable]) is returned, never taken for a loss.
//
// # Linking
//
// The OpenID link and the UnionID link are separate. A UnionID seen for the first time is attached to the OpenID's user; a
// known one gives its user to a new OpenID. When the two name two users, the OpenID's user signs in and a merge candidate
// is recorded: nothing merges silently. A user who was merged into another stays as an alias that still resolves.
package identity
