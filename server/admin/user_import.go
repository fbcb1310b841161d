package admin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/identity/userfile"
	"github.com/minifed/minifed/storage"
)

const (
	// importWorkers is how many users are imported at once, so that an engine can commit their writes together.
	importWorkers = 64
	// gentleWorkers is the same while a server runs, and importRest how long the import rests after each group of that many users,
	// as a multiple of the time that they took. Fewer than one in ten sign-ins then meet a write of the import. Larger groups lock
	// the store for longer, which more sign-ins notice.
	gentleWorkers = 8
	importRest    = 12
	// maxImportProblems bounds the problems that a report lists.
	maxImportProblems = 1000
)

// UserImport is an import of a file of users.
type UserImport struct {
	// Open opens the file. It is called several times: the whole file is checked before anything is written.
	Open   func() (io.ReadCloser, error)
	Format userfile.Format
	// DryRun reports what the import would do, and writes nothing.
	DryRun bool
	// Update replaces values of users from an earlier import with other values.
	Update bool
	// Fast imports without rests: for a store that no server uses.
	Fast bool
	// Progress is called after every row with the numbers so far; nil is not called.
	Progress func(UserImportReport)
}

// UserImportReport is what an import did, or would do.
type UserImportReport struct {
	Rows      int `json:"rows"`
	Created   int `json:"created"`
	Completed int `json:"completed"`
	Updated   int `json:"updated"`
	Unchanged int `json:"unchanged"`
	// Differing are users from an earlier import with other values.
	Differing int `json:"differing"`
	Conflicts int `json:"conflicts"`
	// Invalid are rows with an unacceptable value. A file that has one is not imported.
	Invalid int `json:"invalid"`
	// Unverified counts e-mail addresses and phone numbers that were left out because the file says that they are not verified.
	Unverified int `json:"unverified"`
	// ExternalIDs counts rows with an external ID.
	ExternalIDs int `json:"external_ids"`
	// Problems are conflicts and unacceptable values in the order in which they were found, at most 1000.
	Problems []UserImportProblem `json:"problems,omitempty"`
	// Digest is the SHA-256 of the file.
	Digest string `json:"digest"`
}

// UserImportProblem is a problem of one row. It contains no value of the file.
type UserImportProblem struct {
	Line    int    `json:"line"`
	Member  string `json:"member,omitempty"`
	Problem string `json:"problem"`
}

// String returns the problem as a text.
func (p UserImportProblem) String() string {
	if p.Member == "" {
		return fmt.Sprintf("line %d: %s", p.Line, p.Problem)
	}
	return fmt.Sprintf("line %d, %s: %s", p.Line, p.Member, p.Problem)
}

// ErrImportFile means that a file of users has unacceptable rows, and that nothing was imported.
var ErrImportFile = errors.New("the file has unacceptable rows, and nothing was imported")

// ImportUsers imports a file of users into a directory. It first checks the whole file; with an unacceptable row it returns
// ErrImportFile and imports nothing. Rows in conflict with users who exist are left out and reported. After an interruption
// the same import goes on: it finds the users that it has written.
func (s *Service) ImportUsers(ctx context.Context, directory string, job UserImport) (UserImportReport, error) {
	if err := s.Allowed(directory, ActUsersImport); err != nil {
		return UserImportReport{}, err
	}
	if _, err := s.directory(ctx, directory); err != nil {
		return UserImportReport{}, err
	}
	run := &importRun{service: s, directory: directory, job: job}
	if err := run.check(ctx); err != nil {
		return run.report, err
	}
	if run.report.Invalid > 0 {
		return run.report, ErrImportFile
	}
	if !job.DryRun {
		details := map[string]string{"rows": strconv.Itoa(run.report.Rows), "sha256": run.report.Digest, "update": strconv.FormatBool(job.Update)}
		if err := s.audit(ctx, entry{directory: directory, action: ActUsersImport, target: "directory:" + directory, details: details}); err != nil {
			return run.report, err
		}
	}
	err := run.write(ctx)
	return run.report, err
}

