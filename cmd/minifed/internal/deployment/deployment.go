package deployment

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/minifed/minifed/audit"
	"github.com/minifed/minifed/cmd/minifed/internal/clockwatch"
	"github.com/minifed/minifed/cmd/minifed/internal/config"
	"github.com/minifed/minifed/cmd/minifed/internal/console"
	"github.com/minifed/minifed/cmd/minifed/internal/explain"
	"github.com/minifed/minifed/cmd/minifed/internal/memory"
	"github.com/minifed/minifed/cmd/minifed/internal/metrics"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/mongodb"
	"github.com/minifed/minifed/storage/sqlite"
	"github.com/minifed/minifed/wechat"
)

// Deployment is an open store with the services that use it.
type Deployment struct {
	Config config.Config
	// Store is the opened engine. Engine is the engine that the services use: in a server it also measures operations.
	Store  storage.Engine
	Engine storage.Engine
	// Clock is the clock that instances compare times with.
	Clock   *storage.Clock
	Master  *keys.Master
	Ring    *keys.Ring
	Secrets *keys.Secrets
	Admin   *admin.Service
	// Backup returns the state of the backups that this process takes; nil if it takes none.
	Backup func() *admin.BackupState
	// Audit records the acts of this process.
	Audit *audit.Trail
	// Hashing limits the hashes of the whole process.
	Hashing *identity.Hashing
	// CreatedMasterKey is the file of the master key, if it was created now.
	CreatedMasterKey string
}

// Purpose is the purpose that a deployment is opened for.
type Purpose struct {
	// Serve opens the store for a server, and creates the store and the master key at a first start.
	Serve  bool
	Logger *slog.Logger
	// Metrics registers the metrics of the store's operations; nil measures nothing.
	Metrics prometheus.Registerer
}

// Open opens the store that config names, and checks that the master key is that of the store. Only a server creates a missing store;
// other commands report where they expected it.
func Open(ctx context.Context, c *console.Console, config config.Config, why Purpose) (opened *Deployment, err error) {
	location, err := config.StoreLocation()
	if err != nil {
		return nil, err
	}
	if !why.Serve {
		if err := location.MustExist(); err != nil {
			return nil, err
		}
	}
	d := &Deployment{Config: config, Clock: storage.NewClock(c.Now)}
	if d.Master, d.CreatedMasterKey, err = OpenMasterKey(c, config, location, why.Serve); err != nil {
		return nil, err
	}
	clockwatch.WarnWrittenAhead(why.Logger, location.File, c.Now())
	if d.Store, err = OpenEngine(ctx, c, d.Clock, location, why); err != nil {
		return nil, err
	}
	if d.Engine = d.Store; why.Metrics != nil {
		if d.Engine, err = metrics.MeasureStore(d.Store, why.Metrics, c.Now); err != nil {
			return nil, errors.Join(err, d.Store.Close())
		}
	}
	if err := UnfinishedImport(ctx, d.Engine); err != nil {
		return nil, errors.Join(err, d.Engine.Close())
	}
	if err := d.Assemble(ctx, c, why.Logger); err != nil {
		return nil, errors.Join(err, d.Engine.Close())
	}
	return d, nil
}

// OpenEngine opens the store, and corrects clock with the clock of the store, if it has one.
func OpenEngine(ctx context.Context, c *console.Console, clock *storage.Clock, location config.StoreLocation, why Purpose) (storage.Engine, error) {
	if location.File != "" {
		return sqlite.Open(ctx, sqlite.Options{
			Path: location.File, Serve: why.Serve, Now: clock.Now, Logger: why.Logger, FreeSpace: FreeSpace, Random: c.Random,
		})
	}
	engine, err := mongodb.Open(ctx, mongodb.Options{URI: string(location.URI), Now: clock.Now, Random: c.Random, Logger: why.Logger})
	if err != nil {
		return nil, err
	}
	if err := clock.Measure(ctx, engine); err != nil {
		why.Logger.Warn("the store does not say its time: clocks are not compared", "error", explain.Error(err))
	}
	return engine, nil
}

