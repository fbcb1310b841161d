package identity

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/minifed/minifed/storage"
)

// System is the actor of automatic actions. They have no audit entry.
const System = "system"

// Operator is the actor name of an operator.
func Operator(name string) string { return "operator:" + name }

// Self is the actor name of a user who acts on the user's own account.
func Self(user string) string { return "user:" + user }

// The actions of audit entries.
const (
	ActionCreate         = "user.create"
	ActionProfile        = "user.profile"
	ActionUsername       = "user.username"
	ActionEmail          = "user.email"
	ActionPhone          = "user.phone"
	ActionPassword       = "user.password"
	ActionPasswordRemove = "user.password_remove"
	ActionMembership     = "user.groups"
	ActionImport         = "user.import"
	ActionAttach         = "user.attach"
	ActionDisable        = "user.disable"
	ActionEnable         = "user.enable"
	ActionDelete         = "user.delete"
	ActionDeleteRequest  = "user.delete_request"
	ActionDeleteCancel   = "user.delete_cancel"
	ActionTerms          = "user.terms"
	ActionGuardian       = "user.guardian"
	ActionSignOut        = "user.sign_out"
	ActionRemoveClient   = "user.remove_client"
	ActionPasskeyAdd     = "user.passkey_add"
	ActionPasskeyRemove  = "user.passkey_remove"
	ActionPasskeySuspect = "user.passkey_suspect"
	ActionTOTPAdd        = "user.totp_add"
	ActionTOTPRemove     = "user.totp_remove"
	ActionTOTPLost       = "user.totp_lost"
	ActionTOTPFound      = "user.totp_found"
	ActionRecoveryCodes  = "user.recovery_codes"
	ActionRecoveryUse    = "user.recovery_use"
	ActionIdentityRemove = "user.identity_remove"
	ActionNotMe          = "user.not_me"
	ActionExport         = "user.export"
	ActionWithdraw       = "user.withdraw"
	ActionDetach         = "user.detach"
	ActionMerge          = "user.merge"
	ActionUnmerge        = "user.unmerge"
	ActionDismiss        = "merge_candidate.dismiss"
)

// Recorder writes audit entries; an *audit.Trail.
type Recorder interface {
	// Record writes an entry before its act, and returns it with its ID.
	Record(ctx context.Context, entry storage.AuditEntry) (storage.AuditEntry, error)
	// Fail records that the act of an entry did not happen.
	Fail(ctx context.Context, entry storage.AuditEntry)
	// RecordLink records within a second that a login linked an identity of this type to a user. It does not wait for the store.
	RecordLink(ctx context.Context, directory, user, identity string)
}

// recording is the audit entry of one operation. It is written once, before the first write: an action that cannot be recorded does
// not happen.
type recording struct {
	*Service
	actor, action string
	// details are those of the entry, unless write gets others.
	details map[string]string
	written *storage.AuditEntry
}

func (s *Service) recording(actor, action string) *recording {
	return &recording{Service: s, actor: actor, action: action}
}

// write writes the entry unless it is written. next is the user as it will be; it is nil if details describe the action.
func (r *recording) write(ctx context.Context, user storage.User, next *storage.User, details map[string]string) error {
	if r.actor == System || r.written != nil {
		return nil
	}
	if r.actor == "" {
		return invalid("actor", InvalidMissing)
	}
	if details == nil {
		details = r.details
	}
	entry := storage.AuditEntry{Directory: user.Directory, Actor: r.actor, Action: r.action, Target: userTarget(user.ID), Details: details}
	if next != nil {
		entry.Before, entry.After = changedMembers(user, *next)
	}
	written, err := r.audit.Record(ctx, entry)
	if err != nil {
		return wrap("record the action", err)
	}
	r.written = &written
	return nil
}

// record writes the entry of an action that consists of one write: its failure needs no entry of its own.
func (s *Service) record(ctx context.Context, actor, action string, user storage.User, details map[string]string) error {
	return s.recording(actor, action).write(ctx, user, nil, details)
}

// end records that the operation failed, unless it may have happened. It returns err.
func (r *recording) end(ctx context.Context, err error) error {
	if err != nil && r.written != nil && !errors.Is(err, storage.ErrUnavailable) {
		r.audit.Fail(ctx, *r.written)
	}
	return err
}

func userTarget(id string) string { return "user:" + id }

// changedMembers returns the members of a user that an action changes. Personal data is masked, and secrets are only "set".
func changedMembers(before, after storage.User) (old, now map[string]string) {
	old, now = map[string]string{}, map[string]string{}
	was, is := shownMembers(before), shownMembers(after)
	for i, member := range was {
		if member.value != is[i].value {
			old[member.name], now[member.name] = member.shown, is[i].shown
		}
	}
	return old, now
}

// shownMember is a member of a user with its value, and with the text that the audit shows for it.
type shownMember struct{ name, value, shown string }

func shownMembers(user storage.User) []shownMember {
	groups := strings.Join(user.Groups, " ")
	attributes := strings.Join(slices.Sorted(maps.Keys(user.Attributes)), " ")
	members := []shownMember{
		{"status", string(user.Status), string(user.Status)},
		{"username", user.Username, MaskName(user.Username)},
		{"email", user.Email, MaskName(user.Email)},
		{"email_verified", strconv.FormatBool(user.EmailVerified), strconv.FormatBool(user.EmailVerified)},
		{"phone", user.Phone, MaskPhone(user.Phone)},
		{"password", user.Password, presence(user.Password)},
		{"external_id", user.ExternalID, presence(user.ExternalID)},
		{"groups", groups, groups},
		{"guardian_consent", user.GuardianConsent, presence(user.GuardianConsent)},
		{"attributes", fmt.Sprint(user.Attributes), attributes},
		{"epoch", strconv.FormatInt(user.Epoch, 10), strconv.FormatInt(user.Epoch, 10)},
	}
	for _, rule := range profileRules(&user.Profile)[:profileMembers] {
		members = append(members, shownMember{rule.member, *rule.value, presence(*rule.value)})
	}
	return members
}

// presence returns "set" for a value that the audit does not show.
func presence(value string) string {
	if value == "" {
		return ""
	}
	return "set"
}

// MaskPhone returns a phone number without all but its last four digits.
func MaskPhone(number string) string {
	const shown = 4
	if len(number) <= shown {
		return presence(number)
	}
	return "…" + number[len(number)-shown:]
}

// MaskName returns the first character of a username, or of the local part of an e-mail address with the domain. It hides a username
// that could be a phone number. The audit outlives a deleted user; its target identifies a user who still exists.
func MaskName(name string) string {
	local, domain, mail := strings.Cut(name, "@")
	if len(name) > 6 && strings.Trim(name, "+-() 0123456789") == "" {
		return MaskPhone(name)
	}
	if name == "" {
		return ""
	}
	_, size := utf8.DecodeRuneInString(local)
	if mail {
		return local[:size] + "…@" + domain
	}
	return local[:size] + "…"
}
