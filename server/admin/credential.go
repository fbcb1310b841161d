package admin

import (
	"context"
	"errors"
	"fmt"

	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat"
)

// CredentialChecker asks WeChat whether the AppID and AppSecret of an app are right. It is implemented by *wechat.Client.
type CredentialChecker interface {
	// CheckCredential is for mini-programs and official accounts.
	CheckCredential(ctx context.Context, app wechat.App) error
	// CheckWebCredential is for website and mobile apps of the Open Platform.
	CheckWebCredential(ctx context.Context, app wechat.App) error
}

// Credential is the result of a check of an AppID and AppSecret at WeChat.
type Credential struct {
	// Valid says that WeChat accepts them from this server.
	Valid bool `json:"valid"`
	// Rejected is the setting that WeChat rejects, if it rejects one.
	Rejected wechat.Setting `json:"rejected,omitempty"`
	// Errcode and RID are WeChat's, if it responded.
	Errcode int    `json:"errcode,omitempty"`
	RID     string `json:"rid,omitempty"`
	// Problem says what is wrong, and Remedy what to do.
	Problem string `json:"problem,omitempty"`
	Remedy  string `json:"remedy,omitempty"`
}

// TestMiniProgram checks the AppID and AppSecret of a client at WeChat.
func (s *Service) TestMiniProgram(ctx context.Context, directory, id string) (Credential, error) {
	if err := s.Allowed(directory, ActClientTest); err != nil {
		return Credential{}, err
	}
	entry, err := s.client(ctx, directory, id)
	if err != nil {
		return Credential{}, err
	}
	federation := entry.Record.Federation
	if federation == nil {
		return Credential{}, fmt.Errorf("%w: a %s client has no AppSecret", ErrRefused, entry.Record.Kind)
	}
	secret, err := s.config.Master.Open(federation.AppSecret, keys.AppSecretBinding(directory, id))
	if err != nil {
		return Credential{}, err
	}
	return s.testCredential(ctx, wechat.App{ID: wechat.AppID(federation.AppID), Secret: wechat.AppSecret(secret)})
}

// TestCredential checks an AppID and AppSecret at WeChat before a client has them.
func (s *Service) TestCredential(ctx context.Context, directory, appID string, secret wechat.AppSecret) (Credential, error) {
	if err := s.Allowed(directory, ActClientTest); err != nil {
		return Credential{}, err
	}
	var p problems
	p.check("app_id", checkAppID(appID))
	p.check("app_secret", checkAppSecret(secret, &storage.Federation{AppID: appID}))
	if err := p.err(); err != nil {
		return Credential{}, err
	}
	return s.testCredential(ctx, wechat.App{ID: wechat.AppID(appID), Secret: secret})
}

func (s *Service) testCredential(ctx context.Context, app wechat.App) (Credential, error) {
	if s.config.WeChat == nil {
		return Credential{}, errNoWeChat()
	}
	return judgeCredential(s.config.WeChat.CheckCredential(ctx, app)), nil
}

// judgeCredential returns the result of a check by its error.
func judgeCredential(err error) Credential {
	if err == nil {
		return Credential{Valid: true}
	}
	failure := (*wechat.Error)(nil)
	if !errors.As(err, &failure) || failure.Cause != nil {
		return Credential{Problem: "WeChat cannot be reached: " + err.Error(), Remedy: "check the connection of this server to api.weixin.qq.com; `minifed doctor` says more"}
	}
	result := Credential{Errcode: failure.Code, RID: failure.RID, Problem: fmt.Sprintf("WeChat rejects the call with errcode %d", failure.Code)}
	switch failure.Class {
	case wechat.ClassConfig:
		result.Rejected = wechat.RejectedSetting(failure.Code)
		result.Remedy = credentialRemedy(result.Rejected)
	case wechat.ClassRate, wechat.ClassBusy:
		result.Remedy = "WeChat is busy or limits the calls: try again in a minute"
	default:
		result.Remedy = credentialRemedy(wechat.OtherSetting)
	}
	return result
}

func credentialRemedy(rejected wechat.Setting) string {
	switch rejected {
	case wechat.AppIDSetting:
		return "WeChat does not know the AppID: copy it from WeChat's console (公众平台: 开发管理 → 开发设置; 开放平台: 管理中心)"
	case wechat.AppSecretSetting:
		return "the AppSecret is wrong, was reset or is frozen: set the one that WeChat's console shows"
	case wechat.IPListSetting:
		return "add the address of this server to the IP list in WeChat's console (开发管理 → 开发设置 → IP白名单)"
	default:
		return "look the errcode up in WeChat's documentation, with the rid at hand"
	}
}
