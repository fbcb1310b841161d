package main

import (
	"context"
	"crypto/rand"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/minifed/minifed/cmd/minifed/internal/clockwatch"
	"github.com/minifed/minifed/cmd/minifed/internal/config"
	"github.com/minifed/minifed/cmd/minifed/internal/deployment"
	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/mongodb"
)

// checkEngine checks reads, writes and free space of the store and, for MongoDB, the clock and the topology.
func (e *examination) checkEngine(ctx context.Context, engine storage.Engine, location config.StoreLocation) {
	check, where := locale.Text("doctor.store"), location.File
	if where == "" {
		where = "MongoDB"
	}
	started := e.Now()
	if err := engine.Ping(ctx); err != nil {
		e.failBy(check, err, locale.Text("store.unavailable.remedy"))
		return
	}
	read := e.Now().Sub(started)
	started = e.Now()
	if err := e.write(ctx, engine); err != nil {
		e.failBy(check, err, locale.Text("doctor.store.unwritten.remedy"))
		return
	}
	written := e.Now().Sub(started)
	e.ok(check, locale.Text("doctor.store.ok", where, read.Round(time.Microsecond), written.Round(time.Microsecond), storage.Version))
	if location.File != "" {
		e.checkSpace(location.File)
	}
	if mongo, ok := engine.(*mongodb.Engine); ok {
		e.checkMongoDB(ctx, mongo)
	}
}

// checkWritten warns if a SQLite store was written by a clock that was ahead of this one.
func (e *examination) checkWritten(location config.StoreLocation) {
	if ahead := clockwatch.WrittenAhead(location.File, e.Now()); ahead > 0 {
		e.warn(locale.Text("doctor.store_times"), locale.Text("doctor.store_times.ahead", location.File, ahead), locale.Text("doctor.store_times.remedy"))
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
		return &locale.Problem{What: locale.Text("doctor.store.unread"), Cause: err}
	}
	return engine.Delete(ctx, doc.Kind, doc.ID)
}

const (
	spaceWarning = 1 << 30
	spaceFailure = 64 << 20
)

func (e *examination) checkSpace(file string) {
	check := locale.Text("doctor.disk")
	free, err := deployment.FreeSpace(filepath.Dir(file))
	if err != nil {
		e.warnBy(check, err, locale.Text("doctor.disk.unknown.remedy"))
		return
	}
	detail := locale.Text("doctor.disk.free", free>>20, file)
	switch {
	case free < spaceFailure:
		e.fail(check, detail, locale.Text("doctor.disk.full.remedy"))
	case free < spaceWarning:
		e.warn(check, detail, locale.Text("doctor.disk.little.remedy"))
	default:
		e.ok(check, detail)
	}
}

func (e *examination) checkMongoDB(ctx context.Context, engine *mongodb.Engine) {
	started := e.Now()
	server, err := engine.Server(ctx)
	if err != nil {
		e.warnBy(locale.Text("doctor.mongodb"), err, locale.Text("doctor.mongodb.commands.remedy"))
		return
	}
	e.checkClock(locale.Text("doctor.mongodb"), server.Time.Sub(started), e.Now().Sub(started))
	e.checkTopology(server)
	e.checkExpiry(ctx, engine)
}

// fewestMembers is the least number of voting members of which a majority is left when one fails.
const fewestMembers = 3

// checkTopology warns if acknowledged writes may not survive the loss of one server.
func (e *examination) checkTopology(server mongodb.Server) {
	check, threeMembers := locale.Text("doctor.mongodb"), locale.Text("doctor.mongodb.single.remedy")
	switch {
	case server.Sharded:
		e.ok(check, locale.Text("doctor.mongodb.sharded", server.Version))
	case server.ReplicaSet == "":
		e.warn(check, locale.Text("doctor.mongodb.standalone", server.Version), threeMembers)
	case server.Members == 1:
		e.warn(check, locale.Text("doctor.mongodb.single", server.Version, server.ReplicaSet), threeMembers)
	case server.Members < fewestMembers:
		e.warn(check, locale.Text("doctor.mongodb.members", server.Version, server.ReplicaSet, server.Members), locale.Text("doctor.mongodb.two.remedy"))
	default:
		e.ok(check, locale.Text("doctor.mongodb.members", server.Version, server.ReplicaSet, server.Members))
	}
}

// checkExpiry warns if expired documents are not removed.
func (e *examination) checkExpiry(ctx context.Context, engine *mongodb.Engine) {
	check := locale.Text("doctor.expired")
	kinds, err := engine.Overdue(ctx)
	if err != nil {
		e.warnBy(check, err, locale.Text("doctor.look_at_store"))
		return
	}
	if len(kinds) > 0 {
		e.warn(check, locale.Text("doctor.expired.left", namesOf(kinds)), locale.Text("doctor.expired.left.remedy"))
		return
	}
	e.ok(check, locale.Text("doctor.expired.ok"))
}

