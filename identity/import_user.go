package identity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/minifed/minifed/storage"
)

const (
	maxSub         = 128
	maxImportLinks = 16
	// wechatIDLength is the usual length of an OpenID or UnionID, which begins with "o".
	wechatIDLength = 28
)

// Import is a user of another system. Every member may be empty, but one of those that identify the user is needed.
type Import struct {
	// Sub becomes the user's ID, the claim "sub"; empty for a random one.
	Sub string
	// ExternalID is the ID in the other system. It identifies the user in a later import, and can become a claim.
	ExternalID string
	Username   string
	// Email and Phone (E.164) count as verified.
	Email, Phone string
	// PhoneVerifiedAt is when the number was verified; zero is CreatedAt, and without that the time of the import.
	PhoneVerifiedAt time.Time
	Profile         storage.Profile
	// Password is a stored form: see ParseImportedPassword.
	Password string
	Membership
	// WeChat are the WeChat identities of the user.
	WeChat   []WeChatIdentity
	Disabled bool
	// CreatedAt is when the user was created in the other system; zero is the time of the import. The user's record has the time
	// of the import: a user who is older than the directory is one of a deleted directory.
	CreatedAt time.Time
}

// WeChatIdentity is (AppID, OpenID) or (Open Platform account, UnionID).
type WeChatIdentity struct {
	AppID        string `json:"app_id,omitempty"`
	OpenID       string `json:"openid,omitempty"`
	OpenPlatform string `json:"open_platform,omitempty"`
	UnionID      string `json:"unionid,omitempty"`
}

// id is the OpenID or UnionID.
func (w WeChatIdentity) id() string { return w.OpenID + w.UnionID }

func (w WeChatIdentity) valid() bool {
	open, union := w.AppID != "" && w.OpenID != "", w.OpenPlatform != "" && w.UnionID != ""
	return open != union && w.AppID+w.OpenID == "" == union && w.OpenPlatform+w.UnionID == "" == open &&
		max(len(w.AppID), len(w.OpenID), len(w.OpenPlatform), len(w.UnionID)) <= maxExternalID
}

// Canonical returns the import with every value in the stored form, or an *InvalidError.
func (i Import) Canonical() (Import, error) {
	for _, canonical := range []func(*Import) error{canonicalIDs, canonicalNames, canonicalProfile} {
		if err := canonical(&i); err != nil {
			return Import{}, err
		}
	}
	return i, nil
}

func canonicalIDs(i *Import) error {
	if i.Sub != "" && !validSub(i.Sub) {
		return invalid("sub", InvalidSub)
	}
	if looksLikeWeChat(i.Sub) {
		return invalid("sub", InvalidSubOfWeChat)
	}
	if len(i.WeChat) > maxImportLinks {
		return invalid("wechat", InvalidImportLinks)
	}
	for _, link := range i.WeChat {
		if !link.valid() {
			return invalid("wechat", InvalidNoOpenID)
		}
		if i.Sub != "" && strings.Contains(i.Sub, link.id()) {
			return invalid("sub", InvalidSubOfWeChat)
		}
	}
	external, reason := text(i.ExternalID)
	if reason != 0 || len(external) > maxExternalID {
		return invalid("external_id", InvalidExternalID)
	}
	i.ExternalID = external
	return nil
}

// validSub reports whether an ID can be selected, typed, and passed to a command (RFC 3986 §2.3).
func validSub(sub string) bool {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	return len(sub) <= maxSub && strings.Trim(sub, letters+"._~-") == "" && strings.ContainsRune(letters, rune(sub[0]))
}

// looksLikeWeChat reports whether an ID has the form of an OpenID or UnionID.
func looksLikeWeChat(id string) bool {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
	return (len(id) == wechatIDLength || len(id) == wechatIDLength+1) && id[0] == 'o' && strings.Trim(id, letters) == ""
}

func canonicalNames(i *Import) error {
	if i.Username != "" {
		name, err := ParseUsername(i.Username)
		if err != nil {
			return err
		}
		i.Username = name.Display
	}
	var err error
	if i.Email != "" {
		if i.Email, err = ParseEmail(i.Email); err != nil {
			return err
		}
	}
	if i.Phone != "" {
		if i.Phone, err = ParsePhone(i.Phone); err != nil {
			return err
		}
	}
	if i.Sub+i.ExternalID+i.Username+i.Email+i.Phone == "" && len(i.WeChat) == 0 {
		return invalid("row", InvalidImportKeys)
	}
	if i.Password != "" && !storedPassword(i.Password) {
		return invalid("password_hash", InvalidPasswordHash)
	}
	return nil
}

