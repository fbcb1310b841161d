package oauth2_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
	"github.com/minifed/minifed/storage/storagetest"
)

// handles returns one genuine handle of each kind, and how each is shown.
func handles(k *kit) (genuine map[string]string, show map[string]func(context.Context, string) error) {
	k.t.Helper()
	record := k.client("spa").Record()
	record.OpaqueAccessTokens = true
	k.register(record)
	a := k.signIn()
	genuine = map[string]string{
		"mf_ac_": k.mustAuthorize(nil, nil), "mf_rt_": a.refresh, "mf_at_": a.access, "mf_bt_": k.ticket("code of a ticket"),
	}
	show = map[string]func(context.Context, string) error{
		"mf_ac_": func(ctx context.Context, token string) error {
			_, err := k.store.GetAuthorizeCodeSession(ctx, token, &oauth2.Session{})
			return err
		},
		"mf_rt_": func(ctx context.Context, token string) error {
			_, err := k.store.GetRefreshTokenSession(ctx, token, &oauth2.Session{})
			return err
		},
		"mf_at_": func(ctx context.Context, token string) error {
			_, err := k.store.Access(ctx, token)
			return err
		},
		"mf_bt_": func(ctx context.Context, token string) error {
			_, err := k.store.Ticket(ctx, k.client("mini"), token, "asked")
			return err
		},
	}
	return genuine, show
}

func TestHandle_ForgedIsRejectedWithoutARead(t *testing.T) {
	k := newKit(t)
	genuine, show := handles(k)
	for kind, token := range genuine {
		if err := show[kind](k.begin(), token); err != nil {
			t.Fatalf("%s: the genuine one is refused: %v", kind, err)
		}
		forgeries := []string{
			"", kind, token[:len(token)-1], token + "A", token + "\n", " " + token, strings.ToUpper(token), token[len(kind):],
			kind + strings.Repeat("\n", len(token)-len(kind)),
		}
		for i := range token {
			forged := []byte(token)
			forged[i] = 'A' + (forged[i]-'A'+1)%26
			forgeries = append(forgeries, string(forged))
		}
		for other := range genuine {
			if other != kind {
				forgeries = append(forgeries, other+token[len(kind):], genuine[other])
			}
		}
		reads, writes := k.operations(func() {
			for _, forged := range forgeries {
				if err := show[kind](k.begin(), forged); !errors.Is(err, oauth2.ErrNoGrant) {
					t.Errorf("%s: forged %q: %v, want ErrNoGrant", kind, forged, err)
				}
			}
		})
		if reads+writes != 0 {
			t.Errorf("%s: forged handles made %d reads and %d writes", kind, reads, writes)
		}
	}
}

func TestHandle_HasOneSpelling(t *testing.T) {
	k := newKit(t)
	genuine, show := handles(k)
	for kind, token := range genuine {
		raw := token[len(kind):]
		if len(raw)%4 == 0 {
			continue // There are no spare bits.
		}
		const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
		last := strings.IndexByte(alphabet, raw[len(raw)-1])
		twin := token[:len(token)-1] + string(alphabet[last^1])
		if _, err := base64.RawURLEncoding.DecodeString(twin[len(kind):]); err != nil {
			t.Fatal(err)
		}
		if err := show[kind](k.begin(), twin); !errors.Is(err, oauth2.ErrNoGrant) {
			t.Errorf("%s: a second spelling is accepted: %v", kind, err)
		}
	}
}

func TestHandle_NoPartIsStored(t *testing.T) {
	k := newKit(t)
	var ids []string
	k.hooks.Before = func(_ context.Context, operation storagetest.Operation) error {
		ids = append(ids, operation.ID)
		return nil
	}
	genuine, _ := handles(k)
	k.hooks.Before = nil
	page, err := k.memory.List(t.Context(), storage.Query{Kind: storage.KindGrant})
	if err != nil || len(page.Documents) != 3 {
		t.Fatalf("%d grants, %v", len(page.Documents), err)
	}
	for _, doc := range page.Documents {
		ids = append(ids, string(doc.Body))
	}
	for kind, token := range genuine {
		mac := token[len(token)-20:]
		for _, text := range ids {
			if strings.Contains(text, mac) {
				t.Errorf("%s: the MAC is in the store", kind)
			}
		}
	}
}

