package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/minifed/minifed/storage"
)

// gate holds the writer before statements that begin with its prefix.
type gate struct {
	prefix  string
	begun   chan struct{}
	release chan struct{}
	count   atomic.Int32
}

func newGate(prefix string) *gate {
	return &gate{prefix: prefix, begun: make(chan struct{}), release: make(chan struct{})}
}

func (g *gate) hook(query string, execute execution) (driver.Result, error) {
	if strings.HasPrefix(query, g.prefix) {
		g.count.Add(1)
		g.begun <- struct{}{}
		<-g.release
	}
	return execute()
}

// open lets all statements pass that come from now on.
func (g *gate) open() {
	close(g.release)
	go func() {
		for range g.begun {
		}
	}()
}

// openGated opens an engine whose tables are there already, so that the gate sees requests alone.
func openGated(t *testing.T, g *gate) *Engine {
	t.Helper()
	path := openTest(t, Options{}).path
	return openHooked(t, Options{Path: path}, g.hook)
}

func TestWriter_CommitsBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate("BEGIN")
		e := openGated(t, g)
		insert := func(id string) {
			if _, err := e.Insert(t.Context(), testDocument(id)); err != nil {
				t.Error(err)
			}
		}
		go insert("first")
		<-g.begun
		for i := range batchSize + 44 {
			go insert(fmt.Sprint(i))
		}
		synctest.Wait()
		g.open()
		synctest.Wait()
		if got := g.count.Load(); got != 2 {
			t.Errorf("%d transactions for %d waiting writes, want 2", got, 1+batchSize+44)
		}
		close(g.begun)
	})
}

func TestWriter_CancelWhileFileIsLocked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := openTest(t, Options{})
		unlock := lock(t, e.path)
		ctx, cancel := context.WithCancel(t.Context())
		answer := make(chan error)
		go func() {
			_, err := e.Insert(ctx, testDocument("a"))
			answer <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-answer; !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
		unlock()
		mustInsert(t, e, testDocument("b")) // The writer goes on.
		if _, err := e.Get(t.Context(), storage.KindGrant, "a"); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("the dropped write: %v", err)
		}
	})
}

func TestWriter_WaitsForAnotherProcess(t *testing.T) {
	for name, wait := range map[string]time.Duration{"in time": busyTimeout / 2, "too long": 2 * busyTimeout} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := openTest(t, Options{})
				time.AfterFunc(wait, lock(t, e.path))
				_, err := e.Insert(t.Context(), testDocument("a"))
				var problem *FileError
				if wait < busyTimeout && err != nil || wait > busyTimeout && (!errors.As(err, &problem) || problem.Reason != FileLocked) {
					t.Errorf("got %v", err)
				}
				time.Sleep(wait)
				synctest.Wait()
				mustInsert(t, e, testDocument("b"))
			})
		})
	}
}

func TestGet_ReadsAgainAfterAFailureOfTheWritersConnection(t *testing.T) {
	var broken atomic.Bool
	path := openTest(t, Options{}).path
	e, err := open(t.Context(), Options{Path: path, Serve: true}, func(ctx context.Context, path string) (*connection, error) {
		c, err := dialWriter(ctx, path)
		if err == nil {
			c.conn = unreadable{c.conn, &broken}
		}
		return c, err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	doc := mustInsert(t, e, userDocument("a"))
	broken.Store(true)
	if _, err := e.Get(t.Context(), doc.Kind, doc.ID); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("on a broken connection: %v", err)
	}
	if _, err := e.Get(t.Context(), doc.Kind, doc.ID); err != nil { // on a connection of its own
		t.Errorf("the next get: %v", err)
	}
	broken.Store(false)
	mustInsert(t, e, userDocument("b"))
}

// unreadable is a connection whose queries fail while it is broken.
type unreadable struct {
	driver.Conn
	broken *atomic.Bool
}

func (c unreadable) Prepare(query string) (driver.Stmt, error) {
	prepared, err := c.Conn.Prepare(query)
	if err != nil {
		return nil, err
	}
	return unreadableStatement{prepared.(statement), c.broken}, nil
}

type unreadableStatement struct {
	statement
	broken *atomic.Bool
}

func (s unreadableStatement) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	if s.broken.Load() {
		return nil, errors.New("injected")
	}
	return s.statement.QueryContext(ctx, args)
}

// lock locks the file against writers, as another process does.
func lock(t *testing.T, path string) (unlock func()) {
	t.Helper()
	c, err := dialWriter(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.exec("BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestWriter_ContinuesAfterAPanic(t *testing.T) {
	var panics atomic.Bool
	e := openHooked(t, Options{}, func(query string, execute execution) (driver.Result, error) {
		if strings.HasPrefix(query, "INSERT") && panics.Load() {
			panic("injected")
		}
		return execute()
	})
	panics.Store(true)
	func() {
		defer func() { _ = recover() }()
		_, _ = e.Insert(t.Context(), testDocument("a"))
	}()
	panics.Store(false)
	_, _ = e.Insert(t.Context(), testDocument("a")) // ends the connection
	mustInsert(t, e, testDocument("a"))
}

func TestWriter_DropsCanceledBeforeBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate("INSERT")
		e := openGated(t, g)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		outcome := func(id string) <-chan error {
			answer := make(chan error, 1)
			go func() {
				_, err := e.Insert(ctx, testDocument(id))
				answer <- err
			}()
			return answer
		}
		inside := outcome("inside")
		<-g.begun
		before := outcome("before")
		synctest.Wait()
		cancel()
		if err := <-before; !errors.Is(err, storage.ErrUnavailable) || !errors.Is(err, context.Canceled) {
			t.Errorf("the caller whose write waited got %v", err)
		}
		synctest.Wait()
		select {
		case err := <-inside:
			t.Errorf("the caller whose write is being stored got %v", err)
		default:
		}
		g.open()
		if err := <-inside; err != nil {
			t.Errorf("the caller whose write was stored got %v", err)
		}
		if _, err := e.Get(t.Context(), storage.KindGrant, "inside"); err != nil {
			t.Error(err)
		}
		if _, err := e.Get(t.Context(), storage.KindGrant, "before"); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("the dropped write: %v", err)
		}
		close(g.begun)
	})
}

