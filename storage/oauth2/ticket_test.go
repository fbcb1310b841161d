package oauth2_test

import (
	"context"
	"errors"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// ticket creates a bind ticket for an unknown user, as policy bind does.
func (k *kit) ticket(code string) string {
	k.t.Helper()
	ctx := k.begin()
	ids, err := k.store.GrantIDs(ctx, "wechat", "mini", "wxsim", code)
	if err != nil {
		k.t.Fatal(err)
	}
	ticket, err := k.store.IssueTicket(ctx, k.client("mini"), storage.Grant{
		ID: ids[0].ID, SecretGeneration: ids[0].SecretGeneration, Asked: "profile",
		Pending: &storage.Pending{AppID: "wxsim", OpenID: "openid", ProvenAt: time.Now()},
	})
	if err != nil {
		k.t.Fatal(err)
	}
	return ticket
}

// bind uses a ticket as bindUser does, for alice, and returns the refresh token.
func (k *kit) bind(ticket, asked string) (refreshToken string, err error) {
	k.t.Helper()
	ctx := k.begin()
	live, err := k.store.Ticket(ctx, k.client("mini"), ticket, asked)
	if err != nil {
		return "", err
	}
	if live.Grant.State == storage.GrantPending {
		g := live.Grant
		g.User, g.UserEpoch, g.AskedBind = "alice", 3, asked
		if err := k.store.NewGrant(ctx, g); err != nil {
			return "", err
		}
	}
	return k.issue(ctx, live.Grant.ID)
}

// issue creates and stores the tokens of a drafted grant.
func (k *kit) issue(ctx context.Context, id string) (refreshToken string, err error) {
	session := &oauth2.Session{}
	session.SetSubject("alice")
	r := &fosite.Request{
		ID: id, Client: k.client("mini"), Session: session, Form: url.Values{"grant_type": {exchangeGrant}},
		GrantedScope: fosite.Arguments{"openid"}, GrantedAudience: fosite.Arguments{k.issuer.URL},
	}
	if _, _, err := k.strategy.GenerateAccessToken(ctx, r); err != nil {
		return "", err
	}
	refreshToken, _, err = k.strategy.GenerateRefreshToken(ctx, r)
	if err != nil {
		return "", err
	}
	if ctx, err = k.store.BeginTX(ctx); err != nil {
		return "", err
	}
	if err := k.store.CreateAccessTokenSession(ctx, "", r); err != nil {
		return "", err
	}
	if err := k.store.CreateRefreshTokenSession(ctx, "", "", r); err != nil {
		return "", err
	}
	return refreshToken, k.store.Commit(ctx)
}

func TestTicket_BecomesAGrantOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t)
		ticket := k.ticket("code")
		time.Sleep(4 * time.Minute)
		first, err := k.bind(ticket, "register")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(59 * time.Second)
		again, err := k.bind(ticket, "register")
		if err != nil {
			t.Fatalf("a lost response: %v", err)
		}
		if again != first {
			t.Error("the repeat got another refresh token")
		}
		if _, err := k.bind(ticket, "register, but differently"); !errors.Is(err, oauth2.ErrRepeatDiffers) {
			t.Errorf("a repeat that differs: %v", err)
		}
		time.Sleep(time.Minute)
		if _, err := k.bind(ticket, "register"); !errors.Is(err, oauth2.ErrNoGrant) {
			t.Errorf("a repeat after 60 s: %v", err)
		}
		wantOK(t, k.refreshAs("mini", first))
	})
}

func TestTicket_RepeatedLoginReturnsTheSameTicket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t)
		ticket := k.ticket("code")
		ctx := k.begin()
		ids, err := k.store.GrantIDs(ctx, "wechat", "mini", "wxsim", "code")
		if err != nil {
			t.Fatal(err)
		}
		live, err := k.store.Repeat(ctx, k.client("mini"), ids, "profile")
		if err != nil || live.Grant.State != storage.GrantPending || live.Grant.Pending.OpenID != "openid" {
			t.Fatalf("Repeat: %+v, %v", live, err)
		}
		var again string
		reads, writes := k.operations(func() { again, err = k.store.IssueTicket(ctx, k.client("mini"), live.Grant) })
		if err != nil || again != ticket || reads != 0 || writes != 0 {
			t.Errorf("got the same ticket: %v; %v; %d reads, %d writes", again == ticket, err, reads, writes)
		}
		if racing := k.ticket("code"); racing != ticket {
			t.Error("a login that lost the race got another ticket")
		}

		if _, err := k.bind(ticket, "register"); err != nil {
			t.Fatal(err)
		}
		if _, err := k.store.Repeat(k.begin(), k.client("mini"), ids, "profile"); !errors.Is(err, oauth2.ErrNoGrant) {
			t.Errorf("repeat of a login whose ticket was used: %v, want ErrNoGrant", err)
		}
	})
}