func TestHandle_IsInvalidInAnotherDirectory(t *testing.T) {
	k := newKit(t)
	genuine, show := handles(k)
	grant := k.stored(mustGrant(t, k, genuine["mf_at_"]))
	other := &oauth2.Issuer{Directory: storage.Directory{ID: "other"}, URL: "https://other.example"}

	// The other directory has everything under the same IDs, as if an operator had copied it.
	for _, id := range []string{"spa", "mini"} {
		record := k.client(id).Record()
		record.Directory = "other"
		client, err := oauth2.NewClient(record, other)
		if err != nil {
			t.Fatal(err)
		}
		k.clients["other/"+id] = client
	}
	grant.Directory = "other"
	insert(t, k, grant)
	insert(t, k, storage.User{Directory: "other", ID: "alice", Status: storage.UserActive, Epoch: 3})

	for kind, token := range genuine {
		ctx := oauth2.Begin(t.Context(), other)
		if err := show[kind](ctx, token); !errors.Is(err, oauth2.ErrNoGrant) {
			t.Errorf("%s: %v, want ErrNoGrant", kind, err)
		}
		if err := k.store.RevokeToken(ctx, k.client("spa"), token); !errors.Is(err, oauth2.ErrNoGrant) {
			t.Errorf("%s: revoked in another directory: %v", kind, err)
		}
	}
	here, err := k.store.GrantIDs(k.begin(), "same", "parts")
	if err != nil {
		t.Fatal(err)
	}
	there, err := k.store.GrantIDs(oauth2.Begin(t.Context(), other), "same", "parts")
	if err != nil || here[0].ID == there[0].ID {
		t.Errorf("two directories derive the same grant ID: %v", err)
	}
}

func mustGrant(t *testing.T, k *kit, accessToken string) string {
	t.Helper()
	access, err := k.store.Access(k.begin(), accessToken)
	if err != nil {
		t.Fatal(err)
	}
	return access.Grant.ID
}

func TestHandle_UnknownSecretIsInvalidAndUnreachableIsAnError(t *testing.T) {
	k := newKit(t)
	k.secrets.current = 2
	a := k.signIn()
	k.secrets.current = 1
	wantError(t, k.refresh(a.refresh), http.StatusBadRequest, "invalid_grant")
	k.secrets.err = storage.ErrUnavailable
	wantError(t, k.refresh(a.refresh), http.StatusServiceUnavailable, "temporarily_unavailable")
}

func TestStore_EveryMethodRequiresARequest(t *testing.T) {
	k := newKit(t)
	genuine, show := handles(k)
	for kind, token := range genuine {
		if err := show[kind](t.Context(), token); err == nil || errors.Is(err, oauth2.ErrNoGrant) {
			t.Errorf("%s outside a request: %v", kind, err)
		}
	}
	if _, ok := oauth2.IssuerFrom(t.Context()); ok {
		t.Error("an issuer outside a request")
	}
	if issuer, ok := oauth2.IssuerFrom(k.begin()); !ok || issuer != k.issuer {
		t.Error("a request without its issuer")
	}
}

func FuzzHandles(f *testing.F) {
	genuine, _ := handles(newKit(f))
	for _, token := range genuine {
		f.Add(token)
		f.Add(token[:len(token)/2])
		f.Add(token + "=")
	}
	f.Add("")
	f.Add("mf_rt_" + strings.Repeat("A", 80))
	f.Add("mf_rt_" + strings.Repeat("\n", 80))
	f.Fuzz(func(t *testing.T, token string) {
		k := newKit(t)
		_, show := handles(k)
		if sealed(t, k, token) {
			return
		}
		for kind, show := range show {
			var err error
			reads, writes := k.operations(func() { err = show(k.begin(), token) })
			if !errors.Is(err, oauth2.ErrNoGrant) || reads+writes != 0 {
				t.Fatalf("%s: %q: %v after %d reads and %d writes", kind, token, err, reads, writes)
			}
		}
	})
}

// sealed reports whether a handle's MAC is right, by the description of handles alone.
func sealed(t *testing.T, k *kit, token string) bool {
	t.Helper()
	if len(token) < 6 {
		return false
	}
	raw, err := base64.RawURLEncoding.DecodeString(token[6:])
	if err != nil || len(raw) < 56 {
		return false
	}
	payload, mac := raw[:len(raw)-20], raw[len(raw)-20:]
	want, err := k.secrets.MAC(t.Context(), "main", binary.BigEndian.Uint32(payload), token[:6], payload)
	return err == nil && bytes.Equal(mac, want[:20])
}

func FuzzGrantOf(f *testing.F) {
	f.Add("")
	f.Add(strings.Repeat("A", 43) + ".jti")
	f.Add(strings.Repeat("A", 43))
	f.Fuzz(func(t *testing.T, jti string) {
		id, ok := oauth2.GrantOf(jti)
		if raw, err := base64.RawURLEncoding.DecodeString(id); ok && (err != nil || len(raw) != 32 || !strings.HasPrefix(jti, id+".")) {
			t.Fatalf("jti %q names grant %q", jti, id)
		}
	})
}
