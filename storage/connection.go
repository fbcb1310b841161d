package storage

import "time"

// ConnectionKind is the kind of WeChat app that a connection is.
type ConnectionKind string

// The kinds of connections. Each is also the name of a sign-in method.
const (
	// ConnectionWebsite is a website app of the Open Platform: browsers show a QR code that WeChat scans.
	ConnectionWebsite ConnectionKind = "website"
	// ConnectionOfficialAccount is an official account (service account): its pages are open in WeChat's own browser.
	ConnectionOfficialAccount ConnectionKind = "official-account"
	// ConnectionNativeApp is a mobile app of the Open Platform, which gets a code from WeChat's SDK (SendAuth).
	ConnectionNativeApp ConnectionKind = "native-app"
)

// Connection is a WeChat app by which the users of a directory sign in and that is no client: a website app, an official account or
// a mobile app. A directory has one connection for each AppID.
type Connection struct {
	Directory string `json:"directory"`
	// DirectoryIncarnation is that of the directory that the connection was created in.
	DirectoryIncarnation string         `json:"directory_incarnation,omitempty"`
	AppID                string         `json:"app_id"`
	Kind                 ConnectionKind `json:"kind"`
	Name                 string         `json:"name,omitempty"`
	Disabled             bool           `json:"disabled,omitempty"`
	// AppSecret is sealed by the master key.
	AppSecret string `json:"app_secret,omitempty"`
	// PushToken and EncodingAESKey are the token and the key of WeChat's message push, each sealed by the master key. Both are
	// set or none.
	PushToken      string `json:"push_token,omitempty"`
	EncodingAESKey string `json:"encoding_aes_key,omitempty"`
	// OpenPlatform names the Open Platform account that the app is bound to; UnionIDs are unique within it. Empty ignores UnionIDs.
	OpenPlatform string `json:"open_platform,omitempty"`
	// Provisioning is the policy for unknown WeChat users; empty is ProvisionAuto.
	Provisioning Provisioning `json:"provisioning,omitempty"`

	CreatedAt time.Time `json:"created_at,omitzero"`
	UpdatedAt time.Time `json:"updated_at,omitzero"`
}

// Document implements Record.
func (c Connection) Document() Document {
	return Document{Kind: KindConnection, ID: Key(c.Directory, c.AppID), Owner: c.Directory, CreatedAt: c.CreatedAt}
}
