package audit

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"

	"github.com/minifed/minifed/storage"
)

const (
	// ActionSignIns is the action of a batch of sign-ins.
	ActionSignIns = "sign_ins"
	// ActionLinks is the action of a batch of links: identities that logins linked to users.
	ActionLinks = "links"
	// maxBatch is the maximum size of the sign-ins of one entry as JSON, in bytes.
	maxBatch = 12 << 10
	// maxPending bounds the sign-ins that wait for their batch. Those above it are counted.
	maxPending = 1 << 16
	// maxWaiting bounds the sign-ins that wait for the records of their users, about 1 MB. The batches have those above it.
	maxWaiting = 1 << 12
	// usersPerFlush bounds the users whose records are written in a second, and usersUnderLoad does so in a second with more sign-ins
	// than that, because each of these writes costs a third of a login. userWriters writes share a commit.
	usersPerFlush  = 256
	usersUnderLoad = 16
	userWriters    = 32
	userAttempts   = 4
)

// signIns are the sign-ins that are not written yet.
type signIns struct {
	mu      sync.Mutex
	pending []pendingSignIn
	// omitted counts, for each directory, the sign-ins that pending had no room for.
	omitted map[string]int
	// omittedEver is their number since the start.
	omittedEver int64
	// users are the sign-ins for the records of users, by store key of the user, newest last. waiting is their number.
	users   map[string][]storage.SignIn
	waiting int
}

// add adds to the next batch. It reports false if there is no room. The caller has the lock.
func (s *signIns) add(next pendingSignIn) bool {
	if len(s.pending) >= maxPending {
		s.omit(next.directory)
		return false
	}
	s.pending = append(s.pending, next)
	return true
}

// omit counts a sign-in that pending has no room for. The caller has the lock.
func (s *signIns) omit(directory string) {
	if s.omitted == nil {
		s.omitted = map[string]int{}
	}
	s.omitted[directory]++
	s.omittedEver++
}

// counts returns how many sign-ins wait, and how many had no room.
func (s *signIns) counts() (waiting int, omitted int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.pending), s.omittedEver
}

// pendingSignIn is a sign-in, or a link, which names the type of the identity as its method.
type pendingSignIn struct {
	directory, action string
	storage.SignIn
}

// MemberAction returns the action of a sign-in or a link of a batch, such as "sign_in.password" or "link.wechat_openid".
func MemberAction(batch storage.AuditEntry, member storage.SignIn) string {
	if batch.Action == ActionLinks {
		return "link." + member.Method
	}
	return "sign_in." + member.Method
}

// isBatch reports whether an entry is a batch.
func isBatch(e storage.AuditEntry) bool { return e.Action == ActionSignIns || e.Action == ActionLinks }

// RecordLink adds the link of an identity to a user to the next batch. It does not wait for the store.
func (t *Trail) RecordLink(ctx context.Context, directory, user, identity string) {
	from, requestID := originOf(ctx)
	s := &t.signIns
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add(pendingSignIn{directory, ActionLinks, storage.SignIn{At: t.now(), User: user, Method: identity, From: from, RequestID: requestID}})
}

// RecordSignIn adds a sign-in to the next batch, and to the user's own list if it succeeded. It does not wait for the store.
func (t *Trail) RecordSignIn(directory string, signIn storage.SignIn) {
	signIn.At = storage.Instant(signIn.At)
	s := &t.signIns
	s.mu.Lock()
	defer s.mu.Unlock()
	batched := signIn
	batched.Session, batched.Browser, batched.Country = "", "", ""
	if !s.add(pendingSignIn{directory, ActionSignIns, batched}) {
		return
	}
	if signIn.User == "" || signIn.Outcome != "" {
		return
	}
	key := storage.Key(directory, signIn.User)
	signIn.User, signIn.RequestID = "", ""
	s.addOwn(key, signIn)
}

// addOwn adds a sign-in for the record of its user, which has the last ones. The caller has the lock.
func (s *signIns) addOwn(key string, own storage.SignIn) {
	list := s.users[key]
	if len(list) >= storage.MaxUserSignIns {
		s.users[key] = append(list[1:], own)
		return
	}
	if s.waiting >= maxWaiting {
		return
	}
	s.users[key] = append(list, own)
	s.waiting++
}

// Flush writes the collected sign-ins. What the store does not accept is collected again.
func (t *Trail) Flush(ctx context.Context) error {
	s := &t.signIns
	s.mu.Lock()
	pending, omitted := s.pending, s.omitted
	s.pending, s.omitted = nil, nil
	s.mu.Unlock()
	for i, batch := range batches(pending, omitted) {
		if err := t.write(ctx, batch); err != nil {
			t.collectAgain(batches(pending, omitted)[i:])
			return err
		}
	}
	if len(pending) > usersPerFlush {
		return t.flushUsers(ctx, usersUnderLoad)
	}
	return t.flushUsers(ctx, usersPerFlush)
}

func (t *Trail) write(ctx context.Context, batch storage.AuditEntry) error {
	if err := t.lock(ctx); err != nil {
		return err
	}
	defer t.unlock()
	_, err := t.append(ctx, batch)
	return err
}

