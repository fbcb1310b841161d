package admin

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"

	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat"
)

// MaxConnections bounds the connections of a directory.
const MaxConnections = 32

// ConnectionKinds returns the kinds of connections in the order in which they are explained.
func ConnectionKinds() []storage.ConnectionKind {
	return []storage.ConnectionKind{storage.ConnectionWebsite, storage.ConnectionOfficialAccount, storage.ConnectionNativeApp}
}

// NewConnection is the operator's input for a new connection. Directory, Kind, AppID and AppSecret are required.
type NewConnection struct {
	storage.Connection
	// AppSecret is stored sealed.
	AppSecret wechat.AppSecret
	// Push are the keys of the app's message push; optional.
	Push PushKeys
}

// CreateConnection creates a connection. Failures are *Invalid, ErrNotFound for the directory, and ErrExists.
func (s *Service) CreateConnection(ctx context.Context, asked NewConnection) (*storage.Entry[storage.Connection], error) {
	if err := s.Allowed(asked.Directory, ActConnectionCreate); err != nil {
		return nil, err
	}
	directory, err := s.directory(ctx, asked.Directory)
	if err != nil {
		return nil, err
	}
	connection, err := s.newConnection(ctx, asked, directory.Record)
	if err != nil {
		return nil, err
	}
	if connection.AppSecret, err = s.sealConnectionSecret(connection, asked.AppSecret); err != nil {
		return nil, err
	}
	if err := s.sealPushKeys(connectionPush(&connection), asked.Push); err != nil {
		return nil, err
	}
	entry := connectionEntry(connection.Directory, connection.AppID, ActConnectionCreate)
	entry.details = map[string]string{"kind": string(connection.Kind)}
	return create(ctx, s, connectionName(connection.Directory, connection.AppID), entry, connection)
}

// newConnection returns the record of a new connection without its secret, or what is wrong with it.
func (s *Service) newConnection(ctx context.Context, asked NewConnection, directory storage.Directory) (storage.Connection, error) {
	connection := asked.Connection
	connection.AppSecret, connection.PushToken, connection.EncodingAESKey = "", "", ""
	connection.DirectoryIncarnation = directory.Incarnation
	connection.CreatedAt = s.now()
	connection.UpdatedAt = connection.CreatedAt
	fillConnection(&connection)
	p := checkConnection(connection)
	p.check("app_secret", checkAppSecret(asked.AppSecret, &storage.Federation{AppID: connection.AppID}))
	p.checkPushKeys(asked.Push, connection.AppID)
	if err := p.err(); err != nil {
		return connection, err
	}
	return connection, s.checkConnectionFits(ctx, connection)
}

// fillConnection sets the members that the operator left open.
func fillConnection(connection *storage.Connection) {
	if connection.Provisioning == "" {
		connection.Provisioning = storage.ProvisionAuto
	}
}

func checkConnection(connection storage.Connection) (p problems) {
	if !slices.Contains(ConnectionKinds(), connection.Kind) {
		p.add("kind", "%q must be %s, %s or %s", connection.Kind, storage.ConnectionWebsite, storage.ConnectionOfficialAccount, storage.ConnectionNativeApp)
	}
	p.check("app_id", checkAppID(connection.AppID))
	p.check("name", checkLabel(connection.Name))
	p.check("open_platform", checkLabel(connection.OpenPlatform))
	if connection.Provisioning != storage.ProvisionAuto && connection.Provisioning != storage.ProvisionBind {
		p.add("provisioning", "%q must be %s or %s", connection.Provisioning, storage.ProvisionAuto, storage.ProvisionBind)
	}
	return p
}

// checkConnectionFits rejects a connection that another record of its directory excludes: a client with its AppID, or a second
// enabled connection of a kind whose sign-in page has one button.
func (s *Service) checkConnectionFits(ctx context.Context, connection storage.Connection) error {
	var p problems
	if client, err := s.miniProgramOf(ctx, connection.Directory, connection.AppID); err != nil {
		return err
	} else if client != "" {
		p.add("app_id", "is the AppID of the mini-program client %q; a connection is another app", client)
	}
	others, _, err := list[storage.Connection](ctx, s, Page{Limit: storage.MaxPage}.query(connection.Directory, storage.ByCreated))
	if err != nil {
		return err
	}
	others = slices.DeleteFunc(others, func(other storage.Connection) bool { return other.AppID == connection.AppID })
	if len(others) >= MaxConnections {
		p.add("app_id", "is one connection too many: a directory has at most %d", MaxConnections)
	}
	for _, other := range others {
		if !connection.Disabled && !other.Disabled && other.Kind == connection.Kind && connection.Kind != storage.ConnectionNativeApp {
			p.add("kind", "the directory has the %s connection %s already, and its sign-in page has one button for it; disable that one first", other.Kind, other.AppID)
		}
	}
	return p.err()
}

