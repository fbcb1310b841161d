package scan

import (
	"context"
	"errors"
	"net/http"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/server/account"
	"github.com/minifed/minifed/server/clientauth"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/federation"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// Backend has what the endpoints for the backend of a mini-program share.
type Backend struct {
	Service *Service
	Clients clientauth.Authenticator
	Login   federation.Handler
}

const backendPath = "/federation/wechat/miniapp/scan/"

// The reasons of the errors of these endpoints.
const (
	reasonSceneUnknown  = "scene_unknown"
	reasonSceneExpired  = "scene_expired"
	reasonSceneUsed     = "scene_used"
	reasonSceneUnseen   = "scene_unseen"
	reasonNumberWrong   = "number_wrong"
	reasonNotConfirmed  = "not_confirmed"
	reasonNumberMissing = "number_missing"
)

// The values of storage.Scan.DeniedBecause.
const (
	deniedUser   = "user"
	deniedNumber = "number"
	deniedDigits = "digits"
)

// changeAttempts bounds the retries of a compare-and-set.
const changeAttempts = 4

// maxAttempt bounds the parameter attempt.
const maxAttempt = 64

// Parameters are the parameters of an endpoint for the backend of a mini-program, in addition to those of client authentication.
func Parameters() endpoint.JSONParameters {
	shape := federation.Parameters()
	shape.Strings = append(shape.Strings, "scene", "number", "attempt", "country")
	shape.Booleans = append(shape.Booleans, "confirmed")
	return shape
}

func sceneError(status int, reason, description string) *grants.Error {
	problem := endpoint.NewErrorStatus(fosite.ErrInvalidRequest, status, description)
	problem.Reason = reason
	return problem
}

func sceneUnknown() error {
	return sceneError(http.StatusBadRequest, reasonSceneUnknown, "This scene is unknown here: it is of another mini-program or issuer, or is over for a long time. Scan a new code.")
}

func sceneExpired() error {
	return sceneError(http.StatusBadRequest, reasonSceneExpired, "This scene is over: a sign-in lasts two minutes. Scan a new code.")
}

func sceneUsed() error {
	return sceneError(http.StatusConflict, reasonSceneUsed, "This scene was used before: another scan came first, or the sign-in was approved or denied. Scan a new code.")
}

// find returns the sign-in of a scene that the client may decide.
func (s *Service) find(ctx context.Context, directory storage.Directory, client storage.Client, scene string) (*storage.Entry[storage.Scan], error) {
	if err := account.CheckStartsSessions(client); err != nil {
		return nil, err
	}
	if scene == "" {
		return nil, endpoint.NewError(fosite.ErrInvalidRequest, "scene is missing: send the scene with which the mini-program was opened.")
	}
	if !endpoint.IsRandomString(scene, sceneSize) {
		return nil, sceneUnknown()
	}
	entry, err := s.stored(ctx, directory, scene)
	if errors.Is(err, storage.ErrNotFound) || err == nil && entry.Record.MiniProgram != client.Instance() {
		return nil, sceneUnknown()
	}
	return entry, err
}

// authenticated reads the parameters of a request and authenticates its client, for the endpoints that are no login.
func (b Backend) authenticated(r *endpoint.Request) (*oauth2.Client, map[string]string, error) {
	form, err := endpoint.ReadParameters(r, Parameters())
	if err != nil {
		return nil, nil, err
	}
	client, err := b.Clients.Client(r.Context(), r, form)
	if err != nil {
		return nil, nil, err
	}
	sent := map[string]string{}
	for _, name := range []string{"scene", "attempt", "country"} {
		sent[name] = form.Get(name)
	}
	return client, sent, nil
}

// deny rejects a sign-in that is not over. It ignores one that is decided.
func (s *Service) deny(ctx context.Context, entry *storage.Entry[storage.Scan], because string) error {
	next := entry.Record
	next.State, next.DeniedBecause = storage.ScanDenied, because
	_, err := s.change(ctx, entry, next)
	if errors.Is(err, storage.ErrConflict) {
		return nil
	}
	return err
}
