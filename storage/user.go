package storage

import (
	"encoding/json"
	"strings"
	"time"
)

// UserStatus is what a user's record stands for.
type UserStatus string

const (
	// UserActive may sign in.
	UserActive UserStatus = "active"
	// UserDisabled may not, until an operator enables the user again.
	UserDisabled UserStatus = "disabled"
	// UserDeletionPending waits for its deletion and may not sign in, unless the deletion is canceled before DeletionDueAt.
	UserDeletionPending UserStatus = "deletion_pending"
	// UserDeleted is a tombstone without personal data: it stays while a link names it.
	UserDeleted UserStatus = "deleted"
	// UserAlias stands for the user AliasOf, into which this one was merged.
	UserAlias UserStatus = "alias"
)

// User is a person in a directory; a shadow user is one that federation created.
type User struct {
	Directory string `json:"directory"`
	// DirectoryIncarnation is that of the directory that the user was created in. See BelongsTo.
	DirectoryIncarnation string `json:"directory_incarnation,omitempty"`
	// ID is the "sub" claim: random, never derived from a WeChat id, never reused.
	ID     string     `json:"id"`
	Status UserStatus `json:"status"`
	// AliasOf is the ID of the user that this alias stands for: an older one, which may have become an alias since.
	AliasOf string `json:"alias_of,omitempty"`
	// Aliases are the users that were merged into this one, oldest merge first, at most 32.
	Aliases []string `json:"aliases,omitempty"`
	// FormerIDs are the IDs that became this one not long ago, oldest first, at most MaxFormerIDs.
	FormerIDs []FormerID `json:"former_ids,omitempty"`
	Shadow    bool       `json:"shadow,omitempty"`
	// Epoch grows by one with every operation that ends all grants and sessions of the user: disable, delete, merge, sign out
	// everywhere. A grant stores the epoch of its creation and is not valid under another one.
	Epoch int64 `json:"epoch"`
	// SessionsDueAt is set with every new Epoch: the sessions of an earlier one must be ended one by one, so that their clients
	// are notified. It is zero when that is done.
	SessionsDueAt time.Time `json:"sessions_due_at,omitzero"`
	// Events are those whose notifications of clients are not stored yet, at most MaxUserEvents. They are due with SessionsDueAt.
	Events []UserEvent `json:"events,omitempty"`
	// DeletionDueAt is when the user is to be deleted, since a request at DeletionRequestedAt. A disabled user can have it too. On a
	// tombstone, it is when the remaining records of the user are to be deleted; zero when none remain.
	DeletionDueAt       time.Time `json:"deletion_due_at,omitzero"`
	DeletionRequestedAt time.Time `json:"deletion_requested_at,omitzero"`
	// ClientEpochs does the same per client ("remove this app"), for consents too; at most 64. A client that is not named has
	// ClientEpochBase, which exceeds all that were ever named before they were folded into Epoch: see ClientEpoch.
	ClientEpochs    map[string]int64 `json:"client_epochs,omitempty"`
	ClientEpochBase int64            `json:"client_epoch_base,omitempty"`

	// Username is as the user wrote it; its Identity is folded.
	Username string `json:"username,omitempty"`
	// Password is an argon2id PHC string.
	Password          string    `json:"password,omitempty"`
	PasswordChangedAt time.Time `json:"password_changed_at,omitzero"`
	// PasswordFrom is when Password begins to work; zero is at once. A first password that a client's backend set is delayed
	// when the user has another channel, so that the user can object.
	PasswordFrom  time.Time `json:"password_from,omitzero"`
	Email         string    `json:"email,omitempty"`
	EmailVerified bool      `json:"email_verified,omitempty"`
	// Phone is E.164; only proofs set it, and PhoneVerifiedAt with it.
	Phone           string    `json:"phone,omitempty"`
	PhoneVerifiedAt time.Time `json:"phone_verified_at,omitzero"`
	// PhoneProvenAt is when the user proved Phone last by a code on a page of this issuer. Other proofs do not set it.
	PhoneProvenAt time.Time `json:"phone_proven_at,omitzero"`
	Profile       Profile   `json:"profile,omitzero"`

	// ClaimSources are where the values of claims came from, for those that a push event of WeChat may withdraw. See ClaimSource.
	ClaimSources map[string]ClaimSource `json:"claim_sources,omitempty"`

	// Groups and Attributes are set by operators and imports alone. A ClaimMapping of the directory returns them to clients.
	// Groups are sorted; together both are bounded, see package identity.
	Groups     []string            `json:"groups,omitempty"`
	Attributes map[string][]string `json:"attributes,omitempty"`
	// Assignments are the roles of an operator, at most MaxAssignments. They count in OperatorsDirectory alone.
	Assignments []Assignment `json:"assignments,omitempty"`
	// ExternalID is the user's ID in the system from which an import took the user. An identity links it to the user.
	ExternalID string `json:"external_id,omitempty"`
	// Imported is a digest of the values that the last import gave the user: the same import changes nothing.
	Imported string `json:"imported,omitempty"`
	// MergePlan is the ID of the audit entry of the merge that turned this user into an alias. On a user who is no alias, it is that
	// of a merge whose reversal is not completed.
	MergePlan string `json:"merge_plan,omitempty"`
	// SignIns are the last sign-ins that an earlier version stored here, newest first: a JSON list of SignIn. UserSignIns has those of
	// this version.
	SignIns json.RawMessage `json:"sign_ins,omitempty"`

	// Removed is the last way to sign in that the user or an operator removed. The write that sets it decides between concurrent
	// removals. Its record is deleted after that, and before the next removal at the latest.
	Removed *RemovedWay `json:"removed,omitempty"`
	// TermsAccepted are the versions of the directory's terms that the user accepted, oldest first, at most MaxTermsAcceptances.
	TermsAccepted []TermsAcceptance `json:"terms_accepted,omitempty"`
	// GuardianConsent names the proof of a guardian's consent in the operator's own record, such as a case number; empty without one.
	// GuardianConsentAt is when it was recorded.
	GuardianConsent   string    `json:"guardian_consent,omitempty"`
	GuardianConsentAt time.Time `json:"guardian_consent_at,omitzero"`

	CreatedAt time.Time `json:"created_at,omitzero"`
	UpdatedAt time.Time `json:"updated_at,omitzero"`
}

