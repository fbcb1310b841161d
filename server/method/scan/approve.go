package scan

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/federation"
	"github.com/minifed/minifed/storage"
)

// Approve is POST /federation/wechat/miniapp/scan/approve: the user of a mini-program confirms a sign-in. It is a login like
// profile, by a fresh code, so that the backend cannot confirm for a user who is not in its mini-program.
type Approve struct{ Backend }

// Mount implements endpoint.Endpoint.
func (e *Approve) Mount(t *endpoint.RouteTable) {
	t.Handle(endpoint.Route{
		Name: "scan_approve", Path: backendPath + "approve", Methods: []string{http.MethodPost}, Serve: e.serve, ErrorWriter: endpoint.OAuthErrors,
	})
}

// approvedResponse is the response of a login with the state of the sign-in.
type approvedResponse struct {
	federation.LoginResponse
	Scan approvedScan `json:"scan"`
}

// approvedScan is the state of an approved sign-in. Digits are those that the user types in the browser within ExpiresIn seconds,
// for a link.
type approvedScan struct {
	State     storage.ScanState `json:"state"`
	Digits    string            `json:"digits,omitempty"`
	ExpiresIn int64             `json:"expires_in,omitempty"`
}

func (e *Approve) serve(w http.ResponseWriter, r *endpoint.Request) error {
	form, err := endpoint.ReadParameters(r, Parameters())
	if err != nil {
		return err
	}
	asked := &confirmation{
		service: e.Service, directory: r.Issuer.Directory, scene: form.Get("scene"),
		number: strings.Map(onlyDigits, form.Get("number")), confirmed: form.Get("confirmed") == "true",
	}
	login, err := e.Login.Confirm(r, form, asked)
	if err != nil {
		return asked.failed(r.Context(), err)
	}
	approved, err := asked.approve(r.Context(), login)
	if err != nil {
		return err
	}
	return endpoint.WriteJSON(w, approvedResponse{login.LoginResponse, approved})
}

// confirmation is one request to approve a sign-in.
type confirmation struct {
	service       *Service
	directory     storage.Directory
	scene, number string
	// confirmed is the second confirmation.
	confirmed bool

	// entry is the sign-in, after it was read.
	entry *storage.Entry[storage.Scan]
}

// Digest implements federation.Confirmation.
func (c *confirmation) Digest() string { return storage.Digest("scan confirmation", c.scene, c.number) }

// Check implements federation.Confirmation. It runs before the code is spent, so that a rejected request can be repeated with it.
func (c *confirmation) Check(ctx context.Context, client storage.Client, candidates []string) error {
	if c.entry != nil {
		return nil
	}
	entry, err := c.service.find(ctx, c.directory, client, c.scene)
	if err != nil {
		return err
	}
	record := entry.Record
	switch {
	case record.State == storage.ScanApproved || record.State == storage.ScanUsed:
		if !slices.Contains(candidates, record.Grant) {
			return sceneUsed()
		}
	case record.State == storage.ScanDenied:
		return sceneUsed()
	case c.service.isOver(record):
		return sceneExpired()
	case record.State == storage.ScanShown:
		return sceneError(http.StatusConflict, reasonSceneUnseen, "This scene was not opened yet: call seen first, and show the user what it returns.")
	default:
		if err := c.checkProof(ctx, entry); err != nil {
			return err
		}
	}
	c.entry = entry
	return nil
}

// checkProof checks the second confirmation, and the number that the user read in the browser. A wrong number denies the sign-in.
func (c *confirmation) checkProof(ctx context.Context, entry *storage.Entry[storage.Scan]) error {
	record := entry.Record
	switch {
	case record.Differs && !c.confirmed:
		return sceneError(http.StatusBadRequest, reasonNotConfirmed, "The browser and the phone may be in different countries. Warn the user, and send confirmed after a second confirmation.")
	case record.Method != storage.SignInScan:
		return nil
	case c.number == "":
		return sceneError(http.StatusBadRequest, reasonNumberMissing, "number is missing: the user types the two digits that the browser shows.")
	case subtle.ConstantTimeCompare([]byte(c.number), []byte(record.Number)) == 1:
		return nil
	}
	if err := c.service.deny(ctx, entry, deniedNumber); err != nil {
		return err
	}
	return sceneError(http.StatusForbidden, reasonNumberWrong, "The number is not the one that the browser shows. The sign-in is denied.")
}

// failed denies the sign-in if its user may not sign in, so that the browser does not wait. It returns the error of the login.
func (c *confirmation) failed(ctx context.Context, cause error) error {
	problem, ok := errors.AsType[*grants.Error](cause)
	final := []string{grants.ReasonUserDisabled, grants.ReasonDeletionPending, grants.ReasonBlocked}
	if !ok || c.entry == nil || c.entry.Record.State != storage.ScanSeen || !slices.Contains(final, problem.Reason) {
		return cause
	}
	if err := c.service.deny(ctx, c.entry, deniedAccount); err != nil {
		return err
	}
	return cause
}

// approve approves the sign-in for the user of the login.
func (c *confirmation) approve(ctx context.Context, login federation.Confirmed) (approvedScan, error) {
	ctx = context.WithoutCancel(ctx) // The code is spent: a repeat of the request finds the result.
	entry := c.entry
	for range changeAttempts {
		next := entry.Record
		decided := next.State == storage.ScanApproved || next.State == storage.ScanUsed
		switch {
		case decided && next.Grant != login.Grant, next.State == storage.ScanDenied:
			return approvedScan{}, sceneUsed()
		case next.State == storage.ScanUsed, decided && next.Method == storage.SignInScan:
			return approvedScan{State: storage.ScanApproved}, nil
		case c.service.isOver(next):
			return approvedScan{}, sceneExpired()
		}
		approved, err := c.service.approved(&next, c.scene, login)
		if err != nil {
			return approvedScan{}, err
		}
		_, err = c.service.change(ctx, entry, next)
		if err == nil {
			return approved, nil
		}
		if !errors.Is(err, storage.ErrConflict) {
			return approvedScan{}, err
		}
		if entry, err = c.service.stored(ctx, c.directory, c.scene); err != nil {
			return approvedScan{}, err
		}
	}
	return approvedScan{}, sceneUsed()
}

// approved writes an approval into a record. A link gets new digits, also when a request is repeated: only their digest is stored.
func (s *Service) approved(next *storage.Scan, scene string, login federation.Confirmed) (approvedScan, error) {
	now := storage.Instant(s.Now())
	next.State, next.User, next.UserEpoch, next.Grant, next.AuthTime = storage.ScanApproved, login.User.ID, login.User.Epoch, login.Grant, now
	approved := approvedScan{State: storage.ScanApproved}
	if next.Method == storage.SignInScan {
		if fetched := now.Add(fetchLife); fetched.After(next.EndsAt) {
			next.EndsAt, next.ExpiresAt = fetched, fetched.Add(lateLife)
		}
		return approved, nil
	}
	digits, err := sixDigits(s.Random)
	if err != nil {
		return approvedScan{}, err
	}
	next.Digits = digitsDigest(scene, digits)
	next.EndsAt, next.ExpiresAt = now.Add(digitsLife), now.Add(digitsLife+lateLife)
	approved.Digits, approved.ExpiresIn = digits, int64(digitsLife/time.Second)
	return approved, nil
}
