package mongodb

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/topology"

	"github.com/minifed/minifed/storage"
)

// Codes of the server's errors (src/mongo/base/error_codes.yml).
const (
	codeUnauthorized         = 13
	codeAuthenticationFailed = 18
	codeInvalidOptions       = 72
	codeIndexNotFound        = 27
	codeIndexOptionsConflict = 85
	codeIndexKeyConflict     = 86
	codeNotSupported         = 115
	codeNotAReplicaSet       = 123
	codeNotImplemented       = 238
	codeAtlasUnauthorized    = 8000
)

// failure is storage.ErrUnavailable with what an operator needs to know. It leaves out the driver's text, which may quote a
// document.
type failure struct {
	operation, text string
	// code is the server's, 0 if it is not the server that failed.
	code int
}

func (e *Engine) unavailable(operation string, err error) error {
	code, _ := codeOf(err)
	text := explain(err)
	if selection, ok := errors.AsType[topology.ServerSelectionError](err); ok {
		text = unreachable(selection, e.tls)
	} else if code == codeUnauthorized && e.anonymous {
		text = "the server requires a user, and the URI has none: put user and password before the host, and authSource if it is another database's"
	}
	return &failure{operation: operation, text: text, code: code}
}

func (f *failure) Error() string {
	return fmt.Sprintf("%v: mongodb: %s: %s", storage.ErrUnavailable, f.operation, f.text)
}

func (f *failure) Unwrap() error { return storage.ErrUnavailable }

// unknowing reports whether the server does not know what was asked of it, as one without replicas knows no linearizable read.
func unknowing(err error) bool {
	f, ok := errors.AsType[*failure](err)
	return ok && slices.Contains([]int{codeInvalidOptions, codeNotSupported, codeNotAReplicaSet, codeNotImplemented}, f.code)
}

// withoutTTL reports whether a server said of a TTL index that it has none. After any other error an ordinary index would be
// created by mistake, and stay.
func withoutTTL(err error) bool {
	code, _ := codeOf(err)
	return code == codeNotImplemented
}

// inTheWay reports whether an index of another kind has the key or the name of the one to be created.
func inTheWay(err error) bool {
	code, _ := codeOf(err)
	return code == codeIndexOptionsConflict || code == codeIndexKeyConflict
}

// explain describes the error in own words; nil is a write that lost to something.
func explain(err error) string {
	switch code, name := codeOf(err); {
	case err == nil, mongo.IsDuplicateKeyError(err):
		return "lost to a document that cannot be read yet"
	case errors.Is(err, context.Canceled):
		return "the caller canceled the operation"
	case code == codeAuthenticationFailed, code == codeAtlasUnauthorized:
		return "the server rejects the user or the password: correct them, or authSource, in the URI"
	case code == codeUnauthorized:
		return "the user may not do this: give it the role readWrite on the database"
	case code != 0:
		return fmt.Sprintf("the server returned error %d (%s)", code, name)
	case errors.Is(err, mongo.ErrClientDisconnected):
		return "the engine is closed"
	case mongo.IsTimeout(err):
		return "no response in time"
	case mongo.IsNetworkError(err):
		return "the connection broke"
	default:
		return "the driver failed"
	}
}

// unsent reports whether an operation failed because there was no server to send it to.
func unsent(err error) bool {
	_, ok := errors.AsType[topology.ServerSelectionError](err)
	return ok
}

// codeOf returns the code and the name of a server's error, or 0. Names are constants of the server.
func codeOf(err error) (code int, name string) {
	var command mongo.CommandError
	var rejected mongo.WriteException
	switch {
	case errors.As(err, &command):
		return int(command.Code), command.Name
	case !errors.As(err, &rejected):
		return 0, ""
	case len(rejected.WriteErrors) > 0:
		return rejected.WriteErrors[0].Code, "write error"
	case rejected.WriteConcernError != nil:
		return rejected.WriteConcernError.Code, rejected.WriteConcernError.Name
	default:
		return 0, ""
	}
}
