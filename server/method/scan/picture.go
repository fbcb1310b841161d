package scan

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/internal/bounded"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat"
)

// maxPictures bounds the pictures in memory. One has some 50 KB.
const maxPictures = 256

// pictures are the pictures that this process showed, so that a reload costs no call to WeChat. Another process draws the same one.
type pictures struct {
	now func() time.Time

	mu    sync.Mutex
	drawn *bounded.Map[string, wechat.Image] // by scene; guarded by mu
}

func newPictures(now func() time.Time) *pictures {
	return &pictures{now: now, drawn: bounded.New[string, wechat.Image](maxPictures)}
}

func (p *pictures) get(scene string) (wechat.Image, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.drawn.Get(scene)
}

func (p *pictures) put(scene string, image wechat.Image) {
	now := p.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drawn.Put(scene, image, now, now.Add(life))
}

// picture returns the mini-program code of a scene.
func (s *Service) picture(ctx context.Context, to target, scene string) (wechat.Image, error) {
	if image, found := s.pictures.get(scene); found {
		return image, nil
	}
	app, err := s.app(to.client)
	if err != nil {
		return wechat.Image{}, err
	}
	image, err := s.WeChat.MiniProgramCode(ctx, app, wechat.MiniProgramCodeRequest{
		Scene: scene, Page: to.Page, Version: to.Version, AnyPage: to.Version == "develop" || to.Version == "trial",
	})
	if err != nil {
		return wechat.Image{}, err
	}
	s.pictures.put(scene, image)
	return image, nil
}

// link returns the link of WeChat for a scene.
func (s *Service) link(ctx context.Context, to target, scene string) (string, error) {
	app, err := s.app(to.client)
	if err != nil {
		return "", err
	}
	link, err := s.WeChat.GenerateURLLink(ctx, app, wechat.URLLinkRequest{
		Page: to.Page, Query: "scene=" + scene, Version: to.Version, Expires: s.Now().Add(linkLife),
	})
	if failure, ok := errors.AsType[*wechat.Error](err); ok && makesNoLinks(failure.Code) {
		s.links.remember(app.ID)
	}
	return link, err
}

// makesNoLinks reports whether an errcode means that the mini-program cannot have links: that of an individual, one without the
// permission, and one that is not released or is banned.
func makesNoLinks(errcode int) bool {
	switch errcode {
	case 40002, 48001, 85079, 85407, 85408:
		return true
	default:
		return false
	}
}

// unavailableFor is how long a mini-program that cannot have links is not asked again.
const unavailableFor = 10 * time.Minute

// unavailable are the mini-programs that cannot have links.
type unavailable struct {
	now func() time.Time

	mu   sync.Mutex
	apps *bounded.Map[wechat.AppID, time.Time] // with the end; guarded by mu
}

func newUnavailable(now func() time.Time) *unavailable {
	return &unavailable{now: now, apps: bounded.New[wechat.AppID, time.Time](maxPictures)}
}

func (u *unavailable) remember(app wechat.AppID) {
	now := u.now()
	u.mu.Lock()
	defer u.mu.Unlock()
	u.apps.Put(app, now.Add(unavailableFor), now, now.Add(unavailableFor))
}

func (u *unavailable) has(app wechat.AppID) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	until, found := u.apps.Get(app)
	return found && u.now().Before(until)
}

// app opens the credential of a mini-program.
func (s *Service) app(client storage.Client) (wechat.App, error) {
	secret, err := s.Master.Open(client.Federation.AppSecret, keys.AppSecretBinding(client.Directory, client.ID))
	if err != nil {
		return wechat.App{}, grants.Misconfigured(fmt.Errorf("scan: AppSecret of client %s: %w", client.ID, err))
	}
	return wechat.App{ID: wechat.AppID(client.Federation.AppID), Secret: wechat.AppSecret(secret)}, nil
}
