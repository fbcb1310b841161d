package mongodb

import (
	"context"
	"errors"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/topology"

	"github.com/minifed/minifed/storage"
)

func TestErrors_NameRemedyWithoutSecrets(t *testing.T) {
	const secret = "s3cr3t"
	label := []string{"NetworkError"}
	for text, err := range map[string]error{
		"the caller canceled the operation":     context.Canceled,
		"no response in time":                   context.DeadlineExceeded,
		"the connection broke":                  mongo.CommandError{Message: secret, Labels: label},
		"rejects the user or the password":      mongo.CommandError{Code: 18, Name: "AuthenticationFailed", Message: secret},
		"error 10107 (NotWritablePrimary)":      mongo.CommandError{Code: 10107, Name: "NotWritablePrimary", Message: secret},
		"error 64 (WriteConcernTimeout)":        mongo.WriteException{WriteConcernError: &mongo.WriteConcernError{Code: 64, Name: "WriteConcernTimeout", Message: secret}},
		"error 17280 (write error)":             mongo.WriteException{WriteErrors: mongo.WriteErrors{{Code: 17280, Message: secret}}},
		"a document that cannot be read yet":    mongo.WriteException{WriteErrors: mongo.WriteErrors{{Code: 11000, Message: secret}}},
		"no primary can be reached":             topology.ServerSelectionError{Wrapped: context.DeadlineExceeded},
		"the user may not do this":              mongo.CommandError{Code: 13, Name: "Unauthorized", Message: secret},
		"the engine is closed":                  mongo.ErrClientDisconnected,
		"insert: the driver failed":             errors.New(secret),
		"storage: unavailable: mongodb: insert": nil,
	} {
		got := new(Engine).unavailable("insert", err)
		if !errors.Is(got, storage.ErrUnavailable) || !strings.Contains(got.Error(), text) || strings.Contains(got.Error(), secret) {
			t.Errorf("%v: says %q, want %q", err, got, text)
		}
	}
}

// Error codes of a server alone, of one that does not have the read concern, and of one that does not take it.
func TestConfirm_FallsBackOnlyIfUnsupported(t *testing.T) {
	for code, want := range map[int32]bool{123: true, 115: true, 72: true, 238: true, 10107: false, 13: false, 0: false} {
		if got := unknowing(new(Engine).unavailable("read", mongo.CommandError{Code: code})); got != want {
			t.Errorf("error %d: %t, want %t", code, got, want)
		}
	}
	if unknowing(storage.ErrNotFound) || unknowing(nil) {
		t.Error("what was not found is not unknown to the server")
	}
}

// An instance that starts while the primary changes must not create an ordinary index in place of the TTL index: it would stay.
func TestIndexErrors_AreDistinguished(t *testing.T) {
	for code, want := range map[int32]struct{ withoutTTL, inTheWay bool }{
		238: {true, false}, 85: {false, true}, 86: {false, true}, 10107: {}, 11600: {}, 13: {}, 0: {},
	} {
		err := mongo.CommandError{Code: code}
		if withoutTTL(err) != want.withoutTTL || inTheWay(err) != want.inTheWay {
			t.Errorf("error %d: without TTL %t, in the way %t, want %+v", code, withoutTTL(err), inTheWay(err), want)
		}
	}
	for _, err := range []error{nil, context.DeadlineExceeded} {
		if withoutTTL(err) || inTheWay(err) {
			t.Errorf("%v says nothing of indexes", err)
		}
	}
}
