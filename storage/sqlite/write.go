package sqlite

import (
	"context"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/minifed/minifed/storage"
)

const (
	// batchSize bounds the operations of one commit.
	batchSize = 256
	// maxBatchWait is how long gathering may take, and for each operation that waits by then once more: a time slice of Go's
	// scheduler, which only who computes for long uses up.
	maxBatchWait = 10 * time.Millisecond
	// maxOverruns bounds gathering to a hundredth of the time where it always takes too long.
	maxOverruns = 7
	// busyPause is how long the writer pauses before it tries again while another process has locked the file.
	busyPause = 5 * time.Millisecond
)

// operation is one write on its way through the writer.
type operation struct {
	table  *table
	action action
	doc    storage.Document

	packed []byte        // the body as it is stored
	state  atomic.Int32  // waiting, then taken or abandoned
	rev    int64         // set by the writer
	err    error         // set by the writer
	done   chan struct{} // closed by the writer; nil if the caller itself executes the operation
}

type action int

const (
	insert action = iota
	replace
	remove
)

const (
	waiting int32 = iota
	taken
	abandoned
)

// Insert implements storage.Engine.
func (e *Engine) Insert(ctx context.Context, doc storage.Document) (string, error) {
	if err := doc.Validate(); err != nil {
		return "", err
	}
	return e.write(ctx, &operation{action: insert, doc: doc})
}

// Replace implements storage.Engine.
func (e *Engine) Replace(ctx context.Context, doc storage.Document) (string, error) {
	if err := doc.Validate(); err != nil {
		return "", err
	}
	return e.write(ctx, &operation{action: replace, doc: doc})
}

// Delete implements storage.Engine.
func (e *Engine) Delete(ctx context.Context, kind storage.Kind, id string) error {
	_, err := e.write(ctx, &operation{action: remove, doc: storage.Document{Kind: kind, ID: id}})
	return err
}

// write executes an operation, or hands it to the writer and waits for its outcome. When ctx ends first the operation is dropped if the writer
// has not taken it yet; otherwise its outcome is a moment away and worth more than a guess.
func (e *Engine) write(ctx context.Context, op *operation) (rev string, err error) {
	if op.table, err = e.table(op.doc.Kind); err != nil {
		return "", err
	}
	if ctx.Err() != nil {
		return "", ended(ctx)
	}
	if e.writer.lead(op) {
		return op.outcome()
	}
	op.done = make(chan struct{})
	select {
	case e.writer.queue <- op:
		e.writer.wake()
	case <-ctx.Done():
		return "", ended(ctx)
	case <-e.writer.stopped:
		return "", errClosed()
	}
	select {
	case <-op.done:
	case <-ctx.Done():
		if op.state.CompareAndSwap(waiting, abandoned) {
			return "", ended(ctx)
		}
		<-op.done
	case <-e.writer.stopped:
		if op.state.CompareAndSwap(waiting, abandoned) {
			return "", errClosed()
		}
		<-op.done
	}
	return op.outcome()
}

// outcome returns the results that the writer set.
func (op *operation) outcome() (rev string, err error) {
	if op.err != nil {
		return "", op.err
	}
	return formatRevision(op.rev), nil
}

// writer executes the writes of a process, one transaction at a time: on the goroutine of a caller if no other runs, else on its own.
type writer struct {
	engine  *Engine
	dial    dialer
	random  io.Reader
	queue   chan *operation
	waiting chan struct{} // holds a value if the queue may have operations
	turn    chan struct{} // holds a value while a transaction runs, and guards the fields below
	stopped chan struct{} // closed when run has returned
	sweep   *sweep        // nil unless the engine serves
	// checkpoints is nil unless the engine serves.
	checkpoints *checkpoints

	conn  *connection // nil until it is needed, and after a failure
	ready *connection // the connection that setUp has configured
	lent  reader      // reads on conn
	batch []*operation
	// merges are the progress of the merges, one for each table whose rows are indexed later. A tool has none: it indexes at once.
	merges []*merging
	// noGatherUntil is until when nothing is gathered, and overruns how often in a row that took too long.
	noGatherUntil time.Time
	overruns      int
}

