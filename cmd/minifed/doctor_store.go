package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/minifed/minifed/cmd/minifed/internal/clockwatch"
	"github.com/minifed/minifed/cmd/minifed/internal/config"
	"github.com/minifed/minifed/cmd/minifed/internal/deployment"
	"github.com/minifed/minifed/cmd/minifed/internal/explain"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/mongodb"
)

// checkEngine looks at the store: reads, writes, versions, space and, of MongoDB, the clock.
func (e *examination) checkEngine(ctx context.Context, engine storage.Engine, location config.StoreLocation) {
	where := location.File
	if where == "" {
		where = "MongoDB"
	}
	started := e.Now()
	if err := engine.Ping(ctx); err != nil {
		e.fail("store", explain.Error(err), "see that the store runs and can be reached from here")
		return
	}
	read := e.Now().Sub(started)
	started = e.Now()
	if err := e.write(ctx, engine); err != nil {
		e.fail("store", where+" cannot be written: "+explain.Error(err), "look at free space, permissions and, of MongoDB, whether the set has a primary and a majority")
		return
	}
	e.ok("store", "%s, read in %v, written in %v, records of version %d", where, read.Round(time.Microsecond), e.Now().Sub(started).Round(time.Microsecond), storage.Version)
	if location.File != "" {
		e.checkSpace(location.File)
	}
	if mongo, ok := engine.(*mongodb.Engine); ok {
		e.checkMongoDB(ctx, mongo)
	}
}

// checkWritten looks whether a SQLite store was written by a clock that was ahead of this one.
func (e *examination) checkWritten(location config.StoreLocation) {
	if ahead := clockwatch.WrittenAhead(location.File, e.Now()); ahead > 0 {
		e.warn("store times", fmt.Sprintf("%s was last written %v in the future: the clock was ahead then, or is behind now", location.File, ahead),
			"synchronize this machine's time (NTP), then start a server of this store: what was made in the future is set back, or is over")
	}
}

// write writes a record that expires by itself, reads it and deletes it.
func (e *examination) write(ctx context.Context, engine storage.Engine) error {
	now := storage.Instant(e.Now())
	doc := storage.Document{
		Kind: storage.KindMeta, ID: "doctor-" + rand.Text(), Body: []byte(`{"v":1}`), CreatedAt: now, ExpiresAt: now.Add(time.Minute),
	}
	if _, err := engine.Insert(ctx, doc); err != nil {
		return err
	}
	if _, err := engine.Get(ctx, doc.Kind, doc.ID); err != nil {
		return errors.Join(errNotWritten, err)
	}
	return engine.Delete(ctx, doc.Kind, doc.ID)
}

const (
	spaceWarning = 1 << 30
	spaceFailure = 64 << 20
)

func (e *examination) checkSpace(file string) {
	free, err := freeSpace(filepath.Dir(file))
	if err != nil {
		e.warn("disk", err.Error(), "look at free space by hand")
		return
	}
	detail := fmt.Sprintf("%d MiB are free beside %s", free>>20, file)
	switch {
	case free < spaceFailure:
		e.fail("disk", detail, "make room now: without it every login is answered 503")
	case free < spaceWarning:
		e.warn("disk", detail, "make room")
	default:
		e.ok("disk", "%s", detail)
	}
}

func (e *examination) checkMongoDB(ctx context.Context, engine *mongodb.Engine) {
	started := e.Now()
	server, err := engine.Server(ctx)
	if err != nil {
		e.warn("MongoDB", explain.Error(err), "see that the user may run hello and buildInfo")
		return
	}
	e.checkClock("MongoDB", server.Time.Sub(started), e.Now().Sub(started))
	e.checkTopology(server)
	e.checkExpiry(ctx, engine)
}

// fewestMembers is the least number of voting members of which a majority is left when one fails.
const fewestMembers = 3

// checkTopology looks whether what was acknowledged survives the loss of one server.
func (e *examination) checkTopology(server mongodb.Server) {
	const threeMembers = "run three members: a single one loses what it has when its disk dies"
	switch {
	case server.Sharded:
		e.ok("MongoDB", "version %s, a sharded cluster", server.Version)
	case server.ReplicaSet == "":
		e.warn("MongoDB", "version "+server.Version+", not a member of a replica set", threeMembers)
	case server.Members == 1:
		e.warn("MongoDB", fmt.Sprintf("version %s, replica set %s of one member", server.Version, server.ReplicaSet), threeMembers)
	case server.Members < fewestMembers:
		e.warn("MongoDB", fmt.Sprintf("version %s, replica set %s of %d members", server.Version, server.ReplicaSet, server.Members),
			"run three members: of two, none can be primary while the other is away")
	default:
		e.ok("MongoDB", "version %s, replica set %s of %d members", server.Version, server.ReplicaSet, server.Members)
	}
}

