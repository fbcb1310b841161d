package main

import (
	"context"
	"time"

	"github.com/minifed/minifed/cmd/minifed/internal/remote"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat"
)

// operations are what the commands of directories, clients, users and keys do: on the store by admin.Service, or at a running
// server by remote.Client.
type operations interface {
	directoryOperations
	clientOperations
	connectionOperations
	userOperations
	userStates
	mergeOperations
	keyOperations
}

var (
	_ operations = (*admin.Service)(nil)
	_ operations = (*remote.Client)(nil)
)

type directoryOperations interface {
	IssuerOf(directory storage.Directory) string
	CreateDirectory(ctx context.Context, directory storage.Directory) (*storage.Entry[storage.Directory], error)
	Directory(ctx context.Context, id string) (*storage.Entry[storage.Directory], error)
	Directories(ctx context.Context, page admin.Page) ([]storage.Directory, string, error)
	UpdateDirectory(ctx context.Context, id, revision string, change func(*storage.Directory)) (*storage.Entry[storage.Directory], error)
	DisableDirectory(ctx context.Context, id string) (*storage.Entry[storage.Directory], error)
	EnableDirectory(ctx context.Context, id string) (*storage.Entry[storage.Directory], error)
	DeleteDirectory(ctx context.Context, id string) error
}

type clientOperations interface {
	CreateClient(ctx context.Context, asked admin.NewClient) (*storage.Entry[storage.Client], string, error)
	Client(ctx context.Context, directory, id string) (*storage.Entry[storage.Client], error)
	Clients(ctx context.Context, directory string, page admin.Page) ([]storage.Client, string, error)
	UpdateClient(ctx context.Context, directory, id, revision string, change func(*storage.Client)) (*storage.Entry[storage.Client], error)
	DisableClient(ctx context.Context, directory, id string) (*storage.Entry[storage.Client], error)
	EnableClient(ctx context.Context, directory, id string) (*storage.Entry[storage.Client], error)
	RotateClientSecret(ctx context.Context, directory, id, chosen string, alone bool) (string, error)
	SetAppSecret(ctx context.Context, directory, id string, secret wechat.AppSecret) error
	DeleteClient(ctx context.Context, directory, id string) error
}

type connectionOperations interface {
	CreateConnection(ctx context.Context, asked admin.NewConnection) (*storage.Entry[storage.Connection], error)
	Connection(ctx context.Context, directory, appID string) (*storage.Entry[storage.Connection], error)
	Connections(ctx context.Context, directory string, page admin.Page) ([]storage.Connection, string, error)
	UpdateConnection(ctx context.Context, directory, appID, revision string, change func(*storage.Connection)) (*storage.Entry[storage.Connection], error)
	DisableConnection(ctx context.Context, directory, appID string) (*storage.Entry[storage.Connection], error)
	EnableConnection(ctx context.Context, directory, appID string) (*storage.Entry[storage.Connection], error)
	SetConnectionSecret(ctx context.Context, directory, appID string, secret wechat.AppSecret) error
	TestConnection(ctx context.Context, directory, appID string) (admin.Credential, error)
	DeleteConnection(ctx context.Context, directory, appID string) error
}

type userOperations interface {
	AddUser(ctx context.Context, directory string, account identity.Account, with admin.UserUpdate) (storage.User, error)
	UserID(ctx context.Context, directory, text string) (string, error)
	User(ctx context.Context, directory, id string) (admin.Person, error)
	FindUsers(ctx context.Context, directory string, search admin.UserSearch, page admin.Page) ([]storage.User, string, error)
	UpdateUser(ctx context.Context, directory, id string, change admin.UserUpdate) (storage.User, error)
}

type userStates interface {
	SetUserPassword(ctx context.Context, directory, id, password string) error
	DisableUser(ctx context.Context, directory, id string) error
	EnableUser(ctx context.Context, directory, id string) error
	SignOutUser(ctx context.Context, directory, id string) error
	DeleteUser(ctx context.Context, directory, id string) error
}

type mergeOperations interface {
	MergeCandidates(ctx context.Context, directory string, page admin.Page) ([]storage.MergeCandidate, string, error)
	AcceptMerge(ctx context.Context, directory, candidate string) (identity.Merged, error)
	DismissMerge(ctx context.Context, directory, candidate string) error
	MergeUsers(ctx context.Context, directory, one, other string) (identity.Merged, error)
	UndoMerge(ctx context.Context, directory, id string) error
}

type keyOperations interface {
	SigningKeys(ctx context.Context, directory string) ([]keys.Key, error)
	RotateSigningKey(ctx context.Context, directory, algorithm string) (keys.Key, error)
	RotateSigningKeyNow(ctx context.Context, directory, algorithm string) (keys.Key, error)
	RevokeSigningKey(ctx context.Context, directory, kid string) (keys.Key, error)
	RotateTokenSecrets(ctx context.Context, directory string) (uint32, time.Time, error)
}