func newWriter(e *Engine, first *connection, random io.Reader, dial dialer) *writer {
	return &writer{
		engine: e, conn: first, random: random, dial: dial, queue: make(chan *operation, batchSize), waiting: make(chan struct{}, 1),
		turn: make(chan struct{}, 1), stopped: make(chan struct{}),
	}
}

// serve gives the writer what only a server has.
func (w *writer) serve(mergeRows int) {
	w.sweep = newSweep(w.engine)
	w.checkpoints = &checkpoints{engine: w.engine}
	for _, t := range w.engine.tables {
		if t.lookups != nil {
			w.merges = append(w.merges, &merging{lookups: t.lookups, rows: mergeRows})
		}
	}
}

// run works until the engine is closed and the queue is empty. A sweep gets its turn when no request waits.
func (w *writer) run() {
	defer close(w.stopped)
	defer w.inTurn(func() { _ = errors.Join(w.sweep.stop(), w.disconnect()) })
	for {
		select {
		case <-w.waiting:
			w.inTurn(w.drain)
			continue
		default:
		}
		select {
		case <-w.waiting:
			w.inTurn(w.drain)
		case <-w.sweep.due():
			w.inTurn(func() { w.sweep.step(w) })
		case <-w.engine.closed:
			w.inTurn(w.drain)
			return
		}
	}
}

// drain commits what is in the queue.
func (w *writer) drain() {
	for {
		select {
		case op := <-w.queue:
			w.commit(op, w.begin)
		default:
			return
		}
	}
}

// wake lets the goroutine of the writer look at the queue.
func (w *writer) wake() {
	select {
	case w.waiting <- struct{}{}:
	default:
	}
}

// lend returns a reader on the connection of the writer if no transaction runs. The caller must give it back.
func (w *writer) lend() (*reader, bool) {
	select {
	case w.turn <- struct{}{}:
	default:
		return nil, false
	}
	if w.conn == nil || w.conn != w.ready || len(w.queue) > 0 {
		<-w.turn
		return nil, false
	}
	w.lent.conn = w.conn
	return &w.lent, true
}

// giveBack ends lend. A reader that failed has closed the connection.
func (w *writer) giveBack() {
	if w.lent.conn == nil {
		w.forget()
	}
	<-w.turn
}

// inTurn waits until no other transaction runs.
func (w *writer) inTurn(do func()) {
	w.turn <- struct{}{}
	defer func() { <-w.turn }()
	do()
}

// lead commits an operation, and those that wait by then, on the goroutine of its caller: a caller that is alone needs no other
// goroutine, whose start and end would each wake up a thread. It reports false, and does nothing, if another transaction runs, in
// this process or in another one.
func (w *writer) lead(op *operation) (done bool) {
	select {
	case w.turn <- struct{}{}:
		defer func() { <-w.turn }()
	default:
		return false
	}
	select {
	case <-w.engine.closed:
		return false
	default:
	}
	return len(w.queue) == 0 && w.commit(op, w.tryBegin)
}

// commit opens a transaction, executes first and the operations that wait by then, and returns the results when they are
// durable. While another process has locked the file, callers may still cancel. It reports false, and does nothing, if begin found
// the file locked and first has a caller that can wait for the writer.
func (w *writer) commit(first *operation, begin func() error) bool {
	w.gather()
	err := begin()
	if first.done == nil && reasonOf(err) == FileLocked {
		return false
	}
	w.take(first)
	executed := false
	defer func() {
		if !executed { // A caller may recover from a panic.
			w.fail(errPanicked)
		}
		w.answer()
	}()
	if err == nil {
		err = w.execute()
	}
	if err != nil {
		_ = w.disconnect()
		w.fail(unavailable(w.engine.path, "write", err))
	}
	executed = true
	return true
}

var errPanicked = fmt.Errorf("%w: storage/sqlite: the writer panicked", storage.ErrUnavailable)