// miniProgramOf returns the client of a directory that has an AppID; empty if there is none.
func (s *Service) miniProgramOf(ctx context.Context, directory, appID string) (string, error) {
	for page := (Page{Limit: storage.MaxPage}); ; {
		clients, next, err := list[storage.Client](ctx, s, page.query(directory, storage.ByCreated))
		if err != nil {
			return "", err
		}
		for _, client := range clients {
			if client.Federation != nil && client.Federation.AppID == appID {
				return client.ID, nil
			}
		}
		if page.After = next; next == "" {
			return "", nil
		}
	}
}

func (s *Service) sealConnectionSecret(connection storage.Connection, secret wechat.AppSecret) (string, error) {
	return s.config.Master.Seal([]byte(secret), keys.ConnectionSecretBinding(connection.Directory, connection.AppID))
}

// Connection returns one connection by its AppID, or ErrNotFound.
func (s *Service) Connection(ctx context.Context, directory, appID string) (*storage.Entry[storage.Connection], error) {
	if err := s.Allowed(directory, ActConnectionRead); err != nil {
		return nil, err
	}
	return s.connection(ctx, directory, appID)
}

func (s *Service) connection(ctx context.Context, directory, appID string) (*storage.Entry[storage.Connection], error) {
	return get[storage.Connection](ctx, s, connectionName(directory, appID), storage.Key(directory, appID))
}

// Connections returns one page of a directory's connections, oldest first, and where the next page begins.
func (s *Service) Connections(ctx context.Context, directory string, page Page) ([]storage.Connection, string, error) {
	if err := s.Allowed(directory, ActConnectionRead); err != nil {
		return nil, "", err
	}
	if _, err := s.directory(ctx, directory); err != nil {
		return nil, "", err
	}
	return list[storage.Connection](ctx, s, page.query(directory, storage.ByCreated))
}

// UpdateConnection applies change to a connection and checks the result. change may not alter Directory, AppID, Kind, AppSecret,
// the push keys, state and times. If revision is not empty and not the connection's current one, the error is ErrChanged.
func (s *Service) UpdateConnection(ctx context.Context, directory, appID, revision string, change func(*storage.Connection)) (*storage.Entry[storage.Connection], error) {
	if err := s.Allowed(directory, ActConnectionUpdate); err != nil {
		return nil, err
	}
	return s.changeConnection(ctx, directory, appID, revision, ActConnectionUpdate, func(connection *storage.Connection) error {
		return editConnection(connection, change)
	})
}

// editConnection applies change to a connection, and returns what is wrong with the result.
func editConnection(connection *storage.Connection, change func(*storage.Connection)) error {
	before := *connection
	change(connection)
	connection.Directory, connection.DirectoryIncarnation = before.Directory, before.DirectoryIncarnation
	connection.AppID, connection.Kind, connection.AppSecret = before.AppID, before.Kind, before.AppSecret
	connection.PushToken, connection.EncodingAESKey = before.PushToken, before.EncodingAESKey
	connection.Disabled, connection.CreatedAt = before.Disabled, before.CreatedAt
	fillConnection(connection)
	p := checkConnection(*connection)
	return p.err()
}

// changeConnection is update for connections; it sets UpdatedAt.
func (s *Service) changeConnection(ctx context.Context, directory, appID, revision string, act Act, change func(*storage.Connection) error) (*storage.Entry[storage.Connection], error) {
	return update(ctx, s, edit[storage.Connection]{
		what: connectionName(directory, appID), key: storage.Key(directory, appID), revision: revision,
		entry: connectionEntry(directory, appID, act),
		change: func(connection *storage.Connection) error {
			connection.UpdatedAt = s.now()
			return change(connection)
		},
	})
}

// DisableConnection stops the sign-in by a connection until it is enabled again. Users and sessions remain.
func (s *Service) DisableConnection(ctx context.Context, directory, appID string) (*storage.Entry[storage.Connection], error) {
	if err := s.Allowed(directory, ActConnectionDisable); err != nil {
		return nil, err
	}
	return s.changeConnection(ctx, directory, appID, "", ActConnectionDisable, func(connection *storage.Connection) error {
		connection.Disabled = true
		return nil
	})
}

// EnableConnection lets users sign in by a disabled connection again.
func (s *Service) EnableConnection(ctx context.Context, directory, appID string) (*storage.Entry[storage.Connection], error) {
	if err := s.Allowed(directory, ActConnectionEnable); err != nil {
		return nil, err
	}
	return s.changeConnection(ctx, directory, appID, "", ActConnectionEnable, func(connection *storage.Connection) error {
		connection.Disabled = false
		return s.checkConnectionFits(ctx, *connection)
	})
}