func canonicalProfile(i *Import) (err error) {
	if i.Profile, err = CanonicalProfile(i.Profile); err != nil {
		return err
	}
	i.CreatedAt, i.PhoneVerifiedAt = storage.Instant(i.CreatedAt), storage.Instant(i.PhoneVerifiedAt)
	i.Membership, err = i.Membership.Canonical()
	return err
}

// Keys returns digests of the values that at most one user of a directory has, with the names of their members.
func (i Import) Keys() map[string]string {
	keys := map[string]string{}
	if i.Sub != "" {
		keys[storage.Digest("sub", i.Sub)] = "sub"
	}
	for _, key := range i.links("") {
		keys[storage.IdentityKey("", key.link.Type, key.link.Namespace, key.link.Value)] = key.member
	}
	return keys
}

// importLink is a link of an imported user.
type importLink struct {
	link   storage.Identity
	member string
	// strong links identify the user; another user who has a weak one is a conflict.
	strong bool
}

// links returns the links of the user in the order in which they are written: those of WeChat first, as at a first login.
func (i Import) links(directory string) []importLink {
	var links []importLink
	add := func(member string, strong bool, typ storage.IdentityType, namespace, value string) {
		if value != "" {
			links = append(links, importLink{storage.Identity{Directory: directory, Type: typ, Namespace: namespace, Value: value}, member, strong})
		}
	}
	for _, w := range i.WeChat {
		add("wechat", true, storage.IdentityUnionID, w.OpenPlatform, w.UnionID)
	}
	for _, w := range i.WeChat {
		add("wechat", true, storage.IdentityOpenID, w.AppID, w.OpenID)
	}
	add("external_id", true, storage.IdentityExternal, "", i.ExternalID)
	add("username", false, storage.IdentityUsername, "", foldUsername(i.Username))
	add("email", false, storage.IdentityEmail, "", i.Email)
	add("phone_number", false, storage.IdentityPhone, "", i.Phone)
	return links
}

// digest identifies what an import gives a user.
func (i Import) digest() (string, error) {
	body, err := json.Marshal(i) //nolint:gosec // Only a digest leaves this function.
	if err != nil {
		return "", fmt.Errorf("identity: encode an import: %w", err)
	}
	return storage.Digest(string(body)), nil
}

// Imported is what an import did with a user.
type Imported int

// The results of ImportUser.
const (
	// ImportCreated created the user.
	ImportCreated Imported = iota + 1
	// ImportCompleted gave a user who existed the values that the user lacked.
	ImportCompleted
	// ImportUpdated replaced values of a user from an earlier import.
	ImportUpdated
	// ImportUnchanged found the user as this import leaves it.
	ImportUnchanged
	// ImportDiffers found a user from an earlier import with other values, and changed nothing.
	ImportDiffers
)

// ImportConflict means that a user cannot be imported because of users that exist. It contains no value.
type ImportConflict struct {
	// Member is the member in conflict, such as "email".
	Member string
	// Problem continues the member's name: "belongs to another user".
	Problem string
}

// Error implements error.
func (c *ImportConflict) Error() string { return "identity: " + c.Member + " " + c.Problem }

// ImportOptions are how ImportUser acts.
type ImportOptions struct {
	// DryRun decides and writes nothing.
	DryRun bool
	// Update replaces values of users from an earlier import with other values.
	Update bool
	// Actor is who imports. A change of a user who exists has an audit entry.
	Actor string
}

