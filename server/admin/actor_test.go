package admin

import (
	"context"
	"errors"
	"io"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/minifed/minifed/audit"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/statistics"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

// methodCall calls one method of the service for a directory.
type methodCall struct {
	// acts must all be allowed; wide says that the method concerns the installation, and lists that it returns what is allowed.
	acts       []Act
	wide, list bool
	call       func(ctx context.Context, s *Service, directory string) error
}

// methodCalls has a row for every exported method of the service that needs authority.
func methodCalls() map[string]methodCall {
	text := "x"
	everything := UserUpdate{
		Username: &text, Email: &text, Phone: &text, Profile: func(*storage.Profile) {}, Membership: func(*identity.Membership) {},
	}
	updates := []Act{ActUserProfile, ActUserGroups, ActUserUsername, ActUserEmail, ActUserPhone}
	return map[string]methodCall{
		"AuditTrail": {acts: []Act{ActAuditRead}, call: func(ctx context.Context, s *Service, d string) error {
			_, _, err := s.AuditTrail(ctx, d, audit.Filter{}, Page{})
			return err
		}},
		"Statistics": {acts: []Act{ActStatisticsRead}, call: func(ctx context.Context, s *Service, d string) error {
			_, err := s.Statistics(ctx, d, statistics.Range{From: s.now().Add(-time.Hour), To: s.now(), Step: time.Minute})
			return err
		}},
		"Health": {acts: []Act{ActHealthRead}, wide: true, call: func(ctx context.Context, s *Service, _ string) error {
			_, err := s.Health(ctx)
			return err
		}},
		"ExportAudit": {acts: []Act{ActAuditRead}, call: func(ctx context.Context, s *Service, d string) error {
			return s.ExportAudit(ctx, d, audit.Filter{}, func(storage.AuditEntry) error { return nil })
		}},
		"VerifyAudit": {acts: []Act{ActAuditRead}, wide: true, call: func(ctx context.Context, s *Service, _ string) error {
			_, err := s.VerifyAudit(ctx, nil)
			return err
		}},
		"SignedInBy": {acts: []Act{ActUserRead}, call: func(ctx context.Context, s *Service, d string) error {
			_, err := s.SignedInBy(ctx, d, "c")
			return err
		}},
		"CreateInitialToken": {acts: []Act{ActInitialTokenCreate}, call: func(ctx context.Context, s *Service, d string) error {
			_, _, err := s.CreateInitialToken(ctx, NewInitialToken{Directory: d})
			return err
		}},
		"InitialTokens": {acts: []Act{ActClientRead}, call: func(ctx context.Context, s *Service, d string) error {
			_, _, err := s.InitialTokens(ctx, d, Page{})
			return err
		}},
		"RevokeInitialToken": {acts: []Act{ActInitialTokenRevoke}, call: func(ctx context.Context, s *Service, d string) error {
			return s.RevokeInitialToken(ctx, d, "x")
		}},
		"CreateConnection": {acts: []Act{ActConnectionCreate}, call: func(ctx context.Context, s *Service, d string) error {
			_, err := s.CreateConnection(ctx, NewConnection{Connection: storage.Connection{Directory: d}})
			return err
		}},
		"Connection": {acts: []Act{ActConnectionRead}, call: func(ctx context.Context, s *Service, d string) error {
			_, err := s.Connection(ctx, d, "wx")
			return err
		}},
		"Connections": {acts: []Act{ActConnectionRead}, call: func(ctx context.Context, s *Service, d string) error {
			_, _, err := s.Connections(ctx, d, Page{})
			return err
		}},
		"UpdateConnection": {acts: []Act{ActConnectionUpdate}, call: func(ctx context.Context, s *Service, d string) error {
			_, err := s.UpdateConnection(ctx, d, "wx", "", func(*storage.Connection) {})
			return err
		}},
		"DisableConnection": {acts: []Act{ActConnectionDisable}, call: func(ctx context.Context, s *Service, d string) error {
			_, err := s.DisableConnection(ctx, d, "wx")
			return err
		}},
		"EnableConnection": {acts: []Act{ActConnectionEnable}, call: func(ctx context.Context, s *Service, d string) error {
			_, err := s.EnableConnection(ctx, d, "wx")
			return err
		}},
		"SetDirectoryKey": {acts: []Act{ActDirectoryKey}, call: func(ctx context.Context, s *Service, d string) error {
			return s.SetDirectoryKey(ctx, d, SMSKey, "a long key")
		}},
		"SetConnectionSecret": {acts: []Act{ActConnectionSecret}, call: func(ctx context.Context, s *Service, d string) error {
			return s.SetConnectionSecret(ctx, d, "wx", "s")
		}},
		"SetConnectionPushKeys": {acts: []Act{ActConnectionPushKeys}, call: func(ctx context.Context, s *Service, d string) error {
			return s.SetConnectionPushKeys(ctx, d, "wx", PushKeys{})
		}},
		"HasConnectionPushKeys": {acts: []Act{ActConnectionPushKeys}, call: func(_ context.Context, s *Service, d string) error {
			_, err := s.HasConnectionPushKeys(storage.Connection{Directory: d}, PushKeys{})
			return err
		}},
		"HasConnectionSecret": {acts: []Act{ActConnectionSecret}, call: func(_ context.Context, s *Service, d string) error {
			_, err := s.HasConnectionSecret(storage.Connection{Directory: d}, "s")
			return err
		}},
		"DeleteConnection": {acts: []Act{ActConnectionDelete}, call: func(ctx context.Context, s *Service, d string) error {
			return s.DeleteConnection(ctx, d, "wx")
		}},
		"TestConnection": {acts: []Act{ActConnectionTest}, call: func(ctx context.Context, s *Service, d string) error {
			_, err := s.TestConnection(ctx, d, "wx")
			return err
		}},
		"PreviewConnection": {acts: []Act{ActConnectionRead}, call: func(ctx context.Context, s *Service, d string) error {
			_, err := s.PreviewConnection(ctx, storage.Directory{ID: d}, NewConnection{})
			return err
		}},
		"PreviewConnectionUpdate": {acts: []Act{ActConnectionRead}, call: func(_ context.Context, s *Service, d string) error {
			_, err := s.PreviewConnectionUpdate(storage.Connection{Directory: d}, func(*storage.Connection) {})
			return err
		}},
		"PreviewResource": {acts: []Act{ActResourceRead}, call: func(_ context.Context, s *Service, d string) error {
			_, err := s.PreviewResource(storage.Directory{ID: d}, storage.Resource{})
			return err
		}},
		"PreviewResourceUpdate": {acts: []Act{ActResourceRead}, call: func(_ context.Context, s *Service, d string) error {
			_, err := s.PreviewResourceUpdate(storage.Resource{Directory: d}, storage.Directory{ID: d}, func(*storage.Resource) {})
			return err
		}},
		"CreateResource": {acts: []Act{ActResourceCreate}, call: func(ctx context.Context, s *Service, d string) error {
			_, err := s.CreateResource(ctx, storage.Resource{Directory: d})
			return err
		}},
		"Resource": {acts: []Act{ActResourceRead}, call: func(ctx context.Context, s *Service, d string) error {
			_, err := s.Resource(ctx, d, "https://api.example.com")
			return err
		}},
		"Resources": {acts: []Act{ActResourceRead}, call: func(ctx context.Context, s *Service, d string) error {
			_, _, err := s.Resources(ctx, d, Page{})
			return err
		}},
		"UpdateResource": {acts: []Act{ActResourceUpdate}, call: func(ctx context.Context, s *Service, d string) error {
			_, err := s.UpdateResource(ctx, d, "https://api.example.com", "", func(*storage.Resource) {})
			return err
		}},
		"DisableResource": {acts: []Act{ActResourceDisable}, call: func(ctx context.Context, s *Service, d string) error {
			_, err := s.DisableResource(ctx, d, "https://api.example.com")
			return err
		}},
		"EnableResource": {acts: []Act{ActResourceEnable}, call: func(ctx context.Context, s *Service, d string) error {
			_, err := s.EnableResource(ctx, d, "https://api.example.com")
			return err
		}},
		"DeleteResource": {acts: []Act{ActResourceDelete}, call: func(ctx context.Context, s *Service, d string) error {
			return s.DeleteResource(ctx, d, "https://api.example.com")
		}},
		"UnionIDGaps": {acts: []Act{ActConnectionRead}, call: func(ctx context.Context, s *Service, d string) error {
			_, err := s.UnionIDGaps(ctx, d)
			return err
		}},
		"Separations": {acts: []Act{ActConnectionRead}, call: func(ctx context.Context, s *Service, d string) error {
			_, err := s.Separations(ctx, d)
			return err
		}},
		"ScanProblems": {acts: []Act{ActClientRead}, call: func(ctx context.Context, s *Service, d string) error {
			_, err := s.ScanProblems(ctx, d)
			return err
		}},
		"CreateClient": {acts: []Act{ActClientCreate}, call: func(ctx context.Context, s *Service, d string) error {
			_, _, err := s.CreateClient(ctx, NewClient{Client: storage.Client{Directory: d}})
			return err
		}},
		"Client": {acts: []Act{ActClientRead}, call: func(ctx context.Context, s *Service, d string) error {
			_, err := s.Client(ctx, d, "c")
			return err
		}},
		"Clients": {acts: []Act{ActClientRead}, call: func(ctx context.Context, s *Service, d string) error {
			_, _, err := s.Clients(ctx, d, Page{})
			return err
		}},
		"UpdateClient": {acts: []Act{ActClientUpdate}, call: func(ctx context.Context, s *Service, d string) error {
			_, err := s.UpdateClient(ctx, d, "c", "", func(*storage.Client) {})
			return err
		}},
		"Described": {acts: []Act{ActDirectoryRead}, call: func(ctx context.Context, s *Service, d string) error {
			_, err := s.Described(ctx, d)
			return err
		}},
		"SetDescribed": {acts: []Act{ActDirectoryUpdate}, call: func(ctx context.Context, s *Service, d string) error {
			return s.SetDescribed(ctx, d, nil)
		}},
		"AddUser": {acts: append([]Act{ActUserCreate}, updates...), call: func(ctx context.Context, s *Service, d string) error {
			_, err := s.AddUser(ctx, d, identity.Account{Username: "alice"}, everything)
			return err
		}},
		"PreviewClient": {acts: []Act{ActClientRead}, call: func(ctx context.Context, s *Service, d string) error {
			_, err := s.PreviewClient(ctx, storage.Directory{ID: d}, NewClient{})
			return err
		}},
		"PreviewClientUpdate": {acts: []Act{ActClientRead}, call: func(ctx context.Context, s *Service, d string) error {
			_, err := s.PreviewClientUpdate(ctx, storage.Directory{ID: d}, storage.Client{Directory: d}, func(*storage.Client) {})
			return err
		}},
		"HasClientSecret": {acts: []Act{ActClientSecret}, call: func(ctx context.Context, s *Service, d string) error {
			_, err := s.HasClientSecret(ctx, storage.Client{Directory: d}, "s")
			return err
		}},
		"HasAppSecret": {acts: []Act{ActClientAppSecret}, call: func(_ context.Context, s *Service, d string) error {
			_, err := s.HasAppSecret(storage.Client{Directory: d}, "s")
			return err
		}},
		"PreviewDirectory": {acts: []Act{ActDirectoryRead}, call: func(ctx context.Context, s *Service, d string) error {
			_, err := s.PreviewDirectory(ctx, storage.Directory{ID: d})
			return err
		}},
		"PreviewDirectoryUpdate": {acts: []Act{ActDirectoryRead}, call: func(ctx context.Context, s *Service, d string) error {
			_, err := s.PreviewDirectoryUpdate(ctx, storage.Directory{ID: d}, func(*storage.Directory) {})
			return err
		}},
		"DisableClient": {acts: []Act{ActClientDisable}, call: func(ctx context.Context, s *Service, d string) error {
			_, err := s.DisableClient(ctx, d, "c")
			return err
		}},
		"EnableClient": {acts: []Act{ActClientEnable}, call: func(ctx context.Context, s *Service, d string) error {
			_, err := s.EnableClient(ctx, d, "c")
			return err
		}},
		"RotateClientSecret": {acts: []Act{ActClientSecret}, call: func(ctx context.Context, s *Service, d string) error {
			_, err := s.RotateClientSecret(ctx, d, "c", "", false)
			return err
		}},
		"RotateClientSecret alone": {acts: []Act{ActClientSecretAlone}, call: func(ctx context.Context, s *Service, d string) error {
			_, err := s.RotateClientSecret(ctx, d, "c", "", true)
			return err
		}},
		"SetAppSecret": {acts: []Act{ActClientAppSecret}, call: func(ctx context.Context, s *Service, d string) error {
			return s.SetAppSecret(ctx, d, "c", "s")
		}},
		"SetPushKeys": {acts: []Act{ActClientPushKeys}, call: func(ctx context.Context, s *Service, d string) error {
			return s.SetPushKeys(ctx, d, "c", PushKeys{})
		}},
		"HasPushKeys": {acts: []Act{ActClientPushKeys}, call: func(_ context.Context, s *Service, d string) error {
			_, err := s.HasPushKeys(storage.Client{Directory: d}, PushKeys{})
			return err
		}},
		"TestMiniProgram": {acts: []Act{ActClientTest}, call: func(ctx context.Context, s *Service, d string) error {
			_, err := s.TestMiniProgram(ctx, d, "c")
			return err
		}},
		"TestCredential": {acts: []Act{ActClientTest}, call: func(ctx context.Context, s *Service, d string) error {
			_, err := s.TestCredential(ctx, d, "a", "s")
			return err
		}},
		"DeleteClient": {acts: []Act{ActClientDelete}, call: func(ctx context.Context, s *Service, d string) error {
			return s.DeleteClient(ctx, d, "c")
		}},
		"CreateDirectory": {acts: []Act{ActDirectoryCreate}, wide: true, call: func(ctx context.Context, s *Service, _ string) error {
			_, err := s.CreateDirectory(ctx, storage.Directory{ID: "fresh", Name: "Fresh"})
			return err
		}},
		"EnsureDirectory": {acts: []Act{ActDirectoryCreate}, wide: true, call: func(ctx context.Context, s *Service, _ string) error {
			_, err := s.EnsureDirectory(ctx, storage.Directory{ID: "fresh", Name: "Fresh"})
			return err
		}},
		"EnsureOperators": {acts: []Act{ActDirectoryCreate}, wide: true, call: func(ctx context.Context, s *Service, _ string) error {
			return s.EnsureOperators(ctx)
		}},
		"Operators": {acts: []Act{ActOperatorRead}, wide: true, call: func(ctx context.Context, s *Service, _ string) error {
			_, _, err := s.Operators(ctx, Page{})
			return err
		}},
		"Operator": {acts: []Act{ActOperatorRead}, wide: true, call: func(ctx context.Context, s *Service, _ string) error {
			_, err := s.Operator(ctx, "alice")
			return err
		}},
		"CreateOperator": {acts: []Act{ActOperatorCreate}, wide: true, call: func(ctx context.Context, s *Service, _ string) error {
			_, _, err := s.CreateOperator(ctx, NewOperator{})
			return err
		}},
		"SetOperatorRoles": {acts: []Act{ActOperatorUpdate}, wide: true, call: func(ctx context.Context, s *Service, _ string) error {
			_, err := s.SetOperatorRoles(ctx, "alice", nil)
			return err
		}},
		"DisableOperator": {acts: []Act{ActOperatorDisable}, wide: true, call: func(ctx context.Context, s *Service, _ string) error {
			return s.DisableOperator(ctx, "alice")
		}},
		"EnableOperator": {acts: []Act{ActOperatorEnable}, wide: true, call: func(ctx context.Context, s *Service, _ string) error {
			return s.EnableOperator(ctx, "alice")
		}},
		"DeleteOperator": {acts: []Act{ActOperatorDelete}, wide: true, call: func(ctx context.Context, s *Service, _ string) error {
			return s.DeleteOperator(ctx, "alice")
		}},
		"ServiceClients": {acts: []Act{ActServiceRead}, wide: true, call: func(ctx context.Context, s *Service, _ string) error {
			_, _, err := s.ServiceClients(ctx, Page{})
			return err
		}},
		"CreateServiceClient": {acts: []Act{ActServiceCreate}, wide: true, call: func(ctx context.Context, s *Service, _ string) error {
			_, _, err := s.CreateServiceClient(ctx, NewServiceClient{})
			return err
		}},
		"UpdateServiceClient": {acts: []Act{ActServiceUpdate}, wide: true, call: func(ctx context.Context, s *Service, _ string) error {
			_, err := s.UpdateServiceClient(ctx, "c", ServiceClientUpdate{})
			return err
		}},
		"ConsoleLink": {acts: []Act{ActConsoleLink}, wide: true, call: func(ctx context.Context, s *Service, _ string) error {
			_, err := s.ConsoleLink(ctx, true)
			return err
		}},
		"Directory": {acts: []Act{ActDirectoryRead}, call: func(ctx context.Context, s *Service, d string) error {
			_, err := s.Directory(ctx, d)
			return err
		}},
		"Directories": {list: true, call: func(ctx context.Context, s *Service, _ string) error {
			_, _, err := s.Directories(ctx, Page{})
			return err
		}},
		"UpdateDirectory": {acts: []Act{ActDirectoryUpdate}, call: func(ctx context.Context, s *Service, d string) error {
			_, err := s.UpdateDirectory(ctx, d, "", func(*storage.Directory) {})
			return err
		}},
		"DisableDirectory": {acts: []Act{ActDirectoryDisable}, call: func(ctx context.Context, s *Service, d string) error {
			_, err := s.DisableDirectory(ctx, d)
			return err
		}},
		"EnableDirectory": {acts: []Act{ActDirectoryEnable}, call: func(ctx context.Context, s *Service, d string) error {
			_, err := s.EnableDirectory(ctx, d)
			return err
		}},
		"DeleteDirectory": {acts: []Act{ActDirectoryDelete}, call: func(ctx context.Context, s *Service, d string) error {
			return s.DeleteDirectory(ctx, d)
		}},
		"MergeCandidates": {acts: []Act{ActUserRead}, call: func(ctx context.Context, s *Service, d string) error {
			_, _, err := s.MergeCandidates(ctx, d, Page{})
			return err
		}},
		"AcceptMerge": {acts: []Act{ActUserMerge}, call: func(ctx context.Context, s *Service, d string) error {
			_, err := s.AcceptMerge(ctx, d, "m")
			return err
		}},
		"DismissMerge": {acts: []Act{ActDismissMerge}, call: func(ctx context.Context, s *Service, d string) error {
			return s.DismissMerge(ctx, d, "m")
		}},
		"MergeUsers": {acts: []Act{ActUserMerge}, call: func(ctx context.Context, s *Service, d string) error {
			_, err := s.MergeUsers(ctx, d, "a", "b")
			return err
		}},
		"PreviewMerges": {acts: []Act{ActUserRead}, call: func(ctx context.Context, s *Service, d string) error {
			_, err := s.PreviewMerges(ctx, d, []string{"m"})
			return err
		}},
		"AcceptMerges": {acts: []Act{ActUserMerge}, call: func(ctx context.Context, s *Service, d string) error {
			_, _, err := s.AcceptMerges(ctx, d, []string{"m"})
			return err
		}},
		"MergeBatches": {acts: []Act{ActUserRead}, call: func(ctx context.Context, s *Service, d string) error {
			_, _, err := s.MergeBatches(ctx, d, Page{})
			return err
		}},
		"UndoMerges": {acts: []Act{ActUserUnmerge}, call: func(ctx context.Context, s *Service, d string) error {
			_, err := s.UndoMerges(ctx, d, "b")
			return err
		}},
		"UndoMerge": {acts: []Act{ActUserUnmerge}, call: func(ctx context.Context, s *Service, d string) error {
			return s.UndoMerge(ctx, d, "m")
		}},
		"SigningKeys": {acts: []Act{ActKeysRead}, call: func(ctx context.Context, s *Service, d string) error {
			_, err := s.SigningKeys(ctx, d)
			return err
		}},
		"CanSign": {acts: []Act{ActKeysRead}, call: func(ctx context.Context, s *Service, d string) error { return s.CanSign(ctx, d) }},
		"RotateSigningKey": {acts: []Act{ActKeysRotate}, call: func(ctx context.Context, s *Service, d string) error {
			_, err := s.RotateSigningKey(ctx, d, "ES256")
			return err
		}},
		"RotateSigningKeyNow": {acts: []Act{ActKeysRotateNow}, call: func(ctx context.Context, s *Service, d string) error {
			_, err := s.RotateSigningKeyNow(ctx, d, "ES256")
			return err
		}},
		"RevokeSigningKey": {acts: []Act{ActKeysRevoke}, call: func(ctx context.Context, s *Service, d string) error {
			_, err := s.RevokeSigningKey(ctx, d, "k")
			return err
		}},
		"RotateTokenSecrets": {acts: []Act{ActSecretsRotate}, call: func(ctx context.Context, s *Service, d string) error {
			_, _, err := s.RotateTokenSecrets(ctx, d)
			return err
		}},
		"ExportInstallation": {acts: []Act{ActInstallationExport}, wide: true, call: func(ctx context.Context, s *Service, _ string) error {
			return s.ExportInstallation(ctx, io.Discard)
		}},
		"Reseal": {acts: []Act{ActMasterReseal}, wide: true, call: func(ctx context.Context, s *Service, _ string) error {
			_, err := s.Reseal(ctx)
			return err
		}},
		"ImportUsers": {acts: []Act{ActUsersImport}, call: func(ctx context.Context, s *Service, d string) error {
			_, err := s.ImportUsers(ctx, d, UserImport{})
			return err
		}},
		"ExportUsers": {acts: []Act{ActUsersExport}, call: func(ctx context.Context, s *Service, d string) error {
			_, err := s.ExportUsers(ctx, d, io.Discard, nil)
			return err
		}},
		"CreateUser": {acts: []Act{ActUserCreate}, call: func(ctx context.Context, s *Service, d string) error {
			_, err := s.CreateUser(ctx, d, identity.Account{Username: "alice"})
			return err
		}},
		"UserID": {acts: []Act{ActUserRead}, call: func(ctx context.Context, s *Service, d string) error {
			_, err := s.UserID(ctx, d, "alice")
			return err
		}},
		"CheckUserUpdate": {acts: append([]Act{ActUserCreate}, updates...), call: func(ctx context.Context, s *Service, d string) error {
			return s.CheckUserUpdate(ctx, d, everything)
		}},
		"UpdateUser": {acts: updates, call: func(ctx context.Context, s *Service, d string) error {
			_, err := s.UpdateUser(ctx, d, "u", everything)
			return err
		}},
		"User": {acts: []Act{ActUserRead}, call: func(ctx context.Context, s *Service, d string) error {
			_, err := s.User(ctx, d, "u")
			return err
		}},
		"FindUsers": {acts: []Act{ActUserRead}, call: func(ctx context.Context, s *Service, d string) error {
			_, _, err := s.FindUsers(ctx, d, UserSearch{Text: "alice"}, Page{})
			return err
		}},
		"RevealUser": {acts: []Act{ActUserReveal}, call: func(ctx context.Context, s *Service, d string) error {
			_, err := s.RevealUser(ctx, d, "u")
			return err
		}},
		"UserSessions": {acts: []Act{ActUserRead}, call: func(ctx context.Context, s *Service, d string) error {
			_, _, err := s.UserSessions(ctx, d, "u", Page{})
			return err
		}},
		"EndUserSession": {acts: []Act{ActUserSignOut}, call: func(ctx context.Context, s *Service, d string) error {
			return s.EndUserSession(ctx, d, "u", "s")
		}},
		"UserGrants": {acts: []Act{ActUserRead}, call: func(ctx context.Context, s *Service, d string) error {
			_, _, err := s.UserGrants(ctx, d, "u", Page{})
			return err
		}},
		"EndUserGrant": {acts: []Act{ActUserRemoveClient}, call: func(ctx context.Context, s *Service, d string) error {
			return s.EndUserGrant(ctx, d, "u", "g")
		}},
		"RemoveUserClient": {acts: []Act{ActUserRemoveClient}, call: func(ctx context.Context, s *Service, d string) error {
			return s.RemoveUserClient(ctx, d, "u", "c")
		}},
		"UserMethods": {acts: []Act{ActUserRead}, call: func(ctx context.Context, s *Service, d string) error {
			_, err := s.UserMethods(ctx, d, "u")
			return err
		}},
		"PasskeyHosts": {acts: []Act{ActUserRead}, call: func(ctx context.Context, s *Service, d string) error {
			_, err := s.PasskeyHosts(ctx, d)
			return err
		}},
		"RemoveUserPasskey": {acts: []Act{ActUserPasskey}, call: func(ctx context.Context, s *Service, d string) error {
			return s.RemoveUserPasskey(ctx, d, "u", "p")
		}},
		"RemoveUserTOTP": {acts: []Act{ActUserTOTP}, call: func(ctx context.Context, s *Service, d string) error { return s.RemoveUserTOTP(ctx, d, "u") }},
		"ResetUserPassword": {acts: []Act{ActUserPassword}, call: func(ctx context.Context, s *Service, d string) error {
			_, err := s.ResetUserPassword(ctx, d, "u")
			return err
		}},
		"Users": {acts: []Act{ActUserRead}, call: func(ctx context.Context, s *Service, d string) error {
			_, _, err := s.Users(ctx, d, "", Page{})
			return err
		}},
		"SetUserPassword": {acts: []Act{ActUserPassword}, call: func(ctx context.Context, s *Service, d string) error {
			return s.SetUserPassword(ctx, d, "u", "correct horse battery")
		}},
		"DisableUser":         {acts: []Act{ActUserDisable}, call: func(ctx context.Context, s *Service, d string) error { return s.DisableUser(ctx, d, "u") }},
		"EnableUser":          {acts: []Act{ActUserEnable}, call: func(ctx context.Context, s *Service, d string) error { return s.EnableUser(ctx, d, "u") }},
		"SignOutUser":         {acts: []Act{ActUserSignOut}, call: func(ctx context.Context, s *Service, d string) error { return s.SignOutUser(ctx, d, "u") }},
		"RequestUserDeletion": {acts: []Act{ActUserRequestDeletion}, call: func(ctx context.Context, s *Service, d string) error { return s.RequestUserDeletion(ctx, d, "u") }},
		"RestoreUser":         {acts: []Act{ActUserRestore}, call: func(ctx context.Context, s *Service, d string) error { return s.RestoreUser(ctx, d, "u") }},
		"DeleteUser":          {acts: []Act{ActUserDelete}, call: func(ctx context.Context, s *Service, d string) error { return s.DeleteUser(ctx, d, "u") }},
	}
}

var errReached = errors.New("reached the store")

// newUnreachableHarness returns a harness whose store returns errReached and counts.
func newUnreachableHarness(t *testing.T) (*serviceHarness, *int) {
	t.Helper()
	h, reached := newServiceHarness(t), 0
	h.engine.Before = func(context.Context, storagetest.Operation) error {
		reached++
		return errReached
	}
	return h, &reached
}

func TestAllowed_EveryMethodHasRow(t *testing.T) {
	rows := methodCalls()
	// IssuerOf reads nothing, and the last two need the secret of the link.
	without := []string{"As", "Allowed", "IssuerOf", "FirstOwner", "ConsoleLinkOpen"}
	for method := range reflect.TypeFor[*Service]().Methods() {
		if slices.Contains(without, method.Name) {
			continue
		}
		if _, listed := rows[method.Name]; !listed {
			t.Errorf("method %s has no row in methodCalls: begin it with s.Allowed, and add the row", method.Name)
		}
	}
}

func TestAllowed_EveryMethodAndRole(t *testing.T) {
	h, reached := newUnreachableHarness(t)
	for name, row := range methodCalls() {
		for _, role := range Roles() {
			for _, place := range []struct{ assigned, asked string }{
				{"own", "own"},
				{"own", "other"},
				{storage.Everywhere, "other"},
				{"own", storage.OperatorsDirectory},
				{storage.Everywhere, storage.OperatorsDirectory},
				{storage.OperatorsDirectory, storage.OperatorsDirectory},
			} {
				actor := Actor{Name: "operator:x", Assignments: []Assignment{{place.assigned, role}}, AuthTime: h.at}
				want := row.list || wantAllowed(row, role, place.assigned, place.asked)
				*reached = 0
				err := row.call(t.Context(), h.As(actor), place.asked)
				if got := !errors.Is(err, ErrForbidden); got != want {
					t.Errorf("%s by %s of %s in %s: error %v", name, role, place.assigned, place.asked, err)
				}
				if !want && *reached > 0 {
					t.Errorf("%s by %s of %s in %s reads the store before the check", name, role, place.assigned, place.asked)
				}
			}
		}
	}
}

// wantAllowed repeats the rules in other words: by counting ranks.
func wantAllowed(row methodCall, role Role, assigned, asked string) bool {
	rank := map[Role]int{RoleAuditor: 1, RoleSupport: 2, RoleAdmin: 3, RoleOwner: 4}
	if assigned != storage.Everywhere && (row.wide || asked == storage.OperatorsDirectory || assigned != asked) {
		return false
	}
	for _, act := range row.acts {
		rule := rulesByAct()[act]
		weakest := rule.weakest
		if asked == storage.OperatorsDirectory && !row.wide && act != ActAuditRead {
			weakest = RoleOwner
		}
		if rank[role] < rank[weakest] {
			return false
		}
	}
	return true
}

func TestAllowed_IrreversibleNeedsFreshSignIn(t *testing.T) {
	h, _ := newUnreachableHarness(t)
	owner := []Assignment{{storage.Everywhere, RoleOwner}}
	irreversible := 0
	for name, row := range methodCalls() {
		want := false
		for _, act := range row.acts {
			rule, known := rulesByAct()[act]
			if !known {
				t.Fatalf("act %s is not in the table", act)
			}
			want = want || rule.irreversible
		}
		if want {
			irreversible++
		}
		for actor, again := range map[*Actor]bool{
			{Name: "operator:x", Assignments: owner, AuthTime: h.at.Add(-FreshSignIn - time.Minute)}: want,
			{Name: "operator:x", Assignments: owner}:                                                 want,
			{Name: "operator:x", Assignments: owner, AuthTime: h.at}:                                 false,
			{Name: "service:x", Assignments: owner}:                                                  false,
			{Name: "cli:x", Local: true}:                                                             false,
		} {
			if err := row.call(t.Context(), h.As(*actor), "default"); errors.Is(err, ErrSignInAgain) != again {
				t.Errorf("%s by %s, signed in at %v: error %v", name, actor.Name, actor.AuthTime, err)
			}
		}
	}
	if irreversible < 6 {
		t.Errorf("%d methods cannot be undone", irreversible)
	}
}

func TestAllowed_UnknownRoleAndActAreRejected(t *testing.T) {
	h := newServiceHarness(t)
	for _, actor := range []Actor{
		{Name: "operator:x"},
		{Name: "operator:x", Assignments: []Assignment{{storage.Everywhere, "root"}, {storage.Everywhere, ""}}},
	} {
		if err := h.As(actor).Allowed("default", ActDirectoryRead); !errors.Is(err, ErrForbidden) {
			t.Errorf("%+v: error %v", actor, err)
		}
	}
	if err := h.Allowed("default", "user.teleport"); err == nil {
		t.Error("an act that is not in the table is allowed")
	}
}

func TestDirectories_OnlyAllowed(t *testing.T) {
	h := newServiceHarness(t)
	for _, id := range []string{"a", "b", "c"} {
		_, err := h.CreateDirectory(t.Context(), storage.Directory{ID: id, Name: id})
		must(t, err)
	}
	service := h.As(Actor{Name: "operator:x", Assignments: []Assignment{{"c", RoleAuditor}, {"gone", RoleOwner}}})
	directories, _, err := service.Directories(t.Context(), Page{Limit: 1})
	must(t, err)
	if len(directories) != 1 || directories[0].ID != "c" {
		t.Errorf("got %+v", directories)
	}
}
