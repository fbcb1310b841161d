package admin

import "github.com/minifed/minifed/identity"

// Act is something that an actor does, as audit entries name it.
type Act string

// The acts. Those of the directory Everywhere concern the installation itself.
const (
	ActDirectoryRead    Act = "directory.read"
	ActDirectoryCreate  Act = "directory.create" // Everywhere
	ActDirectoryUpdate  Act = "directory.update"
	ActDirectoryDisable Act = "directory.disable"
	ActDirectoryEnable  Act = "directory.enable"
	ActDirectoryDelete  Act = "directory.delete"
	// ActDirectoryKey sets the key of the SMS provider, or of the captcha.
	ActDirectoryKey Act = "directory.key"

	ActClientRead    Act = "client.read"
	ActClientCreate  Act = "client.create"
	ActClientUpdate  Act = "client.update"
	ActClientDisable Act = "client.disable"
	ActClientEnable  Act = "client.enable"
	ActClientSecret  Act = "client.secret"
	// ActClientSecretAlone adds a secret and removes all earlier ones.
	ActClientSecretAlone Act = "client.secret_alone"
	ActClientAppSecret   Act = "client.app_secret"
	// ActClientPushKeys sets the keys of a mini-program's message push.
	ActClientPushKeys Act = "client.push_keys"
	ActClientDelete   Act = "client.delete"
	// ActClientTest checks an AppSecret at WeChat.
	ActClientTest Act = "client.test"

	// ActInitialTokenCreate and ActInitialTokenRevoke are about the tokens by which programs register clients.
	ActInitialTokenCreate Act = "initial_token.create"
	ActInitialTokenRevoke Act = "initial_token.revoke"

	ActConnectionRead    Act = "connection.read"
	ActConnectionCreate  Act = "connection.create"
	ActConnectionUpdate  Act = "connection.update"
	ActConnectionDisable Act = "connection.disable"
	ActConnectionEnable  Act = "connection.enable"
	ActConnectionSecret  Act = "connection.app_secret"
	// ActConnectionPushKeys sets the keys of a connection's message push.
	ActConnectionPushKeys Act = "connection.push_keys"
	ActConnectionDelete   Act = "connection.delete"
	// ActConnectionTest checks the AppSecret of a connection at WeChat.
	ActConnectionTest Act = "connection.test"

	ActResourceRead    Act = "resource.read"
	ActResourceCreate  Act = "resource.create"
	ActResourceUpdate  Act = "resource.update"
	ActResourceDisable Act = "resource.disable"
	ActResourceEnable  Act = "resource.enable"
	ActResourceDelete  Act = "resource.delete"

	ActUserRead Act = "user.read"
	// ActUserReveal shows what is masked: phone numbers, OpenIDs and UnionIDs.
	ActUserReveal   Act = "user.reveal"
	ActUserCreate   Act = identity.ActionCreate
	ActUserProfile  Act = identity.ActionProfile
	ActUserUsername Act = identity.ActionUsername
	ActUserEmail    Act = identity.ActionEmail
	ActUserPhone    Act = identity.ActionPhone
	ActUserGroups   Act = identity.ActionMembership
	ActUserPassword Act = identity.ActionPassword
	// ActUserPasskey and ActUserTOTP remove a passkey or an authenticator app.
	ActUserPasskey Act = identity.ActionPasskeyRemove
	ActUserTOTP    Act = identity.ActionTOTPRemove
	ActUserDisable Act = identity.ActionDisable
	ActUserEnable  Act = identity.ActionEnable
	ActUserSignOut Act = identity.ActionSignOut
	// ActUserRemoveClient ends what a client was granted by a user.
	ActUserRemoveClient Act = identity.ActionRemoveClient
	ActUserDelete       Act = identity.ActionDelete
	// ActUserRequestDeletion deletes a user after the grace period of the directory, and ActUserRestore cancels that.
	ActUserRequestDeletion Act = identity.ActionDeleteRequest
	ActUserRestore         Act = identity.ActionDeleteCancel
	ActUserMerge           Act = identity.ActionMerge
	ActUserUnmerge         Act = identity.ActionUnmerge
	ActDismissMerge        Act = identity.ActionDismiss
	ActUsersImport         Act = "users.import"
	ActUsersExport         Act = "users.export"
	ActKeysRead            Act = "keys.read"
	ActKeysRotate          Act = "keys.rotate"
	ActKeysRotateNow       Act = "keys.rotate_now"
	ActKeysRevoke          Act = "keys.revoke"
	ActSecretsRotate       Act = "secrets.rotate"
	ActMasterReseal        Act = "master.reseal" // Everywhere
	// ActInstallationExport writes all records.
	ActInstallationExport Act = "installation.export" // Everywhere
	ActAuditRead          Act = "audit.read"
	ActStatisticsRead     Act = "statistics.read"
	ActHealthRead         Act = "health.read" // Everywhere

	ActMetricsRead Act = "metrics.read" // Everywhere

	ActOperatorRead    Act = "operator.read"
	ActOperatorCreate  Act = "operator.create"
	ActOperatorUpdate  Act = "operator.update"
	ActOperatorDisable Act = "operator.disable"
	ActOperatorEnable  Act = "operator.enable"
	ActOperatorDelete  Act = "operator.delete"
	ActServiceRead     Act = "service_client.read"
	ActServiceCreate   Act = "service_client.create"
	ActServiceUpdate   Act = "service_client.update"
	// ActConsoleLink creates the link by which the first owner opens the console.
	ActConsoleLink Act = "console.link"
)