// ImportUser creates the user of an import, or completes the user who has its sub, external ID or a WeChat identity. The same
// import changes nothing. It returns *ImportConflict, and changes nothing, if the values lead to several users, or if another
// user has the username, e-mail address or phone number. The import must be canonical.
//
// The links are written first and the user last, as at a first login. After a crash the same import completes the user.
func (s *Service) ImportUser(ctx context.Context, directory string, i Import, options ImportOptions) (Imported, error) {
	digest, err := i.digest()
	if err != nil {
		return 0, err
	}
	return retry(ctx, func(ctx context.Context) (Imported, error) {
		found, err := s.findImport(ctx, directory, i, digest)
		switch {
		case err != nil:
			return 0, err
		case found.user == nil && options.DryRun:
			return ImportCreated, nil
		case found.user == nil:
			return ImportCreated, s.createImport(ctx, directory, i, digest, found)
		case found.user.Record.Imported == digest:
			return ImportUnchanged, nil
		case found.user.Record.Imported != "" && !options.Update:
			return ImportDiffers, nil
		default:
			return s.completeImport(ctx, i, digest, found, options)
		}
	})
}

// foundImport is the user of an import, as the store has it.
type foundImport struct {
	// id is the ID of the user, or of one that an interrupted import began to write; empty for a new user.
	id   string
	user *storage.Entry[storage.User]
	at   []linkedUser
}

// findImport reads the links and the user of an import.
func (s *Service) findImport(ctx context.Context, directory string, i Import, digest string) (foundImport, error) {
	found := foundImport{id: i.Sub}
	if i.Sub != "" {
		path, user, err := s.follow(ctx, directory, i.Sub)
		if err != nil {
			return foundImport{}, err
		}
		if user != nil && user.Record.Status == storage.UserDeleted {
			return foundImport{}, &ImportConflict{"sub", "belonged to a deleted user, and is never used again"}
		}
		found.id, found.user = path[len(path)-1], user
	}
	strong := found.user != nil
	for n, key := range i.links(directory) {
		at, err := s.attributeLink(ctx, key.link)
		if err != nil {
			return foundImport{}, err
		}
		found.at = append(found.at, at)
		if at.free() {
			continue
		}
		switch {
		case found.id != "" && found.id != at.id:
			return foundImport{}, &ImportConflict{key.member, "belongs to another user"}
		case at.user == nil && n > 0 && found.id != at.id:
			return foundImport{}, &ImportConflict{key.member, "belongs to a user who is being created"}
		}
		found.id, found.user = at.id, at.user
		strong = strong || key.strong
	}
	if found.user != nil && i.ExternalID != "" && found.user.Record.ExternalID != "" && i.ExternalID != found.user.Record.ExternalID {
		return foundImport{}, &ImportConflict{"external_id", "differs from that of the user"}
	}
	if found.user != nil && !strong && found.user.Record.Imported != digest {
		return foundImport{}, &ImportConflict{i.weakMember(), "belongs to another user; give the row the sub or external_id of the user, if it is the same"}
	}
	return found, nil
}

func (i Import) weakMember() string {
	switch {
	case i.Username != "":
		return "username"
	case i.Email != "":
		return "email"
	default:
		return "phone_number"
	}
}

// createImport writes the links and the user of an import.
func (s *Service) createImport(ctx context.Context, directory string, i Import, digest string, found foundImport) error {
	password, err := s.hasher.wrapPassword(ctx, i.Password)
	if err != nil {
		return err
	}
	if found.id == "" {
		if found.id, err = s.newID(); err != nil {
			return err
		}
	}
	for _, at := range found.at {
		if at.free() {
			if err := s.claim(ctx, at, found.id, ""); err != nil {
				return err
			}
		}
	}
	incarnation, err := s.incarnation(ctx, directory)
	if err != nil {
		return err
	}
	now := s.now()
	user := storage.User{
		Directory: directory, DirectoryIncarnation: incarnation, ID: found.id, Status: storage.UserActive, Username: i.Username, Password: password,
		Email: i.Email, EmailVerified: i.Email != "", Phone: i.Phone, Profile: i.Profile, Groups: i.Groups, Attributes: i.Attributes,
		ExternalID: i.ExternalID, Imported: digest, CreatedAt: now, UpdatedAt: now,
	}
	s.setGuardianConsent(&user, i.GuardianConsent)
	if i.Disabled {
		user.Status = storage.UserDisabled
	}
	if password != "" {
		user.PasswordChangedAt = firstTime(i.CreatedAt, now)
	}
	if i.Phone != "" {
		user.PhoneVerifiedAt = firstTime(i.PhoneVerifiedAt, i.CreatedAt, now)
	}
	_, err = storage.Insert(ctx, s.engine, user)
	return wrap("insert user", err)
}

