package oauth2_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/minifed/minifed/storage"
)

// lagging is an engine that reads grants as they were when lag was set, and confirms them as they are.
type lagging struct {
	storage.Engine
	lag       map[string]storage.Document // by ID; nil is up to date
	confirmed int
}

func (l *lagging) Get(ctx context.Context, kind storage.Kind, id string) (storage.Document, error) {
	if kind != storage.KindGrant || l.lag == nil {
		return l.Engine.Get(ctx, kind, id)
	}
	doc, ok := l.lag[id]
	if !ok {
		return storage.Document{}, storage.ErrNotFound
	}
	return doc, nil
}

func (l *lagging) Confirm(ctx context.Context, kind storage.Kind, id string) (storage.Document, error) {
	l.confirmed++
	return l.Engine.Get(ctx, kind, id)
}

// fallBehind hides later writes from reads.
func (l *lagging) fallBehind(t *testing.T) {
	t.Helper()
	l.lag = map[string]storage.Document{}
	page, err := l.List(t.Context(), storage.Query{Kind: storage.KindGrant})
	if err != nil {
		t.Fatal(err)
	}
	for _, doc := range page.Documents {
		l.lag[doc.ID] = doc
	}
}

func newLaggingKit(t *testing.T) (*kit, *lagging) {
	k := newKit(t)
	l := &lagging{Engine: k.hooks}
	k.store.Engine = l
	return k, l
}

func TestConfirm_StaleReadRejectsNoValidToken(t *testing.T) {
	for name, show := range map[string]func(*kit, *lagging) tokenResponse{
		"a refresh token of a grant that it misses": func(k *kit, l *lagging) tokenResponse {
			l.fallBehind(t)
			a := k.signIn()
			return k.refresh(a.refresh)
		},
		"a refresh token of a rotation that it misses": func(k *kit, l *lagging) tokenResponse {
			a := k.signIn()
			l.fallBehind(t)
			return k.refresh(k.refresh(a.refresh).refresh)
		},
		"a code": func(k *kit, l *lagging) tokenResponse {
			l.fallBehind(t)
			return k.redeem(k.mustAuthorize(nil, nil))
		},
		"a bind ticket": func(k *kit, l *lagging) tokenResponse {
			l.fallBehind(t)
			token, err := k.bind(k.ticket("code"), "register")
			if err != nil {
				return errorResponse(err)
			}
			return tokenResponse{status: http.StatusOK, access: token}
		},
		"an access token": func(k *kit, l *lagging) tokenResponse {
			l.fallBehind(t)
			a := k.signIn()
			mustLive(k, k.grantOf(a.access).ID)
			return a
		},
	} {
		t.Run(name, func(t *testing.T) {
			k, l := newLaggingKit(t)
			if a := show(k, l); a.status != http.StatusOK {
				t.Errorf("got %d %s", a.status, a.explanation)
			}
			if l.confirmed == 0 {
				t.Error("nothing was confirmed")
			}
		})
	}
}

// A confirmed read costs a round among the replicas. The first exchange of a code usually finds nothing, and a forged token is
// rejected without a read.
func TestConfirm_OnlyRejectionsAreConfirmed(t *testing.T) {
	k, l := newLaggingKit(t)
	a := k.signIn()
	wantOK(t, k.exchange("code"))
	wantOK(t, k.exchange("code"))
	wantOK(t, k.refresh(a.refresh))
	wantOK(t, k.redeem(k.mustAuthorize(nil, nil)))
	mustBind(k, k.ticket("another"))
	mustLive(k, k.grantOf(a.access).ID)
	last := "_"
	if strings.HasSuffix(a.refresh, last) {
		last = "A"
	}
	wantError(t, k.refresh(a.refresh[:len(a.refresh)-1]+last), http.StatusBadRequest, "invalid_grant")
	if l.confirmed != 0 {
		t.Errorf("%d reads were confirmed", l.confirmed)
	}
}

func TestConfirm_DeletedGrantIsRejected(t *testing.T) {
	k, l := newLaggingKit(t)
	a := k.signIn()
	if err := k.memory.Delete(t.Context(), storage.KindGrant, "main/"+k.grantOf(a.access).ID); err != nil {
		t.Fatal(err)
	}
	wantError(t, k.refresh(a.refresh), http.StatusBadRequest, "invalid_grant")
	if l.confirmed != 1 {
		t.Errorf("%d reads were confirmed, want 1", l.confirmed)
	}
}
