package authorize

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
)

// Consents stores the scopes that users allowed for clients (OpenID Connect Core §3.1.2.4).
type Consents struct {
	Engine storage.Engine
	// Audit records the decisions; an *audit.Trail.
	Audit Recorder
	Now   func() time.Time
}

// Recorder writes audit entries.
type Recorder interface {
	Record(ctx context.Context, entry storage.AuditEntry) (storage.AuditEntry, error)
}

// decision is a user's decision about a client, as values; see resourceValue.
type decision struct {
	allowed, declined []string
	// asked are the scopes that were requested; nil if that is unknown.
	asked []string
}

// stored returns the stored decision of user about client, and its record for a compare-and-set, which is nil if there is
// none.
func (c Consents) stored(ctx context.Context, user storage.User, client storage.Client) (decision, *storage.Entry[storage.Consent], error) {
	entry, err := storage.Get[storage.Consent](ctx, c.Engine, storage.ConsentKey(user.Directory, user.ID, client.ID))
	if errors.Is(err, storage.ErrNotFound) {
		return decision{}, nil, nil
	}
	if err != nil {
		return decision{}, nil, fmt.Errorf("authorize: consent: %w", err)
	}
	if entry.Record.Incarnation != client.Incarnation || entry.Record.ClientEpoch != user.ClientEpoch(client.ID) || entry.Record.Digest != client.Copy.ConsentDigest {
		// It is for a deleted client with the same ID or for another metadata document, or the user removed the app.
		return decision{}, entry, nil
	}
	return decisionOf(entry.Record), entry, nil
}

// consentAttempts bounds the retries of a lost write of a consent.
const consentAttempts = 8

// store stores the user's decision about the scopes that were shown. For each scope the last decision counts.
func (c Consents) store(ctx context.Context, user storage.User, client storage.Client, now decision) error {
	recorded := false
	for range consentAttempts {
		before, entry, err := c.stored(ctx, user, client)
		if err != nil {
			return err
		}
		next := c.next(user, client, before, now)
		if !recorded {
			if err := c.record(ctx, before, next); err != nil {
				return err
			}
			recorded = true
		}
		if entry == nil {
			_, err = storage.Insert(ctx, c.Engine, next)
		} else {
			next.CreatedAt = entry.Record.CreatedAt
			_, err = entry.Replace(ctx, c.Engine, next)
		}
		if !errors.Is(err, storage.ErrExists) && !errors.Is(err, storage.ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("authorize: consent: %w: too many writers", storage.ErrUnavailable)
}

// next returns the consent after a decision. If both do not fit, the last decision counts alone.
func (c Consents) next(user storage.User, client storage.Client, before, now decision) storage.Consent {
	at := storage.Instant(c.Now())
	consent := storage.Consent{
		Directory: user.Directory, User: user.ID, Client: client.ID, Incarnation: client.Incarnation,
		ClientEpoch: user.ClientEpoch(client.ID), Digest: client.Copy.ConsentDigest, CreatedAt: at, UpdatedAt: at,
	}
	merged, fits := decision{
		allowed:  MergeValues(without(before.allowed, now.declined), now.allowed),
		declined: MergeValues(without(before.declined, now.allowed), now.declined),
		asked:    MergeValues(before.asked, now.asked),
	}.consented(consent)
	if !fits {
		merged, fits = now.consented(consent)
	}
	if !fits {
		merged.Resources, merged.Asked = nil, nil // The user is asked about them again.
	}
	return merged
}

// record records a decision before it is stored.
func (c Consents) record(ctx context.Context, before decision, next storage.Consent) error {
	_, err := c.Audit.Record(ctx, storage.AuditEntry{
		Directory: next.Directory, Actor: "user:" + next.User, Action: "user.consent", Target: "client:" + next.Client,
		Before: before.audited(), After: decisionOf(next).audited(),
	})
	return err
}

// audited returns a decision for the audit. A resource precedes its scopes.
func (d decision) audited() map[string]string {
	return map[string]string{"scopes": strings.Join(d.allowed, " "), "declined": strings.Join(d.declined, " ")}
}

// MergeValues returns the values of both lists, sorted and without duplicates.
func MergeValues(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// missing reports whether a requested value is not in have.
func missing(have, wanted []string) bool {
	return slices.ContainsFunc(wanted, func(value string) bool { return !slices.Contains(have, value) })
}

// without returns the values that are not in the second list.
func without(values, others []string) []string {
	return slices.DeleteFunc(slices.Clone(values), func(value string) bool { return slices.Contains(others, value) })
}

// checkStepUp rejects a request for more than the user decided about before, if nothing of what is new may be granted: the client
// would get what it has already, and ask again.
func (a *Request) checkStepUp(before decision) error {
	if before.asked == nil || missing(before.allowed, a.values(nil)) {
		return nil // Nothing is known of earlier requests, or this one is for another resource.
	}
	known := slices.Clone(before.asked)
	for _, value := range slices.Concat(before.allowed, before.declined) {
		_, scope := cutValue(value)
		known = append(known, scope)
	}
	added := without(a.asked, known)
	if len(added) == 0 || len(endpoint.Intersection(added, a.scopes)) > 0 {
		return nil
	}
	return endpoint.InvalidScope("This client may not ask for the scope", added)
}