// firstTime returns the first time that is set.
func firstTime(times ...time.Time) time.Time {
	for _, t := range times {
		if !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}

// completeImport gives a user who exists the values of an import: those that the user lacks, or all in an update. A password is
// never replaced. The digest is written last, so that an interrupted import goes on.
func (s *Service) completeImport(ctx context.Context, i Import, digest string, found foundImport, options ImportOptions) (Imported, error) {
	user := found.user.Record
	result, replaces := ImportCompleted, user.Imported != ""
	if replaces {
		result = ImportUpdated
	}
	if options.DryRun {
		return result, nil
	}
	for n, key := range i.links(user.Directory) {
		if at := found.at[n]; at.free() && (key.strong || lacks(user, key.link.Type)) {
			if err := s.claim(ctx, at, user.ID, ""); err != nil {
				return 0, err
			}
		}
	}
	password, err := s.hasher.wrapPassword(ctx, i.Password)
	if err != nil {
		return 0, err
	}
	if replaces {
		if err := s.replaceNames(ctx, user, i, options.Actor); err != nil {
			return 0, err
		}
	}
	_, err = s.change(ctx, user.Directory, user.ID, options.Actor, ActionImport, func(user *storage.User) (bool, error) {
		i.give(user, password, replaces)
		if i.GuardianConsent != "" && (replaces || user.GuardianConsent == "") {
			s.setGuardianConsent(user, i.GuardianConsent)
		}
		user.Imported = digest
		return true, nil
	})
	return result, err
}

// lacks reports whether a user has no value of a type.
func lacks(user storage.User, typ storage.IdentityType) bool {
	switch typ {
	case storage.IdentityUsername:
		return user.Username == ""
	case storage.IdentityEmail:
		return user.Email == ""
	default:
		return user.Phone == ""
	}
}

// replaceNames replaces the username, the e-mail address and the phone number of a user.
func (s *Service) replaceNames(ctx context.Context, user storage.User, i Import, actor string) (err error) {
	if i.Username != "" && i.Username != user.Username {
		_, err = s.SetUsername(ctx, user.Directory, user.ID, i.Username, actor)
	}
	if err == nil && i.Email != "" && i.Email != user.Email {
		_, err = s.SetEmail(ctx, user.Directory, user.ID, i.Email, actor)
	}
	if err == nil && i.Phone != "" && i.Phone != user.Phone {
		_, err = s.SetPhone(ctx, user.Directory, user.ID, i.Phone, actor)
	}
	if errors.Is(err, ErrTaken) {
		return &ImportConflict{i.weakMember(), "belongs to another user"}
	}
	return err
}

// give sets the values of an import: those that the user lacks, or in place of others.
func (i Import) give(user *storage.User, password string, replaces bool) {
	if user.Username == "" {
		user.Username = i.Username
	}
	if user.Email == "" {
		user.Email, user.EmailVerified = i.Email, i.Email != ""
	}
	if user.Phone == "" && i.Phone != "" {
		user.Phone, user.PhoneVerifiedAt = i.Phone, firstTime(i.PhoneVerifiedAt, i.CreatedAt, user.CreatedAt)
	}
	if user.ExternalID == "" {
		user.ExternalID = i.ExternalID
	}
	if user.Password == "" && password != "" {
		user.Password, user.PasswordChangedAt = password, user.CreatedAt
	}
	if replaces || len(user.Groups) == 0 {
		user.Groups = i.Groups
	}
	if replaces || len(user.Attributes) == 0 {
		user.Attributes = i.Attributes
	}
	given, own := i.Profile, user.Profile
	if replaces {
		given, own = own, given
	}
	user.Profile = fillProfile(own, given)
	user.Shadow = user.Shadow && user.Username == "" && user.Password == ""
}

// fillProfile returns a profile with the members of another one where it has none.
func fillProfile(profile, other storage.Profile) storage.Profile {
	from := profileRules(&other)
	for n, rule := range profileRules(&profile)[:profileMembers] {
		if *rule.value == "" {
			*rule.value = *from[n].value
		}
	}
	if profile.Address == nil {
		profile.Address = other.Address
	}
	return profile
}
