package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/server"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/mongodb"
	"github.com/minifed/minifed/storage/sqlite"
)

// deployment is an open store with everything that works on it.
type deployment struct {
	config Config
	// store is the engine as it was opened, and engine what everything works with: the same, but for a server's measurements.
	store  storage.Engine
	engine storage.Engine
	// clock is what instances compare times by.
	clock   *storage.Clock
	master  *keys.Master
	ring    *keys.Ring
	secrets *keys.Secrets
	admin   *admin.Service
	// hashing bounds the hashes of the whole process.
	hashing *identity.Hashing
	// madeMasterKey is the file of the master key, if it was made now.
	madeMasterKey string
}

// purpose says what a deployment is opened for.
type purpose struct {
	// serve claims the store for a server, and makes what a first start needs.
	serve  bool
	logger *slog.Logger
	// metrics registers what counts the store's operations; nil counts nothing.
	metrics prometheus.Registerer
}

// openDeployment opens the store that config names and makes sure that the master key is the store's. Only a server makes
// what is not there; every other command says where it looked.
func openDeployment(ctx context.Context, c *console, config Config, why purpose) (opened *deployment, err error) {
	location, err := parseStore(config)
	if err != nil {
		return nil, err
	}
	if !why.serve {
		if err := location.mustExist(); err != nil {
			return nil, err
		}
	}
	d := &deployment{config: config, clock: storage.NewClock(c.now)}
	if d.master, d.madeMasterKey, err = openMasterKey(c, config, location, why.serve); err != nil {
		return nil, err
	}
	warnWrittenAhead(why.logger, location.file, c.now())
	if d.store, err = openEngine(ctx, c, d.clock, location, why); err != nil {
		return nil, err
	}
	if d.engine = d.store; why.metrics != nil {
		if d.engine, err = server.MeasureStore(d.store, why.metrics, c.now); err != nil {
			return nil, errors.Join(err, d.store.Close())
		}
	}
	if err := unfinishedImport(ctx, d.engine); err != nil {
		return nil, errors.Join(err, d.engine.Close())
	}
	if err := d.assemble(ctx, c, why.logger); err != nil {
		return nil, errors.Join(err, d.engine.Close())
	}
	return d, nil
}

// mustExist answers what to do when there is no store.
func (l storeLocation) mustExist() error {
	if l.file == "" {
		return nil
	}
	if _, err := os.Stat(l.file); errors.Is(err, fs.ErrNotExist) {
		path, _ := filepath.Abs(l.file)
		return fmt.Errorf("there is no store at %s: start `minifed serve` once, which makes it, or name the configuration of the one you mean by --config", path)
	}
	return nil
}

// openEngine opens the store, and corrects clock by the store's where it has one.
func openEngine(ctx context.Context, c *console, clock *storage.Clock, location storeLocation, why purpose) (storage.Engine, error) {
	if location.file != "" {
		return sqlite.Open(ctx, sqlite.Options{
			Path: location.file, Serve: why.serve, Now: clock.Now, Logger: why.logger, Random: c.random,
		})
	}
	engine, err := mongodb.Open(ctx, mongodb.Options{URI: string(location.uri), Now: clock.Now, Random: c.random, Logger: why.logger})
	if err != nil {
		return nil, err
	}
	if err := clock.Measure(ctx, engine); err != nil {
		why.logger.Warn("the store does not say its time: clocks are not compared", "error", explain(err))
	}
	return engine, nil
}

// assemble builds what works on the open store.
func (d *deployment) assemble(ctx context.Context, c *console, logger *slog.Logger) error {
	if err := checkMasterKey(ctx, d); err != nil {
		return err
	}
	var err error
	config := keys.Config{
		Engine: d.engine, Master: d.master, Now: d.clock.Now, ClockTrusted: d.clock.Trusted, Random: c.random, Logger: logger,
		Schedule: keys.Schedule{RotateEvery: d.config.Keys.RotateEvery}, VerifiedTokens: verifiedTokens,
	}
	if d.ring, err = keys.NewRing(config); err != nil {
		return err
	}
	if d.secrets, err = keys.NewSecrets(config); err != nil {
		return err
	}
	d.hashing = d.config.Passwords.bounds()
	people, err := identity.New(identity.Config{
		Engine: d.engine, Now: d.clock.Now, Rand: c.random, Logger: logger,
		Argon2: d.config.Passwords.Argon2.parameters(), Hashing: d.hashing,
	})
	if err != nil {
		return err
	}
	d.admin, err = admin.New(admin.Config{
		Engine: d.engine, Master: d.master, Keys: d.ring, Secrets: d.secrets, Identity: people, Hashing: d.hashing, Now: d.clock.Now, Random: c.random,
		PublicURL: d.config.PublicURL, DefaultDirectory: d.config.DefaultDirectory, Actor: identity.Operator(c.operator()),
	})
	return err
}

// verifiedTokens is how many signatures of presented access tokens are remembered as good.
const verifiedTokens = 4096

// close ends the deployment after the writes that were accepted.
func (d *deployment) close() error { return d.engine.Close() }
