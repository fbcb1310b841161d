package main

import (
	"context"
	"io"
	"time"

	"github.com/minifed/minifed/audit"
	"github.com/minifed/minifed/cmd/minifed/internal/remote"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/server/admin/apply"
	"github.com/minifed/minifed/statistics"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat"
)

// operations are what the commands of operators do: on the store by storeOperations, or at a running server by remote.Client.
type operations interface {
	directoryOperations
	clientOperations
	initialTokenOperations
	connectionOperations
	resourceOperations
	userOperations
	userStates
	userAccess
	userFiles
	mergeOperations
	mergeBatches
	keyOperations
	auditOperations
	statisticsOperations
	operatorOperations
	serviceOperations
	fileOperations
}

var (
	_ operations = storeOperations{}
	_ operations = (*remote.Client)(nil)
)

// storeOperations does the operations on the store.
type storeOperations struct{ *admin.Service }

// PlanFiles computes a plan, and returns what does it.
func (s storeOperations) PlanFiles(ctx context.Context, request apply.Request) (apply.Plan, func(context.Context) ([]apply.Change, error), error) {
	plan, err := apply.New(ctx, s.Service, request)
	return plan, func(ctx context.Context) ([]apply.Change, error) { return plan.Apply(ctx, s.Service) }, err
}

// FilesOf returns the documents that describe a directory as it is.
func (s storeOperations) FilesOf(ctx context.Context, directory string) ([]apply.Document, error) {
	if directory == storage.OperatorsDirectory {
		return apply.ExportOperators(ctx, s.Service)
	}
	return apply.Export(ctx, s.Service, directory)
}

// Drift returns what the documents that were applied last would change.
func (s storeOperations) Drift(ctx context.Context, directory string) (apply.Plan, error) {
	return apply.Drift(ctx, s.Service, directory)
}

type directoryOperations interface {
	IssuerOf(directory storage.Directory) string
	CreateDirectory(ctx context.Context, directory storage.Directory) (*storage.Entry[storage.Directory], error)
	Directory(ctx context.Context, id string) (*storage.Entry[storage.Directory], error)
	Directories(ctx context.Context, page admin.Page) ([]storage.Directory, string, error)
	UpdateDirectory(ctx context.Context, id, revision string, change func(*storage.Directory)) (*storage.Entry[storage.Directory], error)
	DisableDirectory(ctx context.Context, id string) (*storage.Entry[storage.Directory], error)
	EnableDirectory(ctx context.Context, id string) (*storage.Entry[storage.Directory], error)
	DeleteDirectory(ctx context.Context, id string) error
	SetDirectoryKey(ctx context.Context, id string, which admin.DirectoryKey, key string) error
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
	SetPushKeys(ctx context.Context, directory, id string, push admin.PushKeys) error
	DeleteClient(ctx context.Context, directory, id string) error
	TestMiniProgram(ctx context.Context, directory, id string) (admin.Credential, error)
}

type initialTokenOperations interface {
	CreateInitialToken(ctx context.Context, asked admin.NewInitialToken) (storage.InitialToken, string, error)
	InitialTokens(ctx context.Context, directory string, page admin.Page) ([]storage.InitialToken, string, error)
	RevokeInitialToken(ctx context.Context, directory, id string) error
}

type resourceOperations interface {
	CreateResource(ctx context.Context, asked storage.Resource) (*storage.Entry[storage.Resource], error)
	Resource(ctx context.Context, directory, name string) (*storage.Entry[storage.Resource], error)
	Resources(ctx context.Context, directory string, page admin.Page) ([]storage.Resource, string, error)
	UpdateResource(ctx context.Context, directory, name, revision string, change func(*storage.Resource)) (*storage.Entry[storage.Resource], error)
	DisableResource(ctx context.Context, directory, name string) (*storage.Entry[storage.Resource], error)
	EnableResource(ctx context.Context, directory, name string) (*storage.Entry[storage.Resource], error)
	DeleteResource(ctx context.Context, directory, name string) error
}

type connectionOperations interface {
	CreateConnection(ctx context.Context, asked admin.NewConnection) (*storage.Entry[storage.Connection], error)
	Connection(ctx context.Context, directory, appID string) (*storage.Entry[storage.Connection], error)
	Connections(ctx context.Context, directory string, page admin.Page) ([]storage.Connection, string, error)
	UpdateConnection(ctx context.Context, directory, appID, revision string, change func(*storage.Connection)) (*storage.Entry[storage.Connection], error)
	DisableConnection(ctx context.Context, directory, appID string) (*storage.Entry[storage.Connection], error)
	EnableConnection(ctx context.Context, directory, appID string) (*storage.Entry[storage.Connection], error)
	SetConnectionPushKeys(ctx context.Context, directory, appID string, push admin.PushKeys) error
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
	ResetUserPassword(ctx context.Context, directory, id string) (string, error)
	DisableUser(ctx context.Context, directory, id string) error
	EnableUser(ctx context.Context, directory, id string) error
	SignOutUser(ctx context.Context, directory, id string) error
	RequestUserDeletion(ctx context.Context, directory, id string) error
	RestoreUser(ctx context.Context, directory, id string) error
	DeleteUser(ctx context.Context, directory, id string) error
}

