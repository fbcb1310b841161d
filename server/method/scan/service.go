package scan

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/server/account"
	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/ratelimit"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
	"github.com/minifed/minifed/wechat"
)

// WeChat has the calls to WeChat that show a picture or a link. Errors are *wechat.Error.
type WeChat interface {
	// MiniProgramCode creates the picture that opens a page of a mini-program.
	MiniProgramCode(ctx context.Context, app wechat.App, request wechat.MiniProgramCodeRequest) (wechat.Image, error)
	// GenerateURLLink creates the link that opens a page of a mini-program.
	GenerateURLLink(ctx context.Context, app wechat.App, request wechat.URLLinkRequest) (string, error)
}

// Config is what a Service needs.
type Config struct {
	Engine   storage.Engine
	Sealer   endpoint.Sealer
	Browsers endpoint.BrowserIDs
	Clients  oauth2.Clients
	WeChat   WeChat
	Master   *keys.Master
	Now      func() time.Time
	Random   io.Reader
	// SingleProcess means that no other process uses Engine: every change is known without a read.
	SingleProcess bool
	// PollEvery is how often a stream reads the store if other processes use it; 0 is one second.
	PollEvery time.Duration
}

// Service begins, shows and decides sign-ins.
type Service struct {
	Config
	watches  *watches
	pictures *pictures
	links    *unavailable
	// byAddress and byDirectory limit how many sign-ins begin.
	byAddress, byDirectory *ratelimit.RateLimiter
}

const (
	// life is the time to scan and confirm, and digitsLife the time to type the digits of a link after that.
	life       = 120 * time.Second
	digitsLife = 120 * time.Second
	// fetchLife is the time in which the browser must ask for an approved sign-in.
	fetchLife = time.Minute
	// lateLife is how long a sign-in that is over is stored, so that late requests get the right error.
	lateLife = 10 * time.Minute
	// linkLife is the life of a link at WeChat, which must be longer than a minute.
	linkLife = 5 * time.Minute

	sceneSize   = 16
	purposeScan = "scan"
	// scanParameter is the query parameter with the sign-in, in an envelope.
	scanParameter = "scan"

	// maxWrongDigits is how many wrong digits end a link.
	maxWrongDigits = 5

	// WeChat draws 5,000 pictures a minute for an app. A directory of one process begins at most 4,700 sign-ins in a minute.
	directoryRate, directoryBurst = 70, 500
	addressRate, addressBurst     = 5, 60
)

// New creates a Service.
func New(config Config) *Service {
	if config.PollEvery == 0 {
		config.PollEvery = time.Second
	}
	return &Service{
		Config: config, watches: newWatches(config.Now), pictures: newPictures(config.Now), links: newUnavailable(config.Now),
		byAddress:   ratelimit.NewRateLimiter(addressRate, addressBurst, config.Now),
		byDirectory: ratelimit.NewRateLimiter(directoryRate, directoryBurst, config.Now),
	}
}

// Close ends all streams.
func (s *Service) Close() { s.watches.close() }

// sealedScan is the content of scanParameter: it is bound to the browser and the authorization request.
type sealedScan struct {
	Scene       string `json:"s"`
	Method      string `json:"m"`
	Browser     string `json:"b"`
	Interaction string `json:"i,omitempty"`
	// Link is the link that opens the mini-program.
	Link string `json:"l,omitempty"`
	// Created is the time of its creation, in Unix seconds.
	Created int64 `json:"t"`
}

var (
	// errOver means that the sign-in has ended, was used, or is not of this browser or authorization request.
	errOver = errors.New("scan: sign-in is over")
	// errNoTarget means that no mini-program can confirm the sign-in.
	errNoTarget = errors.New("scan: no mini-program")
)

// scanID is the ID of the sign-in with a scene.
func scanID(directory storage.Directory, scene string) string {
	return storage.Digest("scan", directory.Within(directory.ID), scene)
}

// begin stores a new sign-in of the browser, and returns its envelope.
func (s *Service) begin(w http.ResponseWriter, r *endpoint.Request, method string, p *authorize.Pending) (string, error) {
	to, err := s.target(r, p)
	if err != nil {
		return "", err
	}
	if err := s.limit(r); err != nil {
		return "", err
	}
	browser, err := s.Browsers.Ensure(w, r)
	if err != nil {
		return "", err
	}
	scene, err := endpoint.RandomString(s.Random, sceneSize)
	if err != nil {
		return "", err
	}
	made := sealedScan{Scene: scene, Method: method, Browser: browser, Interaction: account.InteractionID(p), Created: s.Now().Unix()}
	// 1. The picture or link, whose failure stores nothing.
	switch {
	case method == storage.SignInLink:
		made.Link, err = s.link(r.Context(), to, scene)
	case !to.linkRule:
		_, err = s.picture(r.Context(), to, scene)
	}
	if err != nil {
		return "", err
	}
	// 2. The sign-in.
	if err := s.insert(r, made, to, p); err != nil {
		return "", err
	}
	text, err := json.Marshal(made)
	if err != nil {
		return "", err
	}
	return s.Sealer.Seal(r.Context(), r.Issuer, purposeScan, text)
}

