package ferretdb

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// Start runs FerretDB, empty, with its files in a folder. The go command caches the program, which takes long to link.
func Start(ctx context.Context, folder string) (*Server, error) {
	process := exec.CommandContext(ctx, "go", "run", "./cmd/ferretdb", folder) //nolint:gosec // The folder is ours.
	// Its heap is small and its garbage large: a larger heap saves a tenth of its work.
	process.Env = append(os.Environ(), "GOGC=400")
	process.Stderr = os.Stderr
	life, err := process.StdinPipe()
	if err != nil {
		return nil, err
	}
	printed, err := process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := process.Start(); err != nil {
		return nil, err
	}
	uri, err := bufio.NewReader(printed).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("ferretdb: it did not start: %w", errors.Join(err, process.Wait()))
	}
	return &Server{
		address: strings.Trim(strings.TrimPrefix(uri, "mongodb://"), "/\n"),
		stop:    func() error { return errors.Join(life.Close(), process.Wait()) },
	}, nil
}

// Connect finds the primary of the MongoDB at a URI. The proxies read what goes by, so it cannot be TLS.
func Connect(ctx context.Context, uri string) (*Server, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	parsed, err := url.Parse(uri)
	if err != nil || parsed.Scheme != "mongodb" {
		return nil, errors.New("ferretdb: the URI must be mongodb://HOST:PORT/?replicaSet=NAME, and without TLS")
	}
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		return nil, fmt.Errorf("ferretdb: %w", err)
	}
	defer func() { _ = client.Disconnect(ctx) }()
	var hello struct {
		SetName string `bson:"setName"`
		Primary string `bson:"primary"`
	}
	if err := client.Database("admin").RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&hello); err != nil {
		return nil, fmt.Errorf("ferretdb: %w", err)
	}
	if hello.Primary == "" {
		return nil, errors.New("ferretdb: the server is no member of a replica set with a primary")
	}
	source := parsed.Query().Get("authSource")
	if source == "" {
		source = "admin"
	}
	return &Server{
		address: hello.Primary, credentials: parsed.User, authSource: source, mongoDB: uri, stop: func() error { return nil },
	}, nil
}