// FormerID is an ID of a user that was merged into another one.
type FormerID struct {
	ID string    `json:"id"`
	At time.Time `json:"at,omitzero"`
}

const (
	// MaxFormerIDs bounds User.FormerIDs.
	MaxFormerIDs = 8
	// formerIDShown is how long tokens name a former ID.
	formerIDShown = 30 * 24 * time.Hour
)

// IsShown reports whether tokens still name the ID.
func (f FormerID) IsShown(now time.Time) bool { return now.Before(f.At.Add(formerIDShown)) }

// RemovedWay names a passkey, an authenticator app or an identity that was removed.
type RemovedWay struct {
	Kind Kind   `json:"kind"`
	ID   string `json:"id"`
	// CreatedAt is that of the record, so that a later one with the same ID stays.
	CreatedAt time.Time `json:"created_at,omitzero"`
}

// BelongsTo reports whether the user was created in this directory, and not in a deleted one with the same ID. A user and its
// directory are two records, so a user can be created while its directory is deleted. Users of earlier versions name no
// incarnation; they belong to a directory that is not younger.
func (u User) BelongsTo(directory Directory) bool {
	if u.DirectoryIncarnation != "" || directory.Incarnation == "" {
		return u.DirectoryIncarnation == directory.Incarnation
	}
	return !u.CreatedAt.Before(directory.CreatedAt)
}

// ClientEpoch is the epoch of one client's grants and consents.
func (u User) ClientEpoch(client string) int64 {
	if epoch, named := u.ClientEpochs[client]; named {
		return epoch
	}
	return u.ClientEpochBase
}

// Profile holds the self-asserted standard claims (OpenID Connect Core §5.1). Every member is at most 256 characters, URLs 1024.
type Profile struct {
	Name       string   `json:"name,omitempty"`
	GivenName  string   `json:"given_name,omitempty"`
	FamilyName string   `json:"family_name,omitempty"`
	MiddleName string   `json:"middle_name,omitempty"`
	Nickname   string   `json:"nickname,omitempty"`
	Profile    string   `json:"profile,omitempty"`
	Picture    string   `json:"picture,omitempty"`
	Website    string   `json:"website,omitempty"`
	Gender     string   `json:"gender,omitempty"`
	Birthdate  string   `json:"birthdate,omitempty"`
	Zoneinfo   string   `json:"zoneinfo,omitempty"`
	Locale     string   `json:"locale,omitempty"`
	Address    *Address `json:"address,omitempty"`
}

// Address is the "address" claim (OpenID Connect Core §5.1.1).
type Address struct {
	Formatted     string `json:"formatted,omitempty"`
	StreetAddress string `json:"street_address,omitempty"`
	Locality      string `json:"locality,omitempty"`
	Region        string `json:"region,omitempty"`
	PostalCode    string `json:"postal_code,omitempty"`
	Country       string `json:"country,omitempty"`
}

// ClaimSource is where the value of a claim came from. A value of a shadow user without a source is of an earlier version; it
// counts as one of the mini-program.
type ClaimSource struct {
	// AppID is the mini-program; empty for a value from elsewhere.
	AppID string    `json:"app_id,omitempty"`
	At    time.Time `json:"at,omitzero"`
}

// Document implements Record.
func (u User) Document() Document {
	return Document{
		Kind: KindUser, ID: Key(u.Directory, u.ID), Owner: u.Directory, Name: u.foldedName(), CreatedAt: u.CreatedAt, DueAt: u.dueAt(),
	}
}

// dueAt is the earlier time of SessionsDueAt and DeletionDueAt. Each worker looks at its own.
func (u User) dueAt() time.Time {
	if u.SessionsDueAt.IsZero() || !u.DeletionDueAt.IsZero() && u.DeletionDueAt.Before(u.SessionsDueAt) {
		return u.DeletionDueAt
	}
	return u.SessionsDueAt
}

// foldedName is the name that the list of users is searched by. A username has its own exact search, so it comes last.
func (u User) foldedName() string {
	for _, name := range []string{u.Profile.Name, u.Profile.Nickname, u.Username} {
		if name != "" {
			return strings.ToLower(name)
		}
	}
	return ""
}

// UserNames is the one record that says that every user has its present search name. Earlier versions listed a user with a username
// by that username.
type UserNames struct {
	CreatedAt time.Time `json:"created_at,omitzero"`
}

// UserNamesID is the ID of the one UserNames.
const UserNamesID = "user_names"

// Document implements Record.
func (n UserNames) Document() Document {
	return Document{Kind: KindMeta, ID: UserNamesID, CreatedAt: n.CreatedAt}
}

// EarlierSignIns returns the decoded SignIns.
func (u User) EarlierSignIns() []SignIn {
	var list []SignIn
	if len(u.SignIns) == 0 || json.Unmarshal(u.SignIns, &list) != nil {
		return nil
	}
	return list
}