// fail sets the outcome of the whole batch.
func (w *writer) fail(err error) {
	for _, op := range w.batch {
		op.err = err
	}
}

// gather lets other goroutines run first, as long as that brings more operations: on a busy machine a commit then carries
// several times as many, and on an idle one nothing waits. Long computations such as password hashing would delay the writer.
// So it is skipped for a while after it took too long for its result, and for twice as long each time after that.
func (w *writer) gather() {
	start := w.engine.now()
	if start.Before(w.noGatherUntil) {
		return
	}
	for before := -1; before < len(w.queue); {
		before = len(w.queue)
		runtime.Gosched()
		now := w.engine.now()
		if took := now.Sub(start); took > maxBatchWait*time.Duration(1+len(w.queue)) {
			w.noGatherUntil = now.Add(took << w.overruns)
			w.overruns = min(w.overruns+1, maxOverruns)
			return
		}
	}
	w.overruns = 0
}

// begin opens a transaction. It waits for another process that has locked the file, up to busyTimeout.
func (w *writer) begin() (err error) {
	for waited := time.Duration(0); waited < busyTimeout; waited += busyPause {
		if err = w.tryBegin(); err == nil || reasonOf(err) != FileLocked {
			return err
		}
		<-time.After(busyPause)
	}
	return err
}

// tryBegin opens a transaction, or returns an error at once if another process has locked the file.
func (w *writer) tryBegin() error {
	if err := w.connect(); err != nil {
		return err
	}
	_, err := w.conn.exec("BEGIN IMMEDIATE")
	return err
}

// take collects the operations of a batch. Canceled operations are dropped here and never later.
func (w *writer) take(first *operation) {
	w.batch = w.batch[:0]
	for op := first; ; {
		if op.state.CompareAndSwap(waiting, taken) {
			op.packed = w.engine.bodies.pack(&op.doc)
			w.batch = append(w.batch, op)
		}
		if len(w.batch) == batchSize {
			return
		}
		select {
		case op = <-w.queue:
		default:
			return
		}
	}
}

func (w *writer) answer() {
	for i, op := range w.batch {
		if op.done != nil {
			close(op.done)
		}
		w.batch[i] = nil
	}
}

// execute runs and commits the batch. An error means that nothing of it was stored.
func (w *writer) execute() error {
	if err := w.drawRevisions(); err != nil {
		return err
	}
	now := w.engine.now()
	for _, op := range w.batch {
		if err := op.execute(w.conn, now.UnixMilli()); err != nil {
			return err
		}
	}
	if err := w.index(); err != nil {
		return err
	}
	if _, err := w.conn.exec("COMMIT"); err != nil {
		w.resolve(err)
		return nil
	}
	w.committed(now)
	return nil
}

// index adds a part of the rows that are not indexed yet to the indexes. A tool adds all.
func (w *writer) index() error {
	for _, m := range w.merges {
		if err := m.pay(w.conn, w.inserted(m.lookups)); err != nil {
			return err
		}
	}
	for _, t := range w.engine.tables {
		if l := t.lookups; l != nil && len(w.merges) == 0 && w.inserted(l) > 0 {
			if err := l.indexNow(w.conn); err != nil {
				return err
			}
		}
	}
	return nil
}

// inserted is how many rows the batch appended to a table.
func (w *writer) inserted(l *lookups) (n int) {
	for _, op := range w.batch {
		if op.table.lookups == l && op.action == insert && op.err == nil {
			n++
		}
	}
	return n
}

// committed follows a commit in the merges, and in the checkpoints.
func (w *writer) committed(now time.Time) {
	for _, m := range w.merges {
		m.committed()
		m.start(w.engine, now)
	}
	w.checkpoints.committed(w.conn, len(w.batch))
}

// drawRevisions gives each operation a fresh random revision.
func (w *writer) drawRevisions() error {
	buf := make([]byte, 8*len(w.batch))
	if _, err := io.ReadFull(w.random, buf); err != nil {
		return fmt.Errorf("random: %w", err)
	}
	for i, op := range w.batch {
		op.rev = int64(binary.BigEndian.Uint64(buf[8*i:]))
	}
	return nil
}