// SetConnectionSecret replaces the AppSecret of a connection, as after a reset in WeChat's console. It takes effect without a
// restart.
func (s *Service) SetConnectionSecret(ctx context.Context, directory, appID string, secret wechat.AppSecret) error {
	if err := s.Allowed(directory, ActConnectionSecret); err != nil {
		return err
	}
	var p problems
	if p.check("app_secret", checkAppSecret(secret, &storage.Federation{AppID: appID})); p.err() != nil {
		return p.err()
	}
	_, err := s.changeConnection(ctx, directory, appID, "", ActConnectionSecret, func(connection *storage.Connection) (err error) {
		connection.AppSecret, err = s.sealConnectionSecret(*connection, secret)
		return err
	})
	return err
}

// HasConnectionSecret reports whether a connection has this AppSecret.
func (s *Service) HasConnectionSecret(connection storage.Connection, secret wechat.AppSecret) (bool, error) {
	if err := s.Allowed(connection.Directory, ActConnectionSecret); err != nil {
		return false, err
	}
	stored, err := s.openConnectionSecret(connection)
	return err == nil && subtle.ConstantTimeCompare(stored, []byte(secret)) == 1, err
}

func (s *Service) openConnectionSecret(connection storage.Connection) ([]byte, error) {
	return s.config.Master.Open(connection.AppSecret, keys.ConnectionSecretBinding(connection.Directory, connection.AppID))
}

// DeleteConnection removes a connection. Its users remain, with the links by which another connection of the same AppID finds them.
func (s *Service) DeleteConnection(ctx context.Context, directory, appID string) error {
	if err := s.Allowed(directory, ActConnectionDelete); err != nil {
		return err
	}
	if _, err := s.connection(ctx, directory, appID); err != nil {
		return err
	}
	if err := s.rejectNativeAppInUse(ctx, directory, appID); err != nil {
		return err
	}
	if err := s.audit(ctx, connectionEntry(directory, appID, ActConnectionDelete)); err != nil {
		return err
	}
	return s.config.Engine.Delete(ctx, storage.KindConnection, storage.Key(directory, appID))
}

// TestConnection checks the AppID and AppSecret of a connection at WeChat.
func (s *Service) TestConnection(ctx context.Context, directory, appID string) (Credential, error) {
	if err := s.Allowed(directory, ActConnectionTest); err != nil {
		return Credential{}, err
	}
	entry, err := s.connection(ctx, directory, appID)
	if err != nil {
		return Credential{}, err
	}
	secret, err := s.openConnectionSecret(entry.Record)
	if err != nil {
		return Credential{}, err
	}
	if s.config.WeChat == nil {
		return Credential{}, errNoWeChat()
	}
	return judgeCredential(CheckConnection(ctx, s.config.WeChat, entry.Record.Kind, wechat.App{ID: wechat.AppID(appID), Secret: wechat.AppSecret(secret)})), nil
}

// CheckConnection asks WeChat whether AppID and AppSecret of a connection are right. An official account gets an access token. The
// apps of the Open Platform have no such call: a code that WeChat never issued is rejected only after AppID and AppSecret are
// accepted.
func CheckConnection(ctx context.Context, checker CredentialChecker, kind storage.ConnectionKind, app wechat.App) error {
	if kind == storage.ConnectionOfficialAccount {
		return checker.CheckCredential(ctx, app)
	}
	return checker.CheckWebCredential(ctx, app)
}

// errNoWeChat is the error of a process without a client of WeChat.
func errNoWeChat() error { return fmt.Errorf("%w: this process sends no calls to WeChat", ErrRefused) }

// PreviewConnection returns the record that CreateConnection would store, without its secret. directory is the record that the
// connection's directory has, or will have. Nothing is written.
func (s *Service) PreviewConnection(ctx context.Context, directory storage.Directory, asked NewConnection) (storage.Connection, error) {
	if err := s.Allowed(directory.ID, ActConnectionRead); err != nil {
		return storage.Connection{}, err
	}
	asked.Directory = directory.ID
	return s.newConnection(ctx, asked, directory)
}

// PreviewConnectionUpdate returns the record that UpdateConnection would store. Nothing is written.
func (s *Service) PreviewConnectionUpdate(current storage.Connection, change func(*storage.Connection)) (storage.Connection, error) {
	if err := s.Allowed(current.Directory, ActConnectionRead); err != nil {
		return storage.Connection{}, err
	}
	err := editConnection(&current, change)
	return current, err
}

func connectionEntry(directory, appID string, act Act) entry {
	return entry{directory: directory, action: act, target: "connection:" + appID}
}

func connectionName(directory, appID string) string {
	return fmt.Sprintf("connection %q of directory %q", appID, directory)
}

// checkNotConnection rejects the AppID of a connection for a mini-program.
func (s *Service) checkNotConnection(ctx context.Context, directory, appID string) error {
	_, err := storage.Get[storage.Connection](ctx, s.config.Engine, storage.Key(directory, appID))
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	var p problems
	p.add("app_id", "is the AppID of a connection of this directory; a mini-program is another app")
	return p.err()
}