// Assemble creates the services that use the open store.
func (d *Deployment) Assemble(ctx context.Context, c *console.Console, logger *slog.Logger) error {
	if err := checkMasterKey(ctx, d); err != nil {
		return err
	}
	var err error
	config := keys.Config{
		Engine: d.Engine, Master: d.Master, Now: d.Clock.Now, ClockTrusted: d.Clock.Trusted, Random: c.Random, Logger: logger,
		Schedule: keys.Schedule{RotateEvery: d.Config.Keys.RotateEvery}, VerifiedTokens: verifiedTokens,
	}
	if d.Ring, err = keys.NewRing(config); err != nil {
		return err
	}
	if d.Secrets, err = keys.NewSecrets(config); err != nil {
		return err
	}
	d.Hashing = newHashing(d.Config.Passwords)
	if d.Audit, err = newTrail(ctx, d, c, logger); err != nil {
		return err
	}
	people, err := identity.New(identity.Config{
		Engine: d.Engine, Audit: d.Audit, Now: d.Clock.Now, Rand: c.Random, Logger: logger,
		Argon2: d.Config.Passwords.Argon2.Parameters(), Hashing: d.Hashing,
	})
	if err != nil {
		return err
	}
	// It has its own connections: a test of credentials is no login, and must not open the breaker of logins.
	calls, err := wechat.New(wechat.Config{
		BaseURL: d.Config.WeChat.BaseURL, ConnectTimeout: d.Config.WeChat.ConnectTimeout, Timeout: d.Config.WeChat.Timeout, Now: c.Now, Logger: logger,
	})
	if err != nil {
		return err
	}
	d.Admin, err = admin.New(admin.Config{
		WeChat: calls, Archive: func(ctx context.Context, out io.Writer) error {
			_, err := d.Archive(ctx, c.Random, out, func(storage.Kind) {})
			return err
		},
		Backup: d.backupState,
		Engine: d.Engine, Audit: d.Audit, Master: d.Master, Keys: d.Ring, Secrets: d.Secrets, Identity: people, Hashing: d.Hashing, Now: d.Clock.Now, Random: c.Random,
		PublicURL: d.Config.PublicURL, DefaultDirectory: d.Config.DefaultDirectory, Actor: admin.LocalActor(c.Operator()),
	})
	return err
}

// verifiedTokens is the number of access tokens whose verified signatures are cached.
const verifiedTokens = 4096

// closeTimeout bounds the last writes of the audit.
const closeTimeout = 10 * time.Second

// Close ends the audit of this process, and closes the store after all accepted writes.
func (d *Deployment) Close() error {
	var err error
	if d.Audit != nil {
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		err = d.Audit.Close(ctx)
	}
	return errors.Join(err, d.Engine.Close())
}

// newTrail returns the audit of this process, with the keys of the master key.
func newTrail(ctx context.Context, d *Deployment, c *console.Console, logger *slog.Logger) (*audit.Trail, error) {
	derived, err := keys.AuditKeys(ctx, d.Engine, d.Master)
	if err != nil {
		return nil, err
	}
	config := audit.Config{
		Engine: d.Engine, Now: d.Clock.Now, Random: c.Random, Process: processName(c), Retention: d.Config.Audit.Retention, Logger: logger,
	}
	for _, key := range derived {
		config.Keys = append(config.Keys, audit.Key(key))
	}
	return audit.New(config)
}

// backupState returns the state of the backups that this process takes.
func (d *Deployment) backupState() *admin.BackupState {
	if d.Backup == nil {
		return nil
	}
	return d.Backup()
}

// processName describes this process in the list of chains: the user of the system and the host.
func processName(c *console.Console) string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	return c.Operator() + " on " + host
}

// newHashing returns the hashing of the whole process.
func newHashing(c config.Passwords) *identity.Hashing {
	return identity.NewHashing(c.Hashing, memory.ForHashing(debug.SetMemoryLimit(-1)))
}
