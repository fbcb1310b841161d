package admin

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat"
)

// NewClient is the operator's input for a new client. Client, Directory and Kind are required; empty members get the defaults
// of the kind. An empty ID is generated; the service sets Secrets, CreatedAt and UpdatedAt.
type NewClient struct {
	storage.Client
	// Secret is a chosen client secret; if empty, one is generated for a client that authenticates with a secret.
	Secret string
	// AppSecret is the mini-program's AppSecret, required for kind wechat_miniapp.
	AppSecret wechat.AppSecret
	// Push are the keys of the mini-program's message push; optional.
	Push PushKeys
}

// CreateClient creates a client. The secret, generated or chosen, is returned only here and cannot be read again; it is empty
// for a client without secret. Failures are *Invalid, ErrNotFound for the directory, and ErrExists.
func (s *Service) CreateClient(ctx context.Context, asked NewClient) (created *storage.Entry[storage.Client], secret string, err error) {
	if err := s.Allowed(asked.Directory, ActClientCreate); err != nil {
		return nil, "", err
	}
	asked.Assignments, asked.ExpiresAt = nil, time.Time{} // CreateServiceClient sets them.
	return s.createClient(ctx, asked)
}

func (s *Service) createClient(ctx context.Context, asked NewClient) (created *storage.Entry[storage.Client], secret string, err error) {
	directory, err := s.directory(ctx, asked.Directory)
	if err != nil {
		return nil, "", err
	}
	client, err := s.newClient(ctx, asked, directory.Record)
	if err != nil {
		return nil, "", err
	}
	if secret, err = s.addSecrets(ctx, &client, asked); err != nil {
		return nil, "", err
	}
	if err := s.claimAppID(ctx, client); err != nil {
		return nil, "", err
	}
	entry := clientEntry(client.Directory, client.ID, ActClientCreate)
	entry.details = map[string]string{"kind": string(client.Kind)}
	created, err = create(ctx, s, clientName(client.Directory, client.ID), entry, client)
	if err != nil {
		return nil, "", errors.Join(err, s.releaseAppID(ctx, client.Directory, client.ID, client.Federation))
	}
	if err := s.checkStillThere(ctx, client); err != nil {
		return nil, "", err
	}
	return created, secret, nil
}

// newClient returns the record of a new client without its secrets, or what is wrong with it.
func (s *Service) newClient(ctx context.Context, asked NewClient, directory storage.Directory) (client storage.Client, err error) {
	client = asked.Client
	client.Origin, client.UnusedUntil, client.Copy = storage.OriginOperator, time.Time{}, storage.DocumentCopy{}
	if client.ID == "" {
		if client.ID, err = s.newID(); err != nil {
			return client, err
		}
	}
	fillClient(&client, SigningAlgorithms(directory))
	settleLinking(&client, storage.Client{})
	settleNativeApp(&client)
	if err := s.drawLogo(ctx, "logo", nil, &client.Logo); err != nil {
		return client, err
	}
	client.CreatedAt = s.now()
	client.UpdatedAt = client.CreatedAt
	if client.Incarnation, err = s.newIncarnation(); err != nil {
		return client, err
	}
	client.DirectoryIncarnation = directory.Incarnation
	if err := s.checkNewClient(client, asked, directory); err != nil {
		return client, err
	}
	return client, s.checkNativeAppConnection(ctx, storage.Client{}, client)
}

// fillClient sets what the operator left open.
func fillClient(client *storage.Client, algorithms []string) {
	client.Secrets = nil
	if rules, known := rulesOf(client.Kind); known {
		rules.fill(client, algorithms)
	}
	if client.Federation != nil {
		federation := *client.Federation
		federation.AppSecret, federation.PushToken, federation.EncodingAESKey = "", "", ""
		if federation.Provisioning == "" {
			federation.Provisioning = storage.ProvisionAuto
		}
		client.Federation = &federation
	}
}

func (s *Service) checkNewClient(client storage.Client, asked NewClient, directory storage.Directory) error {
	p := problems(problemsOf(client, SigningAlgorithms(directory)))
	switch {
	case client.Kind == storage.ClientMiniapp:
		p.check("app_secret", checkAppSecret(asked.AppSecret, client.Federation))
		if client.Federation != nil {
			p.checkPushKeys(asked.Push, client.Federation.AppID)
		}
	case asked.AppSecret != "":
		p.add("app_secret", "is for clients of kind %s", storage.ClientMiniapp)
	case asked.Push != (PushKeys{}):
		p.add("push_token", "is for clients of kind %s", storage.ClientMiniapp)
	}
	if asked.Secret != "" {
		p.check("secret", checkChosenSecret(asked.Secret))
		if !usesSecret(client) {
			p.add("secret", "means nothing to a client that authenticates by %s", client.AuthMethod)
		}
	}
	return p.err()
}

