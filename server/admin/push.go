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

// PushPath is the push URL of a client or connection below its issuer. id is the ID of the client or the AppID of the connection.
func PushPath(id string) string { return "/federation/wechat/events/" + id }

// ReceivesPush reports whether a client has the keys of a message push.
func ReceivesPush(client storage.Client) bool {
	return client.Federation != nil && client.Federation.PushToken != ""
}

// ConnectionReceivesPush reports whether a connection has the keys of a message push.
func ConnectionReceivesPush(connection storage.Connection) bool { return connection.PushToken != "" }

// pushSecrets are the sealed keys in a record.
type pushSecrets struct {
	token, key               *string
	tokenBinding, keyBinding keys.Binding
}

func clientPush(client *storage.Client) pushSecrets {
	return pushSecrets{
		&client.Federation.PushToken, &client.Federation.EncodingAESKey,
		keys.PushTokenBinding(client.Directory, client.ID), keys.EncodingAESKeyBinding(client.Directory, client.ID),
	}
}

func connectionPush(connection *storage.Connection) pushSecrets {
	return pushSecrets{
		&connection.PushToken, &connection.EncodingAESKey,
		keys.ConnectionPushTokenBinding(connection.Directory, connection.AppID), keys.ConnectionEncodingAESKeyBinding(connection.Directory, connection.AppID),
	}
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
		return s.sealPushKeys(clientPush(client), push)
	})
	return err
}

// SetConnectionPushKeys replaces the keys of a connection's message push; empty ones remove them. It takes effect without a restart.
func (s *Service) SetConnectionPushKeys(ctx context.Context, directory, appID string, push PushKeys) error {
	if err := s.Allowed(directory, ActConnectionPushKeys); err != nil {
		return err
	}
	_, err := s.changeConnection(ctx, directory, appID, "", ActConnectionPushKeys, func(connection *storage.Connection) error {
		var p problems
		p.checkPushKeys(push, appID)
		if p.err() != nil {
			return p.err()
		}
		return s.sealPushKeys(connectionPush(connection), push)
	})
	return err
}

// sealPushKeys stores the keys of a message push in a record.
func (s *Service) sealPushKeys(in pushSecrets, push PushKeys) (err error) {
	*in.token, *in.key = "", ""
	if push == (PushKeys{}) {
		return nil
	}
	if *in.token, err = s.config.Master.Seal([]byte(push.Token), in.tokenBinding); err != nil {
		return err
	}
	*in.key, err = s.config.Master.Seal([]byte(push.EncodingAESKey), in.keyBinding)
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
	return s.arePushKeys(clientPush(&client), push)
}

// HasConnectionPushKeys reports whether a connection has these keys of a message push.
func (s *Service) HasConnectionPushKeys(connection storage.Connection, push PushKeys) (bool, error) {
	if err := s.Allowed(connection.Directory, ActConnectionPushKeys); err != nil {
		return false, err
	}
	if !ConnectionReceivesPush(connection) {
		return push == (PushKeys{}), nil
	}
	return s.arePushKeys(connectionPush(&connection), push)
}

// arePushKeys compares the stored keys in constant time.
func (s *Service) arePushKeys(in pushSecrets, push PushKeys) (bool, error) {
	token, err := s.config.Master.Open(*in.token, in.tokenBinding)
	if err != nil {
		return false, err
	}
	key, err := s.config.Master.Open(*in.key, in.keyBinding)
	if err != nil {
		return false, err
	}
	same := subtle.ConstantTimeCompare(token, []byte(push.Token)) & subtle.ConstantTimeCompare(key, []byte(push.EncodingAESKey))
	return same == 1, nil
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
