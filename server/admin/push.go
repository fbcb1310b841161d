package admin

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"

	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat"
)

// PushKeys are the two secrets of WeChat's message push, as the operator entered them in WeChat's console. Both are set, or none.
type PushKeys struct {
	// Token is the key of the signatures: 3 to 32 letters and digits.
	Token string
	// EncodingAESKey is the key of the encryption: 43 letters and digits.
	EncodingAESKey string
}

// PushPath is the push URL of a client below its issuer.
func PushPath(client string) string { return "/federation/wechat/events/" + client }

// ReceivesPush reports whether a client has the keys of a message push.
func ReceivesPush(client storage.Client) bool {
	return client.Federation != nil && client.Federation.PushToken != ""
}

// SetPushKeys replaces the keys of a client's message push; empty ones remove them. It takes effect without a restart.
func (s *Service) SetPushKeys(ctx context.Context, directory, id string, push PushKeys) error {
	if err := s.Allowed(directory, ActClientPushKeys); err != nil {
		return err
	}
	_, err := s.changeClient(ctx, directory, id, "", ActClientPushKeys, func(client *storage.Client) error {
		if client.Federation == nil {
			return fmt.Errorf("%w: a %s client receives no events of WeChat", ErrRefused, client.Kind)
		}
		var p problems
		p.checkPushKeys(push, client.Federation.AppID)
		if p.err() != nil {
			return p.err()
		}
		federation := *client.Federation
		client.Federation = &federation
		return s.sealPushKeys(client, push)
	})
	return err
}

// sealPushKeys stores the keys of a message push in a client.
func (s *Service) sealPushKeys(client *storage.Client, push PushKeys) (err error) {
	client.Federation.PushToken, client.Federation.EncodingAESKey = "", ""
	if push == (PushKeys{}) {
		return nil
	}
	if client.Federation.PushToken, err = s.config.Master.Seal([]byte(push.Token), keys.PushTokenBinding(client.Directory, client.ID)); err != nil {
		return err
	}
	client.Federation.EncodingAESKey, err = s.config.Master.Seal([]byte(push.EncodingAESKey), keys.EncodingAESKeyBinding(client.Directory, client.ID))
	return err
}

// HasPushKeys reports whether a client has these keys of a message push.
func (s *Service) HasPushKeys(client storage.Client, push PushKeys) (bool, error) {
	if err := s.Allowed(client.Directory, ActClientPushKeys); err != nil {
		return false, err
	}
	if !ReceivesPush(client) {
		return push == (PushKeys{}), nil
	}
	stored, err := s.openPushKeys(client)
	if err != nil {
		return false, err
	}
	token := subtle.ConstantTimeCompare([]byte(stored.Token), []byte(push.Token))
	return token&subtle.ConstantTimeCompare([]byte(stored.EncodingAESKey), []byte(push.EncodingAESKey)) == 1, nil
}

func (s *Service) openPushKeys(client storage.Client) (PushKeys, error) {
	token, err := s.config.Master.Open(client.Federation.PushToken, keys.PushTokenBinding(client.Directory, client.ID))
	if err != nil {
		return PushKeys{}, err
	}
	key, err := s.config.Master.Open(client.Federation.EncodingAESKey, keys.EncodingAESKeyBinding(client.Directory, client.ID))
	return PushKeys{string(token), string(key)}, err
}

// checkPushKeys catches a slip of the clipboard, by WeChat's own rules.
func (p *problems) checkPushKeys(push PushKeys, appID string) {
	if push == (PushKeys{}) {
		return
	}
	if len(push.Token) < 3 || len(push.Token) > 32 || !isAlphanumeric(push.Token) {
		p.add("push_token", "must be 3 to 32 letters and digits, the same as in WeChat's console")
	}
	_, err := wechat.NewPushReceiver(wechat.PushKey{AppID: wechat.AppID(appID), Token: "checked", EncodingAESKey: push.EncodingAESKey}, nil)
	if err != nil || !isAlphanumeric(push.EncodingAESKey) {
		p.check("encoding_aes_key", errors.New("must be the 43 letters and digits of EncodingAESKey (消息加密密钥) in WeChat's console"))
	}
}

func isAlphanumeric(text string) bool {
	return strings.Trim(text, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}
