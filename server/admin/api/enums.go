package api

import (
	"reflect"

	"github.com/minifed/minifed/audit"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat"
)

// enums are the values of the types that have few.
func enums() map[reflect.Type][]string {
	return map[reflect.Type][]string{
		reflect.TypeFor[storage.ClientKind]():     texts(admin.ClientKinds()),
		reflect.TypeFor[storage.ConnectionKind](): texts(admin.ConnectionKinds()),
		reflect.TypeFor[storage.TokenFormat]():    texts([]storage.TokenFormat{storage.TokenATJWT, storage.TokenJWT, storage.TokenOpaque}),
		reflect.TypeFor[storage.AskedBy]():        texts([]storage.AskedBy{storage.AskedByListed, storage.AskedByRegistered, storage.AskedByAny}),
		reflect.TypeFor[storage.Provisioning]():   {string(storage.ProvisionAuto), string(storage.ProvisionBind)},
		reflect.TypeFor[storage.TwoFactor]():      texts([]storage.TwoFactor{storage.TwoFactorOff, storage.TwoFactorOptional, storage.TwoFactorRequired}),
		reflect.TypeFor[storage.UserStatus]():     texts([]storage.UserStatus{storage.UserActive, storage.UserDisabled, storage.UserDeletionPending, storage.UserDeleted, storage.UserAlias}),
		reflect.TypeFor[storage.IdentityType](): texts([]storage.IdentityType{
			storage.IdentityOpenID, storage.IdentityUnionID, storage.IdentityPhone, storage.IdentityUsername, storage.IdentityEmail, storage.IdentityExternal,
		}),
		reflect.TypeFor[audit.ProblemKind](): texts([]audit.ProblemKind{
			audit.ProblemChanged, audit.ProblemGap, audit.ProblemReordered, audit.ProblemMissingChain, audit.ProblemUnlisted, audit.ProblemCutTail,
			audit.ProblemUnchained, audit.ProblemUnknownKey,
		}),
		reflect.TypeFor[keys.State]():     texts(keyStates()),
		reflect.TypeFor[wechat.Setting](): texts([]wechat.Setting{wechat.AppIDSetting, wechat.AppSecretSetting, wechat.IPListSetting, wechat.OtherSetting}),
	}
}

func texts[T ~string](values []T) []string {
	all := make([]string, len(values))
	for i, value := range values {
		all[i] = string(value)
	}
	return all
}