func (s *Service) insert(r *endpoint.Request, made sealedScan, to target, p *authorize.Pending) error {
	now := storage.Instant(s.Now())
	directory := r.Issuer.Directory
	record := storage.Scan{
		Directory: directory.ID, ID: scanID(directory, made.Scene), Method: made.Method, State: storage.ScanShown,
		Browser: made.Browser, Interaction: made.Interaction, MiniProgram: to.client.Instance(), Country: r.Country,
		CreatedAt: now, EndsAt: now.Add(life), ExpiresAt: now.Add(life + lateLife),
	}
	record.BrowserName, record.System = authorize.BrowserAndSystem(r.UserAgent())
	if p != nil {
		record.Client = p.Request.Client.GetID()
	}
	if _, err := storage.Insert(r.Context(), s.Engine, record); err != nil {
		return err
	}
	s.watches.changed(record)
	return nil
}

// limit counts a new sign-in.
func (s *Service) limit(r *endpoint.Request) error {
	directory := r.Issuer.Directory.ID
	wait := s.byAddress.Take(ratelimit.Caller{Directory: directory, Network: ratelimit.Network(r.ClientIP)})
	if wait == 0 {
		wait = s.byDirectory.Take(ratelimit.Caller{Directory: directory})
	}
	if wait == 0 {
		return nil
	}
	problem := grants.RateLimited(nil)
	problem.RetryAfter = wait
	return problem
}

// opened is a sign-in that a browser waits for.
type opened struct {
	sealedScan
	entry *storage.Entry[storage.Scan]
}

// sealed returns the content of the envelope in the URL, or errOver.
func (s *Service) sealed(r *endpoint.Request, method string) (sealedScan, error) {
	text, err := s.Sealer.Open(r.Context(), r.Issuer, purposeScan, r.URL.Query().Get(scanParameter))
	if errors.Is(err, endpoint.ErrInvalidEnvelope) {
		return sealedScan{}, errOver
	}
	if err != nil {
		return sealedScan{}, err
	}
	var made sealedScan
	if json.Unmarshal(text, &made) != nil || made.Method != method || !endpoint.IsBrowser(r.Request, r.Issuer, made.Browser) {
		return sealedScan{}, errOver
	}
	return made, nil
}

// open returns the sign-in in the URL, or errOver.
func (s *Service) open(r *endpoint.Request, method string, p *authorize.Pending) (*opened, error) {
	made, err := s.sealed(r, method)
	if err != nil {
		return nil, err
	}
	if made.Interaction != account.InteractionID(p) {
		return nil, errOver
	}
	entry, err := s.stored(r.Context(), r.Issuer.Directory, made.Scene)
	if errors.Is(err, storage.ErrNotFound) || err == nil && entry.Record.Browser != made.Browser {
		return nil, errOver
	}
	if err != nil {
		return nil, err
	}
	return &opened{made, entry}, nil
}

// stored returns the sign-in with a scene, or storage.ErrNotFound.
func (s *Service) stored(ctx context.Context, directory storage.Directory, scene string) (*storage.Entry[storage.Scan], error) {
	return storage.Get[storage.Scan](ctx, s.Engine, storage.Key(directory.ID, scanID(directory, scene)))
}

// isOver reports whether the time of a sign-in has ended. One that was created in the future, by another clock, counts as ended.
func (s *Service) isOver(record storage.Scan) bool {
	now := s.Now()
	return !now.Before(record.EndsAt) || storage.MadeAhead(record.CreatedAt, now)
}

// change replaces a sign-in by compare-and-set. storage.ErrConflict means that another request changed it first.
func (s *Service) change(ctx context.Context, entry *storage.Entry[storage.Scan], next storage.Scan) (*storage.Entry[storage.Scan], error) {
	changed, err := entry.Replace(ctx, s.Engine, next)
	if err == nil {
		s.watches.changed(changed.Record)
	}
	return changed, err
}