// importRun is the state of one import.
type importRun struct {
	service   *Service
	directory string
	job       UserImport

	mu     sync.Mutex
	report UserImportReport // guarded by mu
}

// each reads every row of the file. visit gets the error of a row whose values are unacceptable.
func (r *importRun) each(ctx context.Context, visit func(userfile.Row, error) error) (err error) {
	file, err := r.job.Open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	reader, err := userfile.NewReader(file, r.job.Format)
	if err != nil {
		return err
	}
	for {
		row, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return ctx.Err()
		}
		if userfile.Broken(err) {
			return err
		}
		if err := visit(row, err); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// check reads the file without the store: syntax, values, and values that two rows have.
func (r *importRun) check(ctx context.Context) error {
	open, digest := r.job.Open, sha256.New()
	r.job.Open = func() (io.ReadCloser, error) {
		file, err := open()
		if err != nil {
			return nil, err
		}
		return struct {
			io.Reader
			io.Closer
		}{io.TeeReader(file, digest), file}, nil
	}
	seed := maphash.MakeSeed()
	var hashes []uint64
	err := r.each(ctx, func(row userfile.Row, failure error) error {
		r.report.Rows++
		r.report.Unverified += len(row.Dropped)
		if problem, ok := errors.AsType[*userfile.Error](failure); ok {
			r.report.Invalid++
			r.add(UserImportProblem{problem.Line, problem.Member, problem.Problem})
			return nil
		}
		if row.User.ExternalID != "" {
			r.report.ExternalIDs++
		}
		for key := range row.User.Keys() {
			hashes = append(hashes, maphash.String(seed, key))
		}
		return nil
	})
	r.report.Digest = hex.EncodeToString(digest.Sum(nil))
	r.job.Open = open
	if err != nil {
		return err
	}
	return r.reportTwice(ctx, seed, twice(hashes))
}

// twice returns the hashes that are in a list more than once.
func twice(hashes []uint64) map[uint64]int {
	slices.Sort(hashes)
	found := map[uint64]int{}
	for n := 1; n < len(hashes); n++ {
		if hashes[n] == hashes[n-1] {
			found[hashes[n]] = 0
		}
	}
	return found
}

// reportTwice reads the file again if two rows have one value, and reports the later row; lines has the hashes of these values.
// 64 bits are enough: among five million values, two different ones have one hash by chance once in a million files.
func (r *importRun) reportTwice(ctx context.Context, seed maphash.Seed, lines map[uint64]int) error {
	if len(lines) == 0 {
		return nil
	}
	return r.each(ctx, func(row userfile.Row, failure error) error {
		if failure != nil {
			return nil // It is reported already.
		}
		for key, member := range row.User.Keys() {
			hash := maphash.String(seed, key)
			switch first, found := lines[hash]; {
			case found && first > 0:
				r.report.Invalid++
				r.add(UserImportProblem{row.Line, member, fmt.Sprintf("has the value of line %d, and at most one user can have it", first)})
			case found:
				lines[hash] = row.Line
			}
		}
		return nil
	})
}

func (r *importRun) add(problem UserImportProblem) {
	if len(r.report.Problems) < maxImportProblems {
		r.report.Problems = append(r.report.Problems, problem)
	}
}

// write imports every row of the file.
func (r *importRun) write(ctx context.Context) error {
	workers := gentleWorkers
	if r.job.Fast || r.job.DryRun {
		workers = importWorkers
	}
	var group errgroup.Group // Without a context, because Wait would end it after the first rows.
	group.SetLimit(workers)
	started, rows := r.service.config.Now(), 0
	err := r.each(ctx, func(row userfile.Row, failure error) error {
		if failure != nil {
			return fmt.Errorf("%w: the file has changed since it was checked: %w", ErrRefused, failure)
		}
		group.Go(func() error { return r.one(ctx, row) })
		if rows++; rows%workers != 0 {
			return nil
		}
		if err := group.Wait(); err != nil || r.job.Fast || r.job.DryRun {
			return err
		}
		if err := rest(ctx, r.service.config.Now().Sub(started)*importRest); err != nil {
			return err
		}
		started = r.service.config.Now()
		return nil
	})
	if failure := group.Wait(); failure != nil {
		return failure // The file was left because of it.
	}
	return err
}

// rest waits, or returns the error of ctx.
func rest(ctx context.Context, duration time.Duration) error {
	timer := time.NewTimer(duration)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// one imports one row, and counts the result.
func (r *importRun) one(ctx context.Context, row userfile.Row) error {
	options := identity.ImportOptions{DryRun: r.job.DryRun, Update: r.job.Update, Actor: r.service.config.Actor.Name}
	result, err := r.service.config.Identity.ImportUser(r.service.traced(ctx), r.directory, row.User, options)
	conflict, conflicts := errors.AsType[*identity.ImportConflict](err)
	if err != nil && !conflicts {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if conflicts {
		r.report.Conflicts++
		r.add(UserImportProblem{row.Line, conflict.Member, conflict.Problem})
	}
	switch result {
	case identity.ImportCreated:
		r.report.Created++
	case identity.ImportCompleted:
		r.report.Completed++
	case identity.ImportUpdated:
		r.report.Updated++
	case identity.ImportUnchanged:
		r.report.Unchanged++
	case identity.ImportDiffers:
		r.report.Differing++
	}
	if r.job.Progress != nil {
		r.job.Progress(r.report)
	}
	return nil
}

// ExportUsers writes the users of a directory as JSON lines, which ImportUsers reads, and returns how many there were. Users who
// were merged into others and deleted users are left out. The file contains password hashes and WeChat identities.
func (s *Service) ExportUsers(ctx context.Context, directory string, out io.Writer, progress func(int)) (count int, err error) {
	if err := s.Allowed(directory, ActUsersExport); err != nil {
		return 0, err
	}
	if _, err := s.directory(ctx, directory); err != nil {
		return 0, err
	}
	if err := s.audit(ctx, entry{directory: directory, action: ActUsersExport, target: "directory:" + directory, details: map[string]string{}}); err != nil {
		return 0, err
	}
	for page := (Page{Limit: storage.MaxPage}); ; {
		users, next, err := list[storage.User](ctx, s, page.query(directory, storage.ByCreated))
		if err != nil {
			return count, err
		}
		for _, user := range users {
			if user.Status != storage.UserActive && user.Status != storage.UserDisabled {
				continue
			}
			if err := s.exportUser(ctx, user, out); err != nil {
				return count, err
			}
			if count++; progress != nil {
				progress(count)
			}
		}
		if page.After = next; next == "" {
			return count, nil
		}
	}
}

func (s *Service) exportUser(ctx context.Context, user storage.User, out io.Writer) error {
	links, err := s.config.Identity.Identities(ctx, user)
	if err != nil {
		return err
	}
	row := identity.Import{
		Sub: user.ID, ExternalID: user.ExternalID, Username: user.Username, Phone: user.Phone, PhoneVerifiedAt: user.PhoneVerifiedAt,
		Profile: user.Profile, Password: user.Password, Membership: identity.MembershipOf(user),
		Disabled: user.Status == storage.UserDisabled, CreatedAt: user.CreatedAt,
	}
	if user.EmailVerified {
		row.Email = user.Email
	}
	for _, link := range links {
		switch link := link.Record; link.Type {
		case storage.IdentityOpenID:
			row.WeChat = append(row.WeChat, identity.WeChatIdentity{AppID: link.Namespace, OpenID: link.Value})
		case storage.IdentityUnionID:
			row.WeChat = append(row.WeChat, identity.WeChatIdentity{OpenPlatform: link.Namespace, UnionID: link.Value})
		case storage.IdentityPhone, storage.IdentityUsername, storage.IdentityEmail, storage.IdentityExternal: // They are members of the user.
		}
	}
	return userfile.Write(out, row)
}
