package api

import (
	"context"
	"encoding/base32"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

const (
	// idempotencyHeader names a creation, so that a repeat of it is recognized.
	idempotencyHeader = "Idempotency-Key"
	// replayedHeader says that a response is that of an earlier request.
	replayedHeader = "Idempotent-Replayed"
	// maxKey bounds an Idempotency-Key.
	maxKey = 255
	// keptFor is how long a repeat is recognized.
	keptFor = 24 * time.Hour
	// attemptTime is how long one attempt may take. After it, a repeat is a new attempt.
	attemptTime = time.Minute
)

// result is what a repeat needs to respond. The resource is read again, and the secret cannot be.
type result struct {
	Location string `json:"location,omitempty"`
	Resource string `json:"resource,omitempty"`
	Shown    string `json:"shown_once,omitempty"`
}

// once does the work of a creation. A repeat with the same Idempotency-Key within 24 hours gets the result of the first request.
func (a *api) once(c *call) (reply, error) {
	key, err := c.idempotencyKey()
	if err != nil {
		return reply{}, err
	}
	if key == "" {
		return c.route.serve(c)
	}
	record := storage.IdempotentRequest{
		ID: storage.Digest("idempotency", c.actor.Name, c.Method, c.URL.EscapedPath(), key), Request: storage.Digest(string(c.raw)),
	}
	entry, err := a.begin(c.Context(), record)
	if err != nil {
		return reply{}, err
	}
	if entry.Record.Result != "" {
		return a.replay(c, entry.Record)
	}
	c.reserved = entry.Record.Reserved
	done, err := c.route.serve(c)
	if errors.Is(err, admin.ErrExists) && entry.Record.CreatedAt.Before(entry.Record.Until.Add(-attemptTime)) {
		return reply{}, newProblem(problemResultUnknown, "an earlier request with this key was interrupted, and may have created it: %v; read it, and add a secret if it needs one", err)
	}
	if errors.Is(err, storage.ErrUnavailable) {
		return reply{}, err // It may be written. A repeat in a minute uses the same ID.
	}
	// The request has an outcome: it must be recorded also if the client has gone.
	ctx := context.WithoutCancel(c.Context())
	if err != nil {
		return reply{}, errors.Join(err, a.config.Engine.Delete(ctx, storage.KindIdempotency, entry.Record.ID))
	}
	return done, a.complete(ctx, entry, result{done.location, done.resource, done.secret})
}

// idempotencyKey returns the header, or an empty text.
func (c *call) idempotencyKey() (string, error) {
	values := c.Header.Values(idempotencyHeader)
	if len(values) == 0 {
		return "", nil
	}
	visible := func(r rune) bool { return r < '!' || r > '~' }
	if len(values) > 1 || values[0] == "" || len(values[0]) > maxKey || strings.ContainsFunc(values[0], visible) {
		return "", parameterProblem(idempotencyHeader, "must be one text of 1 to %d printable ASCII characters without space", maxKey)
	}
	return values[0], nil
}

// begin stores the request, or returns the record of the earlier one. Of several requests at once, one goes on.
func (a *api) begin(ctx context.Context, record storage.IdempotentRequest) (*storage.Entry[storage.IdempotentRequest], error) {
	now := storage.Instant(a.config.Now())
	id := make([]byte, 16)
	if _, err := io.ReadFull(a.config.Random, id); err != nil {
		return nil, err
	}
	record.Reserved = strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(id))
	record.CreatedAt, record.Until, record.ExpiresAt = now, now.Add(attemptTime), now.Add(keptFor)
	entry, err := storage.Insert(ctx, a.config.Engine, record)
	if !errors.Is(err, storage.ErrExists) {
		return entry, err
	}
	entry, err = storage.Get[storage.IdempotentRequest](ctx, a.config.Engine, record.ID)
	if errors.Is(err, storage.ErrNotFound) { // The other request has failed just now.
		return nil, newProblem(problemInProgress, "send the request again").with("Retry-After", "1")
	}
	if err != nil {
		return nil, err
	}
	switch earlier := entry.Record; {
	case earlier.Request != record.Request:
		return nil, newProblem(problemKeyReused, "a request with another body had this %s: choose a new one", idempotencyHeader)
	case earlier.Result != "":
		return entry, nil
	case now.Before(earlier.Until):
		return nil, newProblem(problemInProgress, "a request with this %s is in progress", idempotencyHeader).with("Retry-After", "1")
	}
	next := entry.Record
	next.Until = now.Add(attemptTime)
	entry, err = entry.Replace(ctx, a.config.Engine, next)
	if errors.Is(err, storage.ErrConflict) {
		return nil, newProblem(problemInProgress, "a request with this %s is in progress", idempotencyHeader).with("Retry-After", "1")
	}
	return entry, err
}

// complete stores the result. The creation has succeeded, so that a failure here is only logged: a repeat then says that the result
// is lost.
func (a *api) complete(ctx context.Context, entry *storage.Entry[storage.IdempotentRequest], done result) error {
	text, err := json.Marshal(done)
	if err != nil {
		return err
	}
	next := entry.Record
	if next.Result, err = a.config.Master.Seal(text, keys.ResultBinding(next.ID)); err != nil {
		return err
	}
	if _, err := entry.Replace(ctx, a.config.Engine, next); err != nil {
		a.config.Logger.WarnContext(ctx, "admin API: the result of a request is not stored for repeats", "error", err)
	}
	return nil
}

// replay responds to a repeat: with what was created as it is now, and the secret of the first response.
func (a *api) replay(c *call, record storage.IdempotentRequest) (reply, error) {
	text, err := a.config.Master.Open(record.Result, keys.ResultBinding(record.ID))
	if err != nil {
		return reply{}, newProblem(problemResultUnknown, "the result was sealed by a master key that is gone; read what was created")
	}
	var earlier result
	if err := json.Unmarshal(text, &earlier); err != nil {
		return reply{}, err
	}
	done, err := c.route.replay(c, earlier)
	if errors.Is(err, admin.ErrNotFound) {
		return reply{}, newProblem(problemResultUnknown, "what the earlier request created is deleted: %v", err)
	}
	done.location = earlier.Location
	c.writer.Header().Set(replayedHeader, "true")
	return done, err
}

// The responses to repeats of each creation.

func replayDirectory(c *call, earlier result) (reply, error) {
	entry, err := c.service.Directory(c.Context(), earlier.Resource)
	return directoryEntry(c, entry, err)
}

func replayClient(c *call, earlier result) (reply, error) {
	entry, err := c.service.Client(c.Context(), c.directory(), earlier.Resource)
	if err != nil {
		return reply{}, err
	}
	return createdClient(entry, earlier.Shown), nil
}

func replaySecret(_ *call, earlier result) (reply, error) {
	return reply{body: Secret{earlier.Shown}}, nil
}

func replayUser(c *call, earlier result) (reply, error) {
	return personReply(c.service.User(c.Context(), c.directory(), earlier.Resource))
}

func replayOperator(c *call, earlier result) (reply, error) {
	operator, err := c.service.Operator(c.Context(), earlier.Resource)
	return reply{body: CreatedOperator{viewOperator(operator), earlier.Shown}}, err
}

func replayService(c *call, earlier result) (reply, error) {
	entry, err := c.service.Client(c.Context(), c.directory(), earlier.Resource)
	if err != nil {
		return reply{}, err
	}
	return reply{body: CreatedServiceClient{viewService(entry.Record), earlier.Shown}}, nil
}
