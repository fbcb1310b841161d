package admin

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/minifed/minifed/audit"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat"
)

const websiteApp = "wxaaaaaaaaaaaaaaaa"

func website() NewConnection {
	return NewConnection{
		Connection: storage.Connection{Directory: "default", Kind: storage.ConnectionWebsite, AppID: websiteApp, OpenPlatform: "shop"},
		AppSecret:  wechat.AppSecret(strings.Repeat("b", 32)),
	}
}

func TestCreateConnection_SealsSecretAndFillsDefaults(t *testing.T) {
	h := newServiceHarness(t)
	entry, err := h.CreateConnection(t.Context(), website())
	must(t, err)
	created := entry.Record
	if created.Provisioning != storage.ProvisionAuto || created.CreatedAt.IsZero() || created.DirectoryIncarnation == "" {
		t.Errorf("created %+v", created)
	}
	opened, err := h.master.Open(created.AppSecret, keys.ConnectionSecretBinding("default", websiteApp))
	if err != nil || string(opened) != strings.Repeat("b", 32) {
		t.Errorf("the secret does not open: %v", err)
	}
	if _, err := h.CreateConnection(t.Context(), website()); !errors.Is(err, ErrExists) {
		t.Errorf("a second one: %v", err)
	}
	if got := h.actions(t, "default"); !slices.Contains(got, string(ActConnectionCreate)) {
		t.Errorf("the audit has %v", got)
	}
}

func TestCreateConnection_ChecksEveryMember(t *testing.T) {
	h := newServiceHarness(t)
	_, _, err := h.CreateClient(t.Context(), miniapp())
	must(t, err)
	_, err = h.CreateConnection(t.Context(), NewConnection{
		Connection: storage.Connection{Directory: "default", Kind: "fax", AppID: "wx", Name: "a\nb", OpenPlatform: "a\nb", Provisioning: "never"}, AppSecret: "short",
	})
	wantInvalid(t, err, "kind", "app_id", "name", "open_platform", "provisioning", "app_secret")
	ofClient := website()
	ofClient.AppID = "wx0123456789abcdef"
	_, err = h.CreateConnection(t.Context(), ofClient)
	wantInvalid(t, err, "app_id")
	_, err = h.CreateConnection(t.Context(), website())
	must(t, err)
	twin := miniapp()
	twin.ID, twin.Federation.AppID = "twin", websiteApp
	_, _, err = h.CreateClient(t.Context(), twin)
	wantInvalid(t, err, "app_id")
	missing := website()
	missing.Directory = "missing"
	if _, err := h.CreateConnection(t.Context(), missing); !errors.Is(err, ErrNotFound) {
		t.Errorf("in a missing directory: %v", err)
	}
}

// The sign-in page has one button for the website and one for the official account.
func TestEnableConnection_AllowsOneOfAKind(t *testing.T) {
	h := newServiceHarness(t)
	_, err := h.CreateConnection(t.Context(), website())
	must(t, err)
	second := website()
	second.AppID = "wxbbbbbbbbbbbbbbbb"
	_, err = h.CreateConnection(t.Context(), second)
	wantInvalid(t, err, "kind")
	_, err = h.DisableConnection(t.Context(), "default", websiteApp)
	must(t, err)
	_, err = h.CreateConnection(t.Context(), second)
	must(t, err)
	_, err = h.EnableConnection(t.Context(), "default", websiteApp)
	wantInvalid(t, err, "kind")
	for _, appID := range []string{"wxcccccccccccccccc", "wxdddddddddddddddd"} {
		native := website()
		native.AppID, native.Kind = appID, storage.ConnectionNativeApp
		_, err = h.CreateConnection(t.Context(), native)
		must(t, err)
	}
}

func TestUpdateConnection_ChangesSettingsAlone(t *testing.T) {
	h := newServiceHarness(t)
	before, err := h.CreateConnection(t.Context(), website())
	must(t, err)
	after, err := h.UpdateConnection(t.Context(), "default", websiteApp, before.Revision(), func(c *storage.Connection) {
		*c = storage.Connection{Name: "Shop", OpenPlatform: "other", Kind: storage.ConnectionNativeApp, AppID: "x", Disabled: true}
	})
	must(t, err)
	want := before.Record
	want.Name, want.OpenPlatform, want.UpdatedAt = "Shop", "other", after.Record.UpdatedAt
	if after.Record != want {
		t.Errorf("got %+v, want %+v", after.Record, want)
	}
	if _, err := h.UpdateConnection(t.Context(), "default", websiteApp, before.Revision(), func(*storage.Connection) {}); !errors.Is(err, ErrChanged) {
		t.Errorf("of an old revision: %v", err)
	}
	must(t, h.SetConnectionSecret(t.Context(), "default", websiteApp, wechat.AppSecret(strings.Repeat("c", 32))))
	current, err := h.Connection(t.Context(), "default", websiteApp)
	must(t, err)
	if has, err := h.HasConnectionSecret(current.Record, wechat.AppSecret(strings.Repeat("c", 32))); err != nil || !has {
		t.Errorf("the secret is not replaced: %v", err)
	}
	wantInvalid(t, h.SetConnectionSecret(t.Context(), "default", websiteApp, "x"), "app_secret")
	entries, _, err := h.AuditTrail(t.Context(), "default", audit.Filter{}, Page{})
	must(t, err)
	for _, entry := range entries {
		if strings.Contains(entry.After["app_secret"], "mk1") {
			t.Errorf("the audit shows a sealed secret: %v", entry.After)
		}
	}
}