// rule says who may do an act.
type rule struct {
	act Act
	// weakest is the weakest role that may.
	weakest Role
	// irreversible marks an act that cannot be undone: it deletes or discloses. It needs a sign-in within
	// FreshSignIn.
	irreversible bool
	// operators marks an act of the directory of operators whose weakest role holds there too. All others are the owner's.
	operators bool
}

// rulesByAct returns the one table of acts, by act. A Service builds it once.
func rulesByAct() map[Act]rule {
	byAct := map[Act]rule{}
	for _, rule := range []rule{
		{act: ActDirectoryRead, weakest: RoleAuditor},
		{act: ActDirectoryCreate, weakest: RoleAdmin},
		{act: ActDirectoryUpdate, weakest: RoleAdmin},
		{act: ActDirectoryDisable, weakest: RoleAdmin},
		{act: ActDirectoryEnable, weakest: RoleAdmin},
		{act: ActDirectoryKey, weakest: RoleAdmin},
		{act: ActDirectoryDelete, weakest: RoleOwner, irreversible: true},

		{act: ActClientRead, weakest: RoleAuditor},
		{act: ActClientCreate, weakest: RoleAdmin},
		{act: ActClientUpdate, weakest: RoleAdmin},
		{act: ActClientDisable, weakest: RoleAdmin},
		{act: ActClientEnable, weakest: RoleAdmin},
		{act: ActClientSecret, weakest: RoleAdmin},
		{act: ActClientSecretAlone, weakest: RoleAdmin, irreversible: true},
		{act: ActClientAppSecret, weakest: RoleAdmin},
		{act: ActClientPushKeys, weakest: RoleAdmin},
		{act: ActClientTest, weakest: RoleAdmin},
		{act: ActClientDelete, weakest: RoleAdmin, irreversible: true},

		{act: ActInitialTokenCreate, weakest: RoleAdmin},
		{act: ActInitialTokenRevoke, weakest: RoleAdmin},

		{act: ActConnectionRead, weakest: RoleAuditor},
		{act: ActConnectionCreate, weakest: RoleAdmin},
		{act: ActConnectionUpdate, weakest: RoleAdmin},
		{act: ActConnectionDisable, weakest: RoleAdmin},
		{act: ActConnectionEnable, weakest: RoleAdmin},
		{act: ActConnectionSecret, weakest: RoleAdmin},
		{act: ActConnectionPushKeys, weakest: RoleAdmin},
		{act: ActConnectionTest, weakest: RoleAdmin},
		{act: ActConnectionDelete, weakest: RoleAdmin, irreversible: true},
		{act: ActResourceRead, weakest: RoleAuditor},
		{act: ActResourceCreate, weakest: RoleAdmin},
		{act: ActResourceUpdate, weakest: RoleAdmin},
		{act: ActResourceDisable, weakest: RoleAdmin},
		{act: ActResourceEnable, weakest: RoleAdmin},
		{act: ActResourceDelete, weakest: RoleAdmin, irreversible: true},

		{act: ActUserRead, weakest: RoleAuditor},
		{act: ActUserReveal, weakest: RoleSupport},
		{act: ActUserCreate, weakest: RoleSupport},
		{act: ActUserProfile, weakest: RoleSupport},
		{act: ActUserUsername, weakest: RoleSupport},
		{act: ActUserEmail, weakest: RoleSupport},
		{act: ActUserPhone, weakest: RoleSupport},
		{act: ActUserGroups, weakest: RoleAdmin}, // Applications grant rights by groups.
		{act: ActUserPassword, weakest: RoleAdmin, irreversible: true},
		{act: ActUserPasskey, weakest: RoleAdmin, irreversible: true},
		{act: ActUserTOTP, weakest: RoleAdmin, irreversible: true},
		{act: ActUserDisable, weakest: RoleSupport},
		{act: ActUserEnable, weakest: RoleSupport},
		{act: ActUserSignOut, weakest: RoleSupport},
		{act: ActUserRemoveClient, weakest: RoleSupport},
		{act: ActUserDelete, weakest: RoleSupport, irreversible: true},
		{act: ActUserRequestDeletion, weakest: RoleSupport},
		{act: ActUserRestore, weakest: RoleSupport},
		{act: ActUserMerge, weakest: RoleSupport},
		{act: ActUserUnmerge, weakest: RoleSupport},
		{act: ActDismissMerge, weakest: RoleSupport},
		{act: ActUsersImport, weakest: RoleAdmin},
		{act: ActUsersExport, weakest: RoleAdmin, irreversible: true}, // The file has password hashes.

		{act: ActKeysRead, weakest: RoleAuditor},
		{act: ActKeysRotate, weakest: RoleAdmin},
		{act: ActKeysRotateNow, weakest: RoleAdmin},
		{act: ActKeysRevoke, weakest: RoleAdmin, irreversible: true},
		{act: ActSecretsRotate, weakest: RoleAdmin},
		{act: ActMasterReseal, weakest: RoleOwner},
		{act: ActInstallationExport, weakest: RoleOwner, irreversible: true}, // It contains the keys.

		{act: ActAuditRead, weakest: RoleAuditor, operators: true},
		{act: ActStatisticsRead, weakest: RoleAuditor},
		{act: ActHealthRead, weakest: RoleAuditor},
		{act: ActMetricsRead, weakest: RoleAuditor},

		// An operator whose roles grow can act before the change is undone.
		{act: ActOperatorRead, weakest: RoleAuditor, operators: true},
		{act: ActOperatorCreate, weakest: RoleOwner, irreversible: true},
		{act: ActOperatorUpdate, weakest: RoleOwner, irreversible: true},
		{act: ActOperatorDisable, weakest: RoleOwner},
		{act: ActOperatorEnable, weakest: RoleOwner},
		{act: ActOperatorDelete, weakest: RoleOwner, irreversible: true},
		{act: ActServiceRead, weakest: RoleAuditor, operators: true},
		{act: ActServiceCreate, weakest: RoleOwner, irreversible: true},
		{act: ActServiceUpdate, weakest: RoleOwner, irreversible: true},
		{act: ActConsoleLink, weakest: RoleOwner, irreversible: true},
	} {
		byAct[rule.act] = rule
	}
	return byAct
}

// Requirement returns the weakest role that may do the act, and whether an operator needs a sign-in within FreshSignIn. It is for
// documents: a Service checks acts faster.
func (a Act) Requirement() (weakest Role, fresh bool) {
	rule := rulesByAct()[a]
	return rule.weakest, rule.irreversible
}