// addSecrets sets the hash of the client's secret and the sealed AppSecret, and returns the secret.
func (s *Service) addSecrets(ctx context.Context, client *storage.Client, asked NewClient) (secret string, err error) {
	if client.Federation != nil {
		if client.Federation.AppSecret, err = s.sealAppSecret(client.Directory, client.ID, asked.AppSecret); err != nil {
			return "", err
		}
		if err := s.sealPushKeys(clientPush(client), asked.Push); err != nil {
			return "", err
		}
	}
	if !usesSecret(*client) {
		return "", nil
	}
	secret, hash, err := s.clientSecret(ctx, asked.Secret)
	client.Secrets = []string{hash}
	return secret, err
}

// clientSecret returns the chosen secret or a new one, and the hash that is stored.
func (s *Service) clientSecret(ctx context.Context, chosen string) (secret, hash string, err error) {
	if chosen != "" {
		hash, err = s.hashChosen(ctx, chosen)
		return chosen, hash, err
	}
	secret, err = s.newSecret()
	return secret, hashGenerated(secret), err
}

func (s *Service) sealAppSecret(directory, client string, secret wechat.AppSecret) (string, error) {
	return s.config.Master.Seal([]byte(secret), keys.AppSecretBinding(directory, client))
}

// Client returns one client, or ErrNotFound.
func (s *Service) Client(ctx context.Context, directory, id string) (*storage.Entry[storage.Client], error) {
	if err := s.Allowed(directory, ActClientRead); err != nil {
		return nil, err
	}
	return s.client(ctx, directory, id)
}

func (s *Service) client(ctx context.Context, directory, id string) (*storage.Entry[storage.Client], error) {
	return get[storage.Client](ctx, s, clientName(directory, id), storage.Key(directory, id))
}

// Clients returns one page of a directory's clients, oldest first, and where the next page begins.
func (s *Service) Clients(ctx context.Context, directory string, page Page) ([]storage.Client, string, error) {
	if err := s.Allowed(directory, ActClientRead); err != nil {
		return nil, "", err
	}
	if _, err := s.directory(ctx, directory); err != nil {
		return nil, "", err
	}
	return list[storage.Client](ctx, s, page.query(directory, storage.ByCreated))
}

// UpdateClient applies change to a client and checks the result. change may not alter Directory, ID, Kind, Secrets, AppSecret,
// push keys, state and times, which have their own methods. If revision is not empty and not the client's current one, the error is
// ErrChanged.
func (s *Service) UpdateClient(ctx context.Context, directory, id, revision string, change func(*storage.Client)) (*storage.Entry[storage.Client], error) {
	if err := s.Allowed(directory, ActClientUpdate); err != nil {
		return nil, err
	}
	owner, err := s.directory(ctx, directory)
	if err != nil {
		return nil, err
	}
	var left *storage.Federation
	changed, err := s.changeClient(ctx, directory, id, revision, ActClientUpdate, func(client *storage.Client) error {
		before := *client
		if before.Origin == storage.OriginDocument {
			return fmt.Errorf("%w: the metadata document of the client has its settings; disable or delete the client instead", ErrRefused)
		}
		left = before.Federation
		if err := s.editClient(ctx, client, owner.Record, change); err != nil || !changesAppID(before, *client) {
			return err
		}
		return s.claimAppID(ctx, *client)
	})
	if err != nil {
		return nil, err
	}
	return changed, s.releaseAppID(ctx, directory, id, left)
}

// editClient applies change to a client, and returns what is wrong with the result.
func (s *Service) editClient(ctx context.Context, client *storage.Client, directory storage.Directory, change func(*storage.Client)) error {
	before := *client
	if client.Federation != nil {
		federation := *client.Federation
		client.Federation = &federation
	}
	change(client)
	restoreUnchangeable(client, before)
	settleLinking(client, before)
	settleNativeApp(client)
	if err := s.drawLogo(ctx, "logo", before.Logo, &client.Logo); err != nil {
		return err
	}
	if err := checkClientChange(before, *client, SigningAlgorithms(directory)); err != nil {
		return err
	}
	if err := s.checkNativeAppConnection(ctx, before, *client); err != nil {
		return err
	}
	return checkSector(before, *client)
}

func changesAppID(before, after storage.Client) bool {
	return after.Federation != nil && (before.Federation == nil || before.Federation.AppID != after.Federation.AppID)
}

// restoreUnchangeable restores the values that an update cannot change.
func restoreUnchangeable(client *storage.Client, before storage.Client) {
	client.Directory, client.ID, client.Kind = before.Directory, before.ID, before.Kind
	client.Incarnation, client.DirectoryIncarnation = before.Incarnation, before.DirectoryIncarnation
	client.Secrets, client.CreatedAt, client.Disabled = before.Secrets, before.CreatedAt, before.Disabled
	client.Assignments, client.ExpiresAt = before.Assignments, before.ExpiresAt
	client.Origin, client.UnusedUntil, client.Copy = before.Origin, before.UnusedUntil, before.Copy
	if client.Lifetimes.SessionIdle == before.Lifetimes.SessionIdle && client.Lifetimes.SessionAbsolute == before.Lifetimes.SessionAbsolute {
		client.Lifetimes.SessionIdle, client.Lifetimes.SessionAbsolute = 0, 0 // They never had an effect: see checkClientLifetimes.
	}
	if client.Federation != nil && before.Federation != nil {
		client.Federation.AppSecret = before.Federation.AppSecret
		client.Federation.PushToken, client.Federation.EncodingAESKey = before.Federation.PushToken, before.Federation.EncodingAESKey
	}
}

