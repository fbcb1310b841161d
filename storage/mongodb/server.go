package mongodb

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Server is what a server says of itself.
type Server struct {
	// Version is such as "8.0.12".
	Version string
	// ReplicaSet is the name of the set; empty for a server that is in none.
	ReplicaSet string
	// Members is how many members of the set the server names, arbiters included.
	Members int
	// Sharded says that the server is a mongos, the router of a sharded cluster.
	Sharded bool
	// Time is the server's clock.
	Time time.Time
}

// Server returns the primary's description, or storage.ErrUnavailable.
func (e *Engine) Server(ctx context.Context) (Server, error) {
	ctx, cancel := context.WithTimeout(ctx, e.options.Timeout)
	defer cancel()
	admin := e.client.Database("admin")
	var build struct {
		Version string `bson:"version"`
	}
	if err := admin.RunCommand(ctx, bson.D{{Key: "buildInfo", Value: 1}}).Decode(&build); err != nil {
		return Server{}, e.unavailable("ask for the version", err)
	}
	var hello struct {
		SetName   string    `bson:"setName"`
		Hosts     []string  `bson:"hosts"`
		Passives  []string  `bson:"passives"`
		Arbiters  []string  `bson:"arbiters"`
		Message   string    `bson:"msg"`
		LocalTime time.Time `bson:"localTime"`
	}
	if err := admin.RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&hello); err != nil {
		return Server{}, e.unavailable("ask for the time", err)
	}
	return Server{
		Version: build.Version, ReplicaSet: hello.SetName, Members: len(hello.Hosts) + len(hello.Passives) + len(hello.Arbiters),
		Sharded: hello.Message == "isdbgrid", Time: hello.LocalTime,
	}, nil
}
