package secantusdb

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/minifed/minifed/storage"
)

// failPoint configures the server to fail the next commands of a name, as mongod's fail points do.
func failPoint(t *testing.T, server *Server, times int, data bson.D) {
	t.Helper()
	command(t, connect(t, server.URI("", "admin")), "admin", bson.D{
		{Key: "configureFailPoint", Value: "failCommand"}, {Key: "mode", Value: bson.D{{Key: "times", Value: times}}}, {Key: "data", Value: data},
	})
}

func TestWriteConcernErrors_AreWonOrUnknown(t *testing.T) {
	t.Parallel()
	server := start(t, Options{Arguments: []string{"--enable-test-commands"}})
	engine := open(t, server.URI("", "minifed"))
	notConfirmed := bson.D{{Key: "code", Value: 64}, {Key: "codeName", Value: "WriteConcernTimeout"}, {Key: "errmsg", Value: "waiting for replication timed out"}}
	for n, name := range []string{"insert", "update", "delete"} {
		doc := grant(fmt.Sprint(n))
		if name != "insert" {
			doc = insert(t, engine, doc)
		}
		failPoint(t, server, 1, bson.D{{Key: "failCommands", Value: bson.A{name}}, {Key: "writeConcernError", Value: notConfirmed}})
		var err error
		switch name {
		case "insert":
			_, err = engine.Insert(t.Context(), doc)
		case "update":
			_, err = engine.Replace(t.Context(), doc)
		default:
			err = engine.Delete(t.Context(), doc.Kind, doc.ID)
		}
		if err != nil && !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
		_, found := engine.Get(t.Context(), doc.Kind, doc.ID)
		if there := found == nil; there == (name == "delete") {
			t.Errorf("%s: %v, and the document is there: %t", name, err, there)
		}
	}
}

// Every write that was acknowledged is there after a step-down, and every other one was unavailable.
func TestStepDown_LosesNoAcknowledgedWrite(t *testing.T) {
	t.Parallel()
	server := start(t, Options{})
	engine := open(t, server.URI("", "minifed"))
	var acknowledged sync.Map
	var stop atomic.Bool
	var writers sync.WaitGroup
	for worker := range 8 {
		writers.Go(func() {
			for n := 0; !stop.Load(); n++ {
				doc := grant(fmt.Sprint(worker, "/", n))
				rev, err := engine.Insert(t.Context(), doc)
				switch {
				case err == nil:
					acknowledged.Store(doc.ID, rev)
				case !errors.Is(err, storage.ErrUnavailable):
					t.Errorf("insert: %v", err)
				}
			}
		})
	}
	insert(t, engine, grant("before"))
	command(t, connect(t, server.URI("", "admin")), "admin", bson.D{{Key: "replSetStepDown", Value: 2}, {Key: "force", Value: true}})
	eventually(t, "a write after the step-down", func() bool {
		_, err := engine.Insert(t.Context(), grant(fmt.Sprint("after ", time.Now().UnixNano())))
		return err == nil
	})
	stop.Store(true)
	writers.Wait()
	acknowledged.Range(func(id, rev any) bool {
		doc, err := engine.Get(t.Context(), storage.KindGrant, id.(string))
		if err != nil || doc.Rev != rev {
			t.Errorf("%s: %v, revision %s, want %s", id, err, doc.Rev, rev)
		}
		return true
	})
}

func TestServer_ThatEndsIsUnavailableUntilItIsBack(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	server := start(t, Options{Folder: folder})
	engine := open(t, server.URI("", "minifed"))
	doc := insert(t, engine, grant("a"))
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	_, err := engine.Get(t.Context(), doc.Kind, doc.ID)
	wantUnavailable(t, err)
	again := start(t, Options{Folder: folder})
	engine = open(t, again.URI("", "minifed"))
	if got, err := engine.Get(t.Context(), doc.Kind, doc.ID); err != nil || got.Rev != doc.Rev {
		t.Errorf("after the restart: %v, revision %q, want %q", err, got.Rev, doc.Rev)
	}
}
