package apply

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat"
)

// connectionBody is the body of a connection.
type connectionBody struct {
	storage.Connection
	AppSecret wechat.AppSecret `json:"app_secret,omitempty"`
	// PushToken and EncodingAESKey are the keys of the message push.
	PushToken      string `json:"push_token,omitempty"`
	EncodingAESKey string `json:"encoding_aes_key,omitempty"`
}

func (c connectionBody) push() admin.PushKeys {
	return admin.PushKeys{Token: c.PushToken, EncodingAESKey: c.EncodingAESKey}
}

func (p *planner) connection(ctx context.Context, d described) error {
	directory, err := p.directoryOf(ctx, d.connection.Directory)
	if errors.Is(err, admin.ErrNotFound) {
		p.problem = append(p.problem, Problem{d.Source, "directory", err.Error() + "; describe it in a document too"})
		return nil
	}
	if err != nil {
		return p.invalid(d.Source, err)
	}
	current, err := p.service.Connection(ctx, d.connection.Directory, d.connection.AppID)
	if errors.Is(err, admin.ErrNotFound) {
		return p.newConnection(ctx, d, directory)
	}
	if err != nil {
		return p.invalid(d.Source, err)
	}
	if current.Record.Kind != d.connection.Kind {
		p.problem = append(p.problem, Problem{d.Source, "kind", fmt.Sprintf("the connection is of kind %s, which cannot change; delete it first", current.Record.Kind)})
		return nil
	}
	change, err := p.connectionChange(d, current)
	if err != nil {
		return p.invalid(d.Source, err)
	}
	p.add(change)
	return nil
}

func (p *planner) newConnection(ctx context.Context, d described, directory storage.Directory) error {
	created := Change{Action: ActionCreate, Kind: d.Kind, Directory: directory.ID, ID: d.connection.AppID, Source: d.Source}
	if p.recorded {
		p.add(created)
		return nil
	}
	asked := admin.NewConnection{Connection: d.connection.Connection, AppSecret: d.connection.AppSecret, Push: d.connection.push()}
	after, err := p.service.PreviewConnection(ctx, directory, asked)
	if err != nil {
		return p.invalid(d.Source, err)
	}
	before := storage.Connection{Directory: after.Directory, AppID: after.AppID, Kind: after.Kind}
	created.Members = differences(explicitConnection(before), explicitConnection(after))
	created.do = func(ctx context.Context) error {
		_, err := p.service.CreateConnection(ctx, asked)
		return err
	}
	p.add(created)
	return nil
}

// connectionChange returns the change of a connection that exists.
func (p *planner) connectionChange(d described, current *storage.Entry[storage.Connection]) (Change, error) {
	asked, before := d.connection.Connection, current.Record
	edit := func(connection *storage.Connection) {
		connection.Name, connection.OpenPlatform, connection.Provisioning = asked.Name, asked.OpenPlatform, asked.Provisioning
	}
	after, err := p.service.PreviewConnectionUpdate(before, edit)
	if err != nil {
		return Change{}, err
	}
	changesSettings := len(differences(explicitConnection(before), explicitConnection(after))) > 0
	secrets, err := p.changedConnectionSecrets(d, before)
	if err != nil {
		return Change{}, err
	}
	after.Disabled = asked.Disabled
	change := Change{
		Kind: d.Kind, Directory: before.Directory, ID: before.AppID, Source: d.Source,
		Members: differences(explicitConnection(before), explicitConnection(after)), state: current.Revision(),
	}
	change.Members = append(change.Members, secrets.differences()...)
	change.do = func(ctx context.Context) error {
		if changesSettings {
			if _, err := p.service.UpdateConnection(ctx, before.Directory, before.AppID, current.Revision(), edit); err != nil {
				return err
			}
		}
		if secrets.appSecret {
			if err := p.service.SetConnectionSecret(ctx, before.Directory, before.AppID, d.connection.AppSecret); err != nil {
				return err
			}
		}
		if secrets.push {
			if err := p.service.SetConnectionPushKeys(ctx, before.Directory, before.AppID, d.connection.push()); err != nil {
				return err
			}
		}
		return p.setConnectionState(ctx, before, after.Disabled)
	}
	return change, nil
}