// collectAgain returns batches that were not written to the pending sign-ins.
func (t *Trail) collectAgain(unwritten []storage.AuditEntry) {
	s := &t.signIns
	s.mu.Lock()
	defer s.mu.Unlock()
	var again []pendingSignIn
	for _, batch := range unwritten {
		for _, signIn := range batch.SignIns {
			again = append(again, pendingSignIn{batch.Directory, batch.Action, signIn})
		}
	}
	s.pending = append(again, s.pending...)
	for _, lost := range s.pending[min(len(s.pending), maxPending):] {
		s.omit(lost.directory)
	}
	s.pending = s.pending[:min(len(s.pending), maxPending)]
}

// batches returns the entries of sign-ins and links: one or more of both for each directory.
func batches(pending []pendingSignIn, omitted map[string]int) []storage.AuditEntry {
	var all []storage.AuditEntry
	type batch struct{ directory, action string }
	open := map[batch]int{} // the index of the entry that is not full
	sizes := map[batch]int{}
	entryOf := func(of batch, size int) *storage.AuditEntry {
		i, ok := open[of]
		if !ok || sizes[of]+size > maxBatch {
			i = len(all)
			all = append(all, storage.AuditEntry{
				Directory: of.directory, Actor: "system", Action: of.action, Target: "directory:" + of.directory, Outcome: Done,
			})
			open[of], sizes[of] = i, 0
		}
		sizes[of] += size
		return &all[i]
	}
	for _, next := range pending {
		entry := entryOf(batch{next.directory, next.action}, sizeOf(next.SignIn))
		entry.SignIns = append(entry.SignIns, next.SignIn)
	}
	for directory, count := range omitted {
		entryOf(batch{directory, ActionSignIns}, 0).Details = map[string]string{"omitted": strconv.Itoa(count)}
	}
	return all
}

// sizeOf is the size of a sign-in as JSON, rounded up.
func sizeOf(s storage.SignIn) int {
	const names = 80 // the members' names, the time and the punctuation
	return names + len(s.User) + len(s.Client) + len(s.Method) + len(s.Outcome) + len(s.From) + len(s.RequestID)
}

// flushUsers adds the collected sign-ins to the records of at most limit users.
func (t *Trail) flushUsers(ctx context.Context, limit int) error {
	users := t.takeUsers(limit)
	keys := make(chan string, len(users))
	for key := range users {
		keys <- key
	}
	close(keys)
	failures := make([]error, userWriters)
	var writers sync.WaitGroup
	for i := range failures {
		writers.Go(func() {
			for key := range keys {
				failures[i] = errors.Join(failures[i], t.addToUser(ctx, key, users[key]))
			}
		})
	}
	writers.Wait()
	return errors.Join(failures...)
}

// takeUsers removes the sign-ins of at most limit users from the waiting ones.
func (t *Trail) takeUsers(limit int) map[string][]storage.SignIn {
	s := &t.signIns
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := map[string][]storage.SignIn{}
	for key, list := range s.users {
		if len(taken) == limit {
			break
		}
		taken[key] = list
		delete(s.users, key)
		s.waiting -= len(list)
	}
	return taken
}

// addToUser adds sign-ins to the last ones of a user, if the user still exists.
func (t *Trail) addToUser(ctx context.Context, key string, added []storage.SignIn) error {
	for range userAttempts {
		stored, err := storage.Get[storage.UserSignIns](ctx, t.config.Engine, key)
		switch {
		case errors.Is(err, storage.ErrNotFound):
			err = t.addFirst(ctx, key, added)
		case err == nil:
			var next storage.UserSignIns
			if next, err = stored.Record.With(added); err == nil {
				_, err = stored.Replace(ctx, t.config.Engine, next)
			}
		}
		if errors.Is(err, storage.ErrTooLarge) {
			return nil // The batches have the sign-ins.
		}
		if !errors.Is(err, storage.ErrConflict) && !errors.Is(err, storage.ErrExists) {
			return err
		}
	}
	return nil // Others change the record all the time; the batches have the sign-ins.
}

// addFirst creates the record of the last sign-ins of a user. It moves those that an earlier version stored in the user.
func (t *Trail) addFirst(ctx context.Context, key string, added []storage.SignIn) error {
	user, err := storage.Get[storage.User](ctx, t.config.Engine, key)
	if errors.Is(err, storage.ErrNotFound) || err == nil && user.Record.Status == storage.UserDeleted {
		return nil
	}
	if err != nil {
		return err
	}
	earlier := user.Record.EarlierSignIns()
	slices.Reverse(earlier)
	first, err := storage.UserSignIns{Directory: user.Record.Directory, User: user.Record.ID, CreatedAt: t.now()}.With(append(earlier, added...))
	if err != nil {
		return err
	}
	if _, err := storage.Insert(ctx, t.config.Engine, first); err != nil {
		return err
	}
	return t.endMove(ctx, key)
}

// endMove removes the sign-ins of an earlier version from the user, or the new record if the user was deleted in the meantime.
func (t *Trail) endMove(ctx context.Context, key string) error {
	for range userAttempts {
		user, err := storage.Get[storage.User](ctx, t.config.Engine, key)
		if errors.Is(err, storage.ErrNotFound) || err == nil && user.Record.Status == storage.UserDeleted {
			return t.config.Engine.Delete(ctx, storage.KindUserSignIns, key)
		}
		if err != nil || len(user.Record.SignIns) == 0 {
			return err
		}
		next := user.Record
		next.SignIns = nil
		if _, err = user.Replace(ctx, t.config.Engine, next); !errors.Is(err, storage.ErrConflict) {
			return err
		}
	}
	return nil // storage.LastSignIns reads both.
}