// changeClient is update for clients; it sets UpdatedAt.
func (s *Service) changeClient(ctx context.Context, directory, id, revision string, act Act, change func(*storage.Client) error) (*storage.Entry[storage.Client], error) {
	return update(ctx, s, edit[storage.Client]{
		what: clientName(directory, id), key: storage.Key(directory, id), revision: revision,
		entry: clientEntry(directory, id, act),
		change: func(client *storage.Client) error {
			client.UpdatedAt = s.now()
			return change(client)
		},
	})
}

func clientEntry(directory, id string, act Act) entry {
	return entry{directory: directory, action: act, target: "client:" + id}
}

// DisableClient ends what a client was given, until it is enabled again.
func (s *Service) DisableClient(ctx context.Context, directory, id string) (*storage.Entry[storage.Client], error) {
	if err := s.Allowed(directory, ActClientDisable); err != nil {
		return nil, err
	}
	return s.changeClient(ctx, directory, id, "", ActClientDisable, func(client *storage.Client) error {
		client.Disabled = true
		return nil
	})
}

// EnableClient lets a disabled client work again.
func (s *Service) EnableClient(ctx context.Context, directory, id string) (*storage.Entry[storage.Client], error) {
	if err := s.Allowed(directory, ActClientEnable); err != nil {
		return nil, err
	}
	return s.changeClient(ctx, directory, id, "", ActClientEnable, func(client *storage.Client) error {
		client.Disabled = false
		return nil
	})
}

// RotateClientSecret adds a secret to a client, generated or chosen, and returns it only here. Earlier secrets stay valid, at
// most three of them, unless alone is set.
func (s *Service) RotateClientSecret(ctx context.Context, directory, id, chosen string, alone bool) (secret string, err error) {
	act := ActClientSecret
	if alone {
		act = ActClientSecretAlone
	}
	if err := s.Allowed(directory, act); err != nil {
		return "", err
	}
	if chosen != "" {
		var p problems
		if p.check("secret", checkChosenSecret(chosen)); p.err() != nil {
			return "", p.err()
		}
	}
	secret, hash, err := s.clientSecret(ctx, chosen)
	if err != nil {
		return "", err
	}
	_, err = s.changeClient(ctx, directory, id, "", act, func(client *storage.Client) error {
		if !usesSecret(*client) {
			return fmt.Errorf("%w: the client authenticates by %s and has no secret", ErrRefused, client.AuthMethod)
		}
		former := client.Secrets[:min(len(client.Secrets), maxSecrets-1)]
		if alone {
			former = nil
		}
		client.Secrets = append([]string{hash}, former...)
		return nil
	})
	if err != nil {
		return "", err
	}
	return secret, nil
}

// SetAppSecret replaces the AppSecret of a federated client, as after a reset in WeChat's console. It takes effect without a
// restart.
func (s *Service) SetAppSecret(ctx context.Context, directory, id string, secret wechat.AppSecret) error {
	if err := s.Allowed(directory, ActClientAppSecret); err != nil {
		return err
	}
	sealed, err := s.sealAppSecret(directory, id, secret)
	if err != nil {
		return err
	}
	_, err = s.changeClient(ctx, directory, id, "", ActClientAppSecret, func(client *storage.Client) error {
		if client.Federation == nil {
			return fmt.Errorf("%w: a %s client has no AppSecret", ErrRefused, client.Kind)
		}
		var p problems
		p.check("app_secret", checkAppSecret(secret, client.Federation))
		federation := *client.Federation
		federation.AppSecret = sealed
		client.Federation = &federation
		return p.err()
	})
	return err
}

func usesSecret(client storage.Client) bool {
	method := client.TokenEndpointAuthMethod()
	return method == authBasic || method == authPost
}

// checkAppSecret catches a slip of the clipboard: WeChat's AppSecrets are 32 hexadecimal digits, the simulator's are free.
func checkAppSecret(secret wechat.AppSecret, app *storage.Federation) error {
	text := string(secret)
	if app != nil && isSimulated(app.AppID) && text != "" && len(text) <= 64 {
		return nil
	}
	if len(text) != 32 || strings.Trim(text, "0123456789abcdef") != "" {
		return errors.New("must be the 32 hexadecimal digits that WeChat's console shows once")
	}
	return nil
}

func clientName(directory, id string) string {
	return fmt.Sprintf("client %q of directory %q", id, directory)
}
