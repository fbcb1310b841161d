package mongodb

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/minifed/minifed/storage"
)

var _ storage.TimeSource = (*Engine)(nil)

var errNoTime = errors.New("mongodb: the server does not say its time")

// Time implements storage.TimeSource: it is the primary's clock, as hello says it.
func (e *Engine) Time(ctx context.Context) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, e.options.Timeout)
	defer cancel()
	var hello struct {
		LocalTime time.Time `bson:"localTime"`
	}
	if err := e.client.Database("admin").RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&hello); err != nil {
		return time.Time{}, e.unavailable("ask for the time", err)
	}
	if hello.LocalTime.IsZero() {
		return time.Time{}, errNoTime
	}
	return hello.LocalTime, nil
}
