package token_test

import (
	"strings"
	"testing"

	"github.com/ory/fosite/compose"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/server/token"
	"github.com/minifed/minifed/storage/oauth2"
)

func TestExchangeFactory_RejectsIncompleteWiring(t *testing.T) {
	type users struct {
		grants.CodeExchanger
		grants.SubjectResolver
	}
	store := new(oauth2.Store)
	strategy := &token.Strategy{Strategy: &oauth2.Strategy{Store: store}}
	for _, tt := range []struct {
		name     string
		exchange token.Exchange
		strategy any
		missing  string
	}{
		{"complete", token.Exchange{Exchanger: users{}, Resolver: users{}}, strategy, ""},
		{"no exchanger", token.Exchange{Resolver: users{}}, strategy, "Exchanger"},
		{"no resolver", token.Exchange{Exchanger: users{}}, strategy, "Resolver"},
		{"strategy without ID tokens", token.Exchange{Exchanger: users{}, Resolver: users{}}, compose.NewOAuth2HMACStrategy(nil), "OpenIDConnectTokenStrategy"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			factory, err := tt.exchange.Factory(store, tt.strategy)
			if tt.missing == "" {
				if err != nil || factory == nil {
					t.Fatalf("Factory() = %v, %v", factory, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.missing) || factory != nil {
				t.Fatalf("Factory() = %v, %v, want an error that names %s", factory, err, tt.missing)
			}
		})
	}
}