// namesOf returns the names of kinds.
func namesOf(kinds []storage.Kind) locale.List {
	names := make(locale.List, len(kinds))
	for i, kind := range kinds {
		names[i] = string(kind)
	}
	return names
}

// checkRecords checks the records that every directory needs, and its clients.
func (e *examination) checkRecords(ctx context.Context, opened *deployment.Deployment) {
	credentials := e.newCredentials(opened.Master)
	everything := paging{limit: storage.MaxPage, all: true}
	directories, _, err := collect(everything, func(page admin.Page) ([]storage.Directory, string, error) {
		return opened.Admin.Directories(ctx, page)
	})
	if err != nil {
		e.failBy(locale.Text("doctor.directories"), err, locale.Text("doctor.look_at_store"))
		return
	}
	e.checkServed(ctx, opened)
	e.checkConsole(ctx, opened)
	e.checkPushEvents(ctx, opened)
	for _, directory := range directories {
		e.checkIssuer(directory)
		e.checkKeys(ctx, opened, directory)
		e.checkCandidates(ctx, opened, directory)
		e.checkPasskeys(ctx, opened, directory)
		e.checkChina(directory)
		e.checkCodes(directory)
		clients, _, err := collect(everything, func(page admin.Page) ([]storage.Client, string, error) {
			return opened.Admin.Clients(ctx, directory.ID, page)
		})
		if err != nil {
			e.failBy(locale.Text("doctor.clients", directory.ID), err, locale.Text("doctor.look_at_store"))
		}
		e.checkClients(directory, clients)
		e.checkResources(directory, e.resourcesOf(ctx, opened, directory.ID), clients)
		e.checkScan(directory, clients)
		e.checkTerms(directory)
		e.checkUnknownClients(ctx, opened, directory, clients)
		for _, client := range clients {
			if client.Federation != nil && !client.Disabled && !directory.Disabled {
				credentials.check(ctx, client)
				e.checkPush(ctx, opened, directory, pushURLOfClient(client))
			}
		}
		credentials.checkConnections(ctx, opened, directory, clients)
	}
}

// overdue is how late a step of rotation may be: servers check every few seconds.
const overdue = time.Hour

// checkKeys checks that every algorithm of a directory has a key that signs, and that the directory has token secrets.
func (e *examination) checkKeys(ctx context.Context, opened *deployment.Deployment, directory storage.Directory) {
	check := locale.Text("doctor.keys", directory.ID)
	found, err := opened.Ring.List(ctx, directory.ID)
	if err != nil {
		e.failBy(check, err, locale.Text("doctor.look_at_store"))
		return
	}
	active := map[string]keys.Key{}
	for _, key := range found {
		if key.State == keys.StateActive {
			active[key.Algorithm] = key
		}
	}
	before, summary := len(e.findings), []locale.Message{}
	for _, algorithm := range admin.SigningAlgorithms(directory) {
		key, signs := active[algorithm]
		if !signs {
			e.fail(check, locale.Text("doctor.keys.none", algorithm), locale.Text("doctor.keys.none.remedy"))
			continue
		}
		entry, err := storage.Get[storage.SigningKeys](ctx, opened.Engine, storage.Key(directory.ID, algorithm))
		due := time.Time{}
		if err == nil {
			due = entry.Record.DueAt
		}
		summary = append(summary, e.checkKey(check, key, due))
	}
	if _, err := storage.Get[storage.TokenSecrets](ctx, opened.Engine, directory.ID); err != nil {
		e.fail(check, locale.Text("doctor.keys.secrets", err), locale.Text("doctor.keys.none.remedy"))
	}
	if len(e.findings) == before {
		e.ok(check, locale.Text("doctor.keys.ok", summary))
	}
}

// checkKey checks the key that signs with an algorithm, whose next step of rotation is due at a time, if that is not zero. It returns
// what the key does.
func (e *examination) checkKey(check locale.Message, key keys.Key, due time.Time) locale.Message {
	ahead := key.PublishAt.Sub(e.Now())
	switch {
	case ahead > skewFailure:
		e.warn(check, locale.Text("doctor.keys.ahead", key.Algorithm, ahead.Round(time.Second)), locale.Text("doctor.keys.ahead.remedy"))
	case due.IsZero():
		return locale.Text("doctor.keys.signs", key.Algorithm, stamp(key.SignAt))
	case e.Now().Sub(due) > overdue:
		e.warn(check, locale.Text("doctor.keys.overdue", key.Algorithm, stamp(due)), locale.Text("doctor.keys.overdue.remedy"))
	}
	return locale.Text("doctor.keys.signs_until", key.Algorithm, stamp(key.SignAt), stamp(due))
}

// othersMayRead reports whether a file's mode lets others read it.
func othersMayRead(path string) (fs.FileMode, bool) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, false
	}
	return info.Mode().Perm(), info.Mode().Perm()&0o077 != 0
}
