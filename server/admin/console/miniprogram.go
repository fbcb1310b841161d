package console

import (
	"net/http"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/wechat"
)

// testMiniProgram asks WeChat whether AppID and AppSecret of a mini-program are right, and shows the result.
func (c *Console) testMiniProgram(w http.ResponseWriter, r *request) error {
	directory, entry, err := c.clientOf(r)
	if err != nil {
		return err
	}
	result, err := r.service.TestMiniProgram(r.Context(), directory.ID, entry.Record.ID)
	if err != nil {
		return err
	}
	return c.render(w, r, page{
		Template: "credential", Title: text("client.test"), Directory: directory, Tab: "nav.clients", Back: backToClient(directory.ID, entry.Record),
		Data: newCredentialResult(result),
	})
}

// credentialResult is the result of a check of AppID and AppSecret, in words.
type credentialResult struct {
	admin.Credential
	// What says what is wrong, and Remedy what to do.
	What, Remedy message
}

func newCredentialResult(result admin.Credential) credentialResult {
	shown := credentialResult{Credential: result}
	switch {
	case result.Valid:
		return shown
	case result.Errcode == 0 && result.Rejected == "":
		shown.What, shown.Remedy = text("credential.unreachable"), text("credential.unreachable.remedy")
	default:
		shown.What = text("credential.rejected", result.Errcode)
		shown.Remedy = text(remedyKey(result.Rejected))
	}
	return shown
}

func remedyKey(rejected wechat.Setting) string {
	switch rejected {
	case wechat.AppIDSetting:
		return "credential.remedy.app_id"
	case wechat.AppSecretSetting:
		return "credential.remedy.app_secret"
	case wechat.IPListSetting:
		return "credential.remedy.ip_list"
	default:
		return "credential.remedy.other"
	}
}
