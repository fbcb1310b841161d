package pushevent

import (
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat"
)

// Events are the events that are stored and applied. Others get the response "success" and have no effect.
func Events() []string {
	return []string{wechat.EventUserInfoModified, wechat.EventUserRevoked, wechat.EventUserDeregistered}
}

// withdrawal returns what an event withdraws; clients are those of its app. An unknown number of WeChat withdraws everything, and so do those of websites (3xx)
// and official accounts (2xx).
func withdrawal(event storage.PushEvent, clients []string) identity.Withdrawal {
	if event.Name == wechat.EventUserInfoModified {
		return identity.Withdrawal{Claims: []string{identity.ClaimNickname, identity.ClaimName, identity.ClaimPicture}}
	}
	switch event.Revoked {
	case wechat.RevokeNicknameAvatar:
		return identity.Withdrawal{Claims: []string{identity.ClaimNickname, identity.ClaimName, identity.ClaimPicture, identity.ClaimGender}}
	case wechat.RevokeNicknameKeyboard:
		return identity.Withdrawal{Claims: []string{identity.ClaimNickname, identity.ClaimName}}
	case wechat.RevokeAvatarComponent:
		return identity.Withdrawal{Claims: []string{identity.ClaimPicture}}
	case wechat.RevokePhone:
		return identity.Withdrawal{Claims: []string{identity.ClaimPhone}, Clients: clients}
	case wechat.RevokePlate, wechat.RevokeAddress, wechat.RevokeInvoice, wechat.RevokeBluetooth, wechat.RevokeMicrophone, wechat.RevokeCamera,
		wechat.RevokeSteps, wechat.RevokeLocation, wechat.RevokePickedMedia, wechat.RevokePickedFile, wechat.RevokeEmail, wechat.RevokeChosenPlace:
		return identity.Withdrawal{Claims: []string{}} // minifed gets none of it from WeChat.
	default:
		return identity.Withdrawal{Clients: clients}
	}
}