func TestTicket_Expires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t)
		ticket := k.ticket("code")
		time.Sleep(5 * time.Minute)
		if _, err := k.bind(ticket, "register"); !errors.Is(err, oauth2.ErrNoGrant) {
			t.Errorf("after five minutes: %v, want ErrNoGrant", err)
		}
	})
}

func TestTicket_FiveWrongProofsEndIt(t *testing.T) {
	k := newKit(t)
	ticket := k.ticket("code")
	live, err := k.store.Ticket(k.begin(), k.client("mini"), ticket, "register")
	if err != nil {
		t.Fatal(err)
	}
	for want := oauth2.MaxProofs - 1; want >= 0; want-- {
		left, err := k.store.ProofFailed(k.begin(), live.Grant.ID)
		if err != nil || left != want {
			t.Fatalf("%d left, want %d; %v", left, want, err)
		}
		_, err = k.store.Ticket(k.begin(), k.client("mini"), ticket, "register")
		if alive := want > 0; alive != (err == nil) {
			t.Fatalf("%d left: %v", left, err)
		}
	}
	if g := k.stored(live.Grant.ID); g.State != storage.GrantRevoked || g.RevokedBecause != "proofs" {
		t.Errorf("grant is %s because %q", g.State, g.RevokedBecause)
	}
	if _, err := k.store.ProofFailed(k.begin(), live.Grant.ID); !errors.Is(err, oauth2.ErrNoGrant) {
		t.Errorf("a sixth proof: %v", err)
	}
}

func TestTicket_ConcurrentWrongProofIsCounted(t *testing.T) {
	k := newKit(t)
	ticket := k.ticket("code")
	ctx := k.begin()
	live, err := k.store.Ticket(ctx, k.client("mini"), ticket, "register")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.store.ProofFailed(k.begin(), live.Grant.ID); err != nil {
		t.Fatal(err)
	}
	g := live.Grant
	g.User, g.UserEpoch, g.AskedBind = "alice", 3, "register"
	if err := k.store.NewGrant(ctx, g); err != nil {
		t.Fatal(err)
	}
	if _, err := k.issue(ctx, g.ID); !errors.Is(err, fosite.ErrSerializationFailure) {
		t.Fatalf("an activation that overtook a wrong proof: %v", err)
	}
	if stored := k.stored(g.ID); stored.State != storage.GrantPending || stored.Pending.FailedProofs != 1 {
		t.Errorf("grant is %s with %d wrong proofs", stored.State, stored.Pending.FailedProofs)
	}
	if _, err := k.bind(ticket, "register"); err != nil {
		t.Errorf("asked again: %v", err)
	}
}

func TestTicket_BelongsToItsClient(t *testing.T) {
	k := newKit(t)
	k.register(storage.Client{ID: "mini2", Kind: storage.ClientMiniapp, AuthMethod: "client_secret_basic"})
	ticket := k.ticket("code")
	if _, err := k.store.Ticket(k.begin(), k.client("mini2"), ticket, "register"); !errors.Is(err, oauth2.ErrNoGrant) {
		t.Errorf("another client's: %v, want ErrNoGrant", err)
	}
	if _, err := k.bind(ticket, "register"); err != nil {
		t.Fatal(err)
	}
	if _, err := k.store.Ticket(k.begin(), k.client("mini2"), ticket, "register"); !errors.Is(err, oauth2.ErrNoGrant) {
		t.Errorf("another client's, used: %v, want ErrNoGrant", err)
	}
}

func TestTicket_ConcurrentUsesCreateOneGrant(t *testing.T) {
	for range 20 {
		k := newKit(t)
		ticket := k.ticket("code")
		tokens := make(chan string, 16)
		for range 16 {
			go func() {
				token, err := k.bind(ticket, "register")
				if err != nil {
					t.Error(err)
				}
				tokens <- token
			}()
		}
		first := <-tokens
		for range 15 {
			if token := <-tokens; token != first {
				t.Error("two uses got different refresh tokens")
			}
		}
	}
}