// failing fails the statements that start with prefix while it is set.
type failing struct {
	prefix atomic.Value
	// executed says that the statement takes effect all the same.
	executed atomic.Bool
}

func (f *failing) set(prefix string, executed bool) {
	f.executed.Store(executed)
	f.prefix.Store(prefix)
}

func (f *failing) hook(query string, execute execution) (driver.Result, error) {
	prefix, _ := f.prefix.Load().(string)
	if prefix == "" || !strings.HasPrefix(query, prefix) {
		return execute()
	}
	if f.executed.Load() {
		_, _ = execute()
	}
	return nil, errors.New("injected")
}

func TestWriter_FailedTransactionStoresNothing(t *testing.T) {
	for _, statement := range []string{"BEGIN", "INSERT", "UPDATE", "DELETE", "COMMIT"} {
		t.Run(statement, func(t *testing.T) {
			var f failing
			e := openHooked(t, Options{}, f.hook)
			old, gone := mustInsert(t, e, testDocument("old")), mustInsert(t, e, testDocument("gone"))
			f.set(statement, false)
			attempts := map[string]func() error{
				"INSERT": func() error { _, err := e.Insert(t.Context(), testDocument("new")); return err },
				"UPDATE": func() error { _, err := e.Replace(t.Context(), old); return err },
				"DELETE": func() error { return e.Delete(t.Context(), gone.Kind, gone.ID) },
			}
			for name, attempt := range attempts {
				if statement != name && (statement == "INSERT" || statement == "UPDATE" || statement == "DELETE") {
					continue
				}
				if err := attempt(); !errors.Is(err, storage.ErrUnavailable) {
					t.Errorf("%s: %v", name, err)
				}
			}
			f.set("", false)
			if got, err := e.Get(t.Context(), old.Kind, old.ID); err != nil || got.Rev != old.Rev {
				t.Errorf("the document to replace: %v, %v", got, err)
			}
			if _, err := e.Get(t.Context(), gone.Kind, gone.ID); err != nil {
				t.Errorf("the document to delete: %v", err)
			}
			for name, attempt := range attempts {
				if err := attempt(); err != nil {
					t.Errorf("%s afterwards: %v", name, err)
				}
			}
		})
	}
}

// TestWriter_AmbiguousCommitReadsBack has winners and losers in one batch whose COMMIT fails, stored or not.
func TestWriter_AmbiguousCommitReadsBack(t *testing.T) {
	for name, stored := range map[string]bool{"stored": true, "not stored": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var f failing
				g := newGate("BEGIN")
				path := openTest(t, Options{}).path
				e := openHooked(t, Options{Path: path}, func(query string, execute execution) (driver.Result, error) {
					return f.hook(query, func() (driver.Result, error) { return g.hook(query, execute) })
				})
				var errs [8]error
				done := make(chan struct{})
				for i := range errs {
					go func() {
						_, errs[i] = e.Insert(t.Context(), testDocument("contested"))
						done <- struct{}{}
					}()
				}
				<-g.begun
				synctest.Wait()
				f.set("COMMIT", stored)
				g.release <- struct{}{}
				won := 0
				for range errs {
					<-done
				}
				for _, err := range errs {
					if err == nil {
						won++
					} else if !errors.Is(err, storage.ErrUnavailable) {
						t.Errorf("a contestant got %v", err)
					}
				}
				if stored != (won == 1) || won > 1 {
					t.Errorf("%d contestants won", won)
				}
				if _, err := e.Get(t.Context(), storage.KindGrant, "contested"); stored != (err == nil) {
					t.Errorf("Get: %v", err)
				}
			})
		})
	}
}

func TestWriter_ContinuesAfterAFailureOfRandomness(t *testing.T) {
	random := &flaky{}
	e := openTest(t, Options{Random: random})
	random.broken.Store(true)
	if _, err := e.Insert(t.Context(), testDocument("a")); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("without randomness: %v", err)
	}
	random.broken.Store(false)
	mustInsert(t, e, testDocument("a"))
}

// flaky yields a counter, unless it is broken.
type flaky struct {
	broken atomic.Bool
	n      byte
}

func (r *flaky) Read(p []byte) (int, error) {
	if r.broken.Load() {
		return 0, errors.New("broken")
	}
	for i := range p {
		r.n++
		p[i] = r.n
	}
	return len(p), nil
}
