package identity

import (
	"context"

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
	ActionMembership     = "user.groups"
	ActionImport         = "user.import"
	ActionAttach         = "user.attach"
	ActionDisable        = "user.disable"
	ActionEnable         = "user.enable"
	ActionDelete         = "user.delete"
	ActionSignOut        = "user.sign_out"
	ActionRemoveClient   = "user.remove_client"
	ActionPasskeyAdd     = "user.passkey_add"
	ActionPasskeyRemove  = "user.passkey_remove"
	ActionPasskeySuspect = "user.passkey_suspect"
	ActionTOTPAdd        = "user.totp_add"
	ActionTOTPRemove     = "user.totp_remove"
	ActionRecoveryCodes  = "user.recovery_codes"
	ActionRecoveryUse    = "user.recovery_use"
	ActionMerge          = "user.merge"
	ActionUnmerge        = "user.unmerge"
	ActionDismiss        = "merge_candidate.dismiss"
)

// record writes an audit entry before the action: an action that cannot be recorded does not happen. It is the only write of an
// action in addition to its compare-and-set.
func (s *Service) record(ctx context.Context, actor, action string, user storage.User, details map[string]string) error {
	if actor == System {
		return nil
	}
	if actor == "" {
		return invalid("actor", InvalidMissing)
	}
	id, err := s.newID()
	if err != nil {
		return err
	}
	_, err = storage.Insert(ctx, s.engine, storage.AuditEntry{
		Directory: user.Directory, ID: id, Actor: actor, Action: action, Target: userTarget(user.ID), Details: details,
		CreatedAt: s.now(),
	})
	return wrap("insert audit entry", err)
}

func userTarget(id string) string { return "user:" + id }