// execute runs one statement and sets the operation's outcome by the rows it changed; an error concerns the whole batch.
func (op *operation) execute(c *connection, now int64) error {
	if op.table.lookups != nil {
		return op.executeAppended(c, now)
	}
	if op.action == remove {
		_, err := c.exec(op.table.delete, op.doc.ID)
		return err
	}
	args := append(op.columns(), now)
	query, lost := op.table.insert, storage.ErrExists
	if op.action == replace {
		query, lost = op.table.replace, storage.ErrConflict
		args = append(args, parseRevision(op.doc.Rev))
	}
	changed, err := c.exec(query, args...)
	if err == nil && changed == 0 {
		op.err = lost
	}
	return err
}

// columns are the values of the columns, in the order of the statements.
func (op *operation) columns() []driver.Value {
	doc := &op.doc
	return append(make([]driver.Value, 0, 11), doc.ID, op.rev, nullable(doc.ExpiresAt), doc.Owner, doc.Name,
		doc.CreatedAt.UnixMilli(), nullable(doc.DueAt), op.packed)
}

func (op *operation) executeAppended(c *connection, now int64) error {
	switch op.action {
	case insert:
		return op.insertAppended(c, now)
	case replace:
		return op.replaceAppended(c, now)
	default:
		return op.removeAppended(c)
	}
}

// resolve finds out, after a COMMIT that failed, which operations are stored nevertheless: those whose own revision is there.
// All others are unknown, also those that lost, because what they lost against may not be stored either.
func (w *writer) resolve(cause error) {
	cause = unavailable(w.engine.path, "commit", cause)
	_ = w.disconnect()
	err := w.connect()
	for _, op := range w.batch {
		if err == nil && op.stored(w.conn) {
			op.err = nil
			continue
		}
		op.err = cause
	}
}

// stored reports whether the operation's own effect can be read.
func (op *operation) stored(c *connection) bool {
	rev, found, err := op.heldRevision(c)
	if err != nil {
		return false
	}
	if op.action == remove {
		return !found
	}
	return found && rev == op.rev
}

func (op *operation) heldRevision(c *connection) (rev int64, found bool, err error) {
	if l := op.table.lookups; l != nil {
		p, found, err := l.locate(c, op.doc.ID)
		return p.rev, found, err
	}
	row := make([]driver.Value, 1)
	if found, err = c.row(row, op.table.held, op.doc.ID); err == nil {
		rev, _ = row[0].(int64)
	}
	return rev, found, err
}

func (w *writer) connect() (err error) {
	if w.conn == nil {
		if w.conn, err = w.dial(context.Background(), w.engine.path); err != nil {
			return err
		}
	}
	if err := w.setUp(); err != nil {
		return err
	}
	for _, m := range w.merges {
		if m.lookups.recent.Load() != nil {
			continue
		}
		if err := m.load(w.conn, w.engine.now()); err != nil {
			return err
		}
	}
	return nil
}

// setUp configures a new connection, after the tables exist: the writer itself waits for other processes, and copies the log.
func (w *writer) setUp() error {
	if w.ready == w.conn {
		return nil
	}
	pragmas := []string{"PRAGMA busy_timeout(0)"}
	if w.checkpoints != nil {
		pragmas = append(pragmas, "PRAGMA wal_autocheckpoint(0)")
	}
	for _, pragma := range pragmas {
		if err := w.conn.value(new(int64), pragma); err != nil {
			return err
		}
	}
	w.ready = w.conn
	return nil
}

func (w *writer) disconnect() error {
	if w.conn == nil {
		return nil
	}
	conn := w.conn
	w.forget()
	return conn.Close()
}

// forget drops a connection that is closed, and with it what its open transaction did.
func (w *writer) forget() {
	w.conn = nil
	for _, m := range w.merges {
		m.abandon()
	}
}