type mergeOperations interface {
	MergeCandidates(ctx context.Context, directory string, page admin.Page) ([]storage.MergeCandidate, string, error)
	AcceptMerge(ctx context.Context, directory, candidate string) (identity.Merged, error)
	DismissMerge(ctx context.Context, directory, candidate string) error
	MergeUsers(ctx context.Context, directory, one, other string) (identity.Merged, error)
	UndoMerge(ctx context.Context, directory, id string) error
}

type statisticsOperations interface {
	Statistics(ctx context.Context, directory string, r statistics.Range) ([]statistics.Series, error)
	Health(ctx context.Context) (admin.Health, error)
}

type keyOperations interface {
	SigningKeys(ctx context.Context, directory string) ([]keys.Key, error)
	RotateSigningKey(ctx context.Context, directory, algorithm string) (keys.Key, error)
	RotateSigningKeyNow(ctx context.Context, directory, algorithm string) (keys.Key, error)
	RevokeSigningKey(ctx context.Context, directory, kid string) (keys.Key, error)
	RotateTokenSecrets(ctx context.Context, directory string) (uint32, time.Time, error)
}

type userAccess interface {
	UserMethods(ctx context.Context, directory, id string) (admin.UserMethods, error)
	RemoveUserPasskey(ctx context.Context, directory, id, passkey string) error
	RemoveUserTOTP(ctx context.Context, directory, id string) error
	UserSessions(ctx context.Context, directory, id string, page admin.Page) ([]admin.UserSession, string, error)
	EndUserSession(ctx context.Context, directory, id, session string) error
	UserGrants(ctx context.Context, directory, id string, page admin.Page) ([]admin.UserGrant, string, error)
	EndUserGrant(ctx context.Context, directory, id, grant string) error
	RemoveUserClient(ctx context.Context, directory, id, client string) error
}

type userFiles interface {
	ImportUsers(ctx context.Context, directory string, job admin.UserImport) (admin.UserImportReport, error)
	ExportUsers(ctx context.Context, directory string, out io.Writer, progress func(int)) (int, error)
}

type mergeBatches interface {
	PreviewMerges(ctx context.Context, directory string, candidates []string) ([]admin.MergePreview, error)
	AcceptMerges(ctx context.Context, directory string, candidates []string) (storage.MergeBatch, []admin.MergeOutcome, error)
	MergeBatches(ctx context.Context, directory string, page admin.Page) ([]storage.MergeBatch, string, error)
	UndoMerges(ctx context.Context, directory, id string) ([]admin.MergeOutcome, error)
}

type auditOperations interface {
	AuditTrail(ctx context.Context, directory string, filter audit.Filter, page admin.Page) ([]storage.AuditEntry, string, error)
	VerifyAudit(ctx context.Context, progress func(entries int)) (audit.Report, error)
	ExportAudit(ctx context.Context, directory string, filter audit.Filter, visit func(storage.AuditEntry) error) error
}

type operatorOperations interface {
	CreateOperator(ctx context.Context, asked admin.NewOperator) (admin.Operator, string, error)
	Operators(ctx context.Context, page admin.Page) ([]admin.Operator, string, error)
	Operator(ctx context.Context, named string) (admin.Operator, error)
	SetOperatorRoles(ctx context.Context, named string, assignments []admin.Assignment) (admin.Operator, error)
	DisableOperator(ctx context.Context, named string) error
	EnableOperator(ctx context.Context, named string) error
	DeleteOperator(ctx context.Context, named string) error
}

type serviceOperations interface {
	CreateServiceClient(ctx context.Context, asked admin.NewServiceClient) (storage.Client, string, error)
	ServiceClients(ctx context.Context, page admin.Page) ([]storage.Client, string, error)
	UpdateServiceClient(ctx context.Context, id string, change admin.ServiceClientUpdate) (storage.Client, error)
}

type fileOperations interface {
	PlanFiles(ctx context.Context, request apply.Request) (apply.Plan, func(context.Context) ([]apply.Change, error), error)
	FilesOf(ctx context.Context, directory string) ([]apply.Document, error)
	Drift(ctx context.Context, directory string) (apply.Plan, error)
}