func (p *planner) changedConnectionSecrets(d described, current storage.Connection) (changed changedSecrets, err error) {
	if d.connection.AppSecret != "" {
		has, err := p.service.HasConnectionSecret(current, d.connection.AppSecret)
		if err != nil {
			return changed, err
		}
		changed.appSecret = !has
	}
	if push := d.connection.push(); push != (admin.PushKeys{}) {
		has, err := p.service.HasConnectionPushKeys(current, push)
		if err != nil {
			return changed, err
		}
		changed.push = !has
	}
	return changed, nil
}

func (p *planner) setConnectionState(ctx context.Context, before storage.Connection, disabled bool) (err error) {
	switch {
	case disabled && !before.Disabled:
		_, err = p.service.DisableConnection(ctx, before.Directory, before.AppID)
	case !disabled && before.Disabled:
		_, err = p.service.EnableConnection(ctx, before.Directory, before.AppID)
	}
	return err
}

// otherConnections adds the connections of a directory that no document describes.
func (p *planner) otherConnections(ctx context.Context, directory string, describes map[string]bool, prune bool) error {
	connections, _, err := p.service.Connections(ctx, directory, admin.Page{Limit: storage.MaxPage})
	if err != nil {
		return err
	}
	for _, connection := range connections {
		if describes[connectionKey(connection)] {
			continue
		}
		change := Change{Action: ActionIgnore, Kind: string(connection.Kind), Directory: directory, ID: connection.AppID, state: stateOf(connection)}
		if prune {
			change.Action, change.fresh = ActionDelete, admin.ActConnectionDelete
			change.do = func(ctx context.Context) error { return p.deleteConnection(ctx, connection) }
		}
		p.add(change)
	}
	return nil
}

// deleteConnection deletes a connection that is still as the plan found it.
func (p *planner) deleteConnection(ctx context.Context, connection storage.Connection) error {
	current, err := p.service.Connection(ctx, connection.Directory, connection.AppID)
	if err != nil {
		return err
	}
	if len(differences(explicitConnection(connection), explicitConnection(current.Record))) > 0 {
		return admin.ErrChanged
	}
	return p.service.DeleteConnection(ctx, connection.Directory, connection.AppID)
}

// connectionKey identifies a connection among all records that documents describe.
func connectionKey(connection storage.Connection) string {
	return "connection " + storage.Key(connection.Directory, connection.AppID)
}

// explicitConnection returns the members of a connection, defaults written out.
func explicitConnection(connection storage.Connection) map[string]json.RawMessage {
	connection.AppSecret, connection.PushToken, connection.EncodingAESKey = "", "", ""
	if connection.Provisioning == "" {
		connection.Provisioning = storage.ProvisionAuto
	}
	return members(connection)
}

// connectionFile has the members of a connection in the order of a file.
type connectionFile struct {
	storage.Connection
	Kind *struct{} `json:"kind,omitempty"` // It is that of the document.
}

// exportConnections returns the documents that describe the connections of a directory.
func exportConnections(ctx context.Context, service *admin.Service, directory string) ([]Document, error) {
	connections, _, err := service.Connections(ctx, directory, admin.Page{Limit: storage.MaxPage})
	if err != nil {
		return nil, err
	}
	var documents []Document
	for _, connection := range connections {
		var managed storage.Connection
		kind := string(connection.Kind)
		connection.AppSecret, connection.PushToken, connection.EncodingAESKey, connection.DirectoryIncarnation = "", "", "", ""
		connection.CreatedAt, connection.UpdatedAt = managed.CreatedAt, managed.UpdatedAt
		body, err := json.Marshal(connectionFile{Connection: connection})
		if err != nil {
			return nil, err
		}
		documents = append(documents, Document{Kind: kind, Body: body})
	}
	return documents, nil
}