func TestTestConnection_AsksByKind(t *testing.T) {
	h := newServiceHarness(t)
	_, err := h.CreateConnection(t.Context(), website())
	must(t, err)
	account := website()
	account.AppID, account.Kind = "wxbbbbbbbbbbbbbbbb", storage.ConnectionOfficialAccount
	_, err = h.CreateConnection(t.Context(), account)
	must(t, err)
	if _, err := h.TestConnection(t.Context(), "default", websiteApp); !errors.Is(err, ErrRefused) {
		t.Errorf("without WeChat: %v", err)
	}
	weChat := &checker{}
	h.config.WeChat = weChat
	for _, appID := range []string{websiteApp, account.AppID} {
		if result, err := h.TestConnection(t.Context(), "default", appID); err != nil || !result.Valid {
			t.Errorf("%s: %+v, %v", appID, result, err)
		}
	}
	if weChat.web.ID != websiteApp || string(weChat.app.ID) != account.AppID {
		t.Errorf("checked %v as an app of the Open Platform and %v as an official account", weChat.web.ID, weChat.app.ID)
	}
}

func TestDeleteDirectory_DeletesConnections(t *testing.T) {
	h := newServiceHarness(t)
	_, err := h.CreateDirectory(t.Context(), storage.Directory{ID: "shop", Name: "Shop"})
	must(t, err)
	asked := website()
	asked.Directory = "shop"
	_, err = h.CreateConnection(t.Context(), asked)
	must(t, err)
	_, err = h.DisableDirectory(t.Context(), "shop")
	must(t, err)
	must(t, h.DeleteDirectory(t.Context(), "shop"))
	_, err = h.CreateDirectory(t.Context(), storage.Directory{ID: "shop", Name: "Shop"})
	must(t, err)
	if connections, _, err := h.Connections(t.Context(), "shop", Page{}); err != nil || len(connections) != 0 {
		t.Errorf("the new directory has %d connections, %v", len(connections), err)
	}
	_, err = h.CreateConnection(t.Context(), asked)
	must(t, err)
	must(t, h.DeleteConnection(t.Context(), "shop", websiteApp))
	if err := h.DeleteConnection(t.Context(), "shop", websiteApp); !errors.Is(err, ErrNotFound) {
		t.Errorf("deleted twice: %v", err)
	}
}

func TestSeparations_NameAppsWithoutCommonAccount(t *testing.T) {
	mini := func(id, account string) storage.Client {
		return storage.Client{ID: id, Federation: &storage.Federation{AppID: "wx" + id, OpenPlatform: account}}
	}
	connection := func(id, account string) storage.Connection {
		return storage.Connection{AppID: "wx" + id, OpenPlatform: account}
	}
	scan := storage.Directory{SignInMethods: []string{storage.SignInScan}}
	tests := map[string]struct {
		directory   storage.Directory
		clients     []storage.Client
		connections []storage.Connection
		want        string
	}{
		"one account":    {storage.Directory{}, []storage.Client{mini("a", "shop")}, []storage.Connection{connection("b", "shop")}, ""},
		"no account":     {storage.Directory{}, []storage.Client{mini("a", "")}, []storage.Connection{connection("b", "")}, "wxa wxb"},
		"missing":        {storage.Directory{}, []storage.Client{mini("a", "shop")}, []storage.Connection{connection("b", "")}, "wxb"},
		"another":        {storage.Directory{}, []storage.Client{mini("a", "shop"), mini("c", "shop")}, []storage.Connection{connection("b", "tea")}, "wxb"},
		"no connections": {storage.Directory{}, []storage.Client{mini("a", ""), mini("b", "")}, nil, ""},
		"scan":           {scan, []storage.Client{mini("a", "shop"), mini("b", "tea"), mini("c", "shop")}, nil, "wxb"},
	}
	for name, tt := range tests {
		var got []string
		for _, found := range Separations(tt.directory, tt.clients, tt.connections) {
			got = append(got, found.AppID)
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: %v, want %s", name, got, tt.want)
		}
	}
}