// checkExpiry looks whether expired documents are removed.
func (e *examination) checkExpiry(ctx context.Context, engine *mongodb.Engine) {
	kinds, err := engine.Overdue(ctx)
	if err != nil {
		e.warn("expired documents", explain.Error(err), "see that the store can be read")
		return
	}
	if len(kinds) > 0 {
		e.warn("expired documents", fmt.Sprintf("documents that expired more than ten minutes ago are still there (%s)", joined(kinds)),
			"a running server sweeps what the TTL indexes leave; if one runs, read its log, and see that ttlMonitorEnabled is on")
		return
	}
	e.ok("expired documents", "are removed")
}

// joined is a list of kinds for people to read.
func joined(kinds []storage.Kind) string {
	names := make([]string, len(kinds))
	for i, kind := range kinds {
		names[i] = string(kind)
	}
	return strings.Join(names, ", ")
}

// checkRecords looks at what every directory needs, and at its mini-programs.
func (e *examination) checkRecords(ctx context.Context, opened *deployment.Deployment) {
	credentials := e.newCredentials(opened.Master)
	everything := paging{limit: storage.MaxPage, all: true}
	directories, _, err := collect(everything, func(page admin.Page) ([]storage.Directory, string, error) {
		return opened.Admin.Directories(ctx, page)
	})
	if err != nil {
		e.fail("directories", explain.Error(err), "look at the store")
		return
	}
	e.checkServed(ctx, opened)
	for _, directory := range directories {
		e.checkIssuer(directory)
		e.checkKeys(ctx, opened, directory)
		e.checkCandidates(ctx, opened, directory)
		clients, _, err := collect(everything, func(page admin.Page) ([]storage.Client, string, error) {
			return opened.Admin.Clients(ctx, directory.ID, page)
		})
		if err != nil {
			e.fail("clients of "+directory.ID, explain.Error(err), "look at the store")
		}
		e.checkClients(directory, clients)
		for _, client := range clients {
			if client.Federation != nil && !client.Disabled && !directory.Disabled {
				credentials.check(ctx, client)
			}
		}
	}
}

// overdue is how late a step of rotation may be: servers look every few seconds.
const overdue = time.Hour

func (e *examination) checkKeys(ctx context.Context, opened *deployment.Deployment, directory storage.Directory) {
	check := "keys of " + directory.ID
	found, err := opened.Ring.List(ctx, directory.ID)
	if err != nil {
		e.fail(check, explain.Error(err), "look at the store")
		return
	}
	active := map[string]keys.Key{}
	for _, key := range found {
		if key.State == keys.StateActive {
			active[key.Algorithm] = key
		}
	}
	summary, healthy := "", true
	for _, algorithm := range admin.SigningAlgorithms(directory) {
		key, signs := active[algorithm]
		if !signs {
			e.fail(check, "no "+algorithm+" key signs", "restart a server of this store: it makes the keys that a directory lacks")
			healthy = false
			continue
		}
		if ahead := key.PublishAt.Sub(e.Now()); ahead > skewFailure {
			e.warn(check, fmt.Sprintf("the %s key that signs was made by a clock that was %v ahead", algorithm, ahead.Round(time.Second)),
				"start a server of this store, when its clock is right: it sets the times of the keys back within seconds")
			healthy = false
			continue
		}
		entry, err := storage.Get[storage.SigningKeys](ctx, opened.Engine, storage.Key(directory.ID, algorithm))
		if err == nil && !entry.Record.DueAt.IsZero() && e.Now().Sub(entry.Record.DueAt) > overdue {
			e.warn(check, fmt.Sprintf("a step of the rotation of %s was due at %s", algorithm, stamp(entry.Record.DueAt)), "see that a server of this store runs and can write")
			healthy = false
			continue
		}
		summary += fmt.Sprintf(", %s signs since %s", algorithm, stamp(key.SignAt))
		if err == nil && !entry.Record.DueAt.IsZero() {
			summary += " (next step due " + stamp(entry.Record.DueAt) + ")"
		}
	}
	if _, err := storage.Get[storage.TokenSecrets](ctx, opened.Engine, directory.ID); err != nil {
		e.fail(check, "the token secrets cannot be read: "+explain.Error(err), "restart a server of this store: it makes what a directory lacks")
		healthy = false
	}
	if healthy {
		e.ok(check, "token secrets are there%s", summary)
	}
}

// othersMayRead reports whether a file's mode lets others read it.
func othersMayRead(path string) (fs.FileMode, bool) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, false
	}
	return info.Mode().Perm(), info.Mode().Perm()&0o077 != 0
}
