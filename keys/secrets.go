package keys

import (
	"cmp"
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/minifed/minifed/storage"
)

const (
	secretSize = 32
	// maxGenerations bounds the document.
	maxGenerations = 32
	// maxPurposes is the maximum number of derived keys that are cached for one generation.
	maxPurposes = 64
)

var errNoGeneration = errors.New("keys: token secrets without a generation")

// Secrets holds the token secrets of every directory, from which handles and their MACs derive. Copies are cached in memory like
// the signing keys of a Ring. It is safe for concurrent use.
type Secrets struct {
	config Config
	cache  *recordCache[storage.TokenSecrets, *generations]
}

// NewSecrets returns Secrets without copies: call Load before the first request, and Run as long as the process serves.
func NewSecrets(config Config) (*Secrets, error) {
	config, err := config.checked()
	if err != nil {
		return nil, err
	}
	parse := func(record storage.TokenSecrets) (*generations, error) {
		return parseGenerations(config.Master, record)
	}
	return &Secrets{config: config, cache: newRecordCache(config, parse)}, nil
}

// Load reads the token secrets of all directories.
func (s *Secrets) Load(ctx context.Context) error { return s.cache.refresh(ctx) }

// Run refreshes the copies until ctx ends.
func (s *Secrets) Run(ctx context.Context) {
	s.cache.run(ctx, s.config.Schedule.Refresh, s.config.Random)
}

// generations is a storage.TokenSecrets ready for use.
type generations struct {
	directory string
	byNumber  map[uint32]*generation
	// ordered is by number.
	ordered []*generation
	// subjects is nil in a record of before there were pairwise subjects.
	subjects []byte
}

type generation struct {
	number uint32
	useAt  time.Time
	secret []byte

	mu sync.RWMutex
	// macs holds idle HMACs for each purpose; guarded by mu.
	macs map[string]*sync.Pool
}

func parseGenerations(master *Master, record storage.TokenSecrets) (*generations, error) {
	subjects, err := parseSubjects(master, record)
	if err != nil {
		return nil, err
	}
	parsed := &generations{directory: record.Directory, byNumber: map[uint32]*generation{}, subjects: subjects}
	for number, stored := range numbered(record) {
		binding := tokenSecretBinding(record.Directory, storage.GenerationName(number))
		secret, err := master.Open(stored.Secret, binding)
		if err != nil {
			return nil, err
		}
		if len(secret) != secretSize {
			return nil, errors.New("keys: token secret of a wrong size")
		}
		g := &generation{number: number, useAt: stored.UseAt, secret: secret, macs: map[string]*sync.Pool{}}
		parsed.byNumber[g.number] = g
		parsed.ordered = append(parsed.ordered, g)
	}
	if len(parsed.ordered) == 0 {
		return nil, errNoGeneration
	}
	slices.SortFunc(parsed.ordered, func(a, b *generation) int { return cmp.Compare(a.number, b.number) })
	return parsed, nil
}

// at returns the generation in use at now, the last one whose time has come.
func (g *generations) at(now time.Time) uint32 {
	for _, generation := range slices.Backward(g.ordered) {
		if !now.Before(generation.useAt) {
			return generation.number
		}
	}
	return g.ordered[0].number
}

// Generation returns the generation for new handles. Around a switch, from a minute before it (another instance's clock may be
// ahead) until Schedule.Margin after it, previous is the other generation that instances use; else it equals current. It returns
// storage.ErrNotFound for a directory without secrets.
func (s *Secrets) Generation(ctx context.Context, directory string) (current, previous uint32, err error) {
	copied, ok := s.cache.get(directory)
	if !ok {
		if copied, err = s.cache.reload(ctx, directory); err != nil {
			return 0, 0, err
		}
	}
	now := s.config.Now()
	current = copied.value.at(now)
	previous = copied.value.at(now.Add(skew))
	if previous == current {
		previous = copied.value.at(now.Add(-s.config.Schedule.Margin))
	}
	return current, previous, nil
}

// MAC returns HMAC-SHA-256 of message under the key that HKDF (RFC 5869) derives from the directory's secret of this generation
// for purpose. Purposes are constants of the calling code, never outside data. The generation may be outside data: only the one
// after the newest known one can be new, so only that one is read from the store, at most once a second. Any other unknown
// generation, or a missing one, is storage.ErrNotFound.
func (s *Secrets) MAC(ctx context.Context, directory string, number uint32, purpose string, message []byte) ([]byte, error) {
	g, err := s.generation(ctx, directory, number)
	if err != nil {
		return nil, err
	}
	pool, err := g.hmacs(directory, purpose)
	if err != nil {
		return nil, err
	}
	mac, ok := pool.Get().(hash.Hash)
	if !ok {
		return nil, errors.New("keys: no MAC")
	}
	mac.Reset()
	mac.Write(message)
	sum := mac.Sum(make([]byte, 0, sha256.Size))
	pool.Put(mac)
	return sum, nil
}

func (s *Secrets) generation(ctx context.Context, directory string, number uint32) (*generation, error) {
	if copied, ok := s.cache.get(directory); ok {
		if g := copied.value.byNumber[number]; g != nil {
			return g, nil
		}
		if number != copied.value.newest()+1 {
			return nil, errUnknownGeneration(number)
		}
	}
	copied, err := s.cache.reloadOnce(ctx, directory)
	if err != nil {
		return nil, err
	}
	g := copied.value.byNumber[number]
	if g == nil {
		return nil, errUnknownGeneration(number)
	}
	return g, nil
}

func errUnknownGeneration(number uint32) error {
	return fmt.Errorf("keys: generation %d of token secrets: %w", number, storage.ErrNotFound)
}

// newest returns the number of the last generation, in use or waiting.
func (g *generations) newest() uint32 { return g.ordered[len(g.ordered)-1].number }

// hmacs returns the HMACs for purpose, whose key is derived once.
func (g *generation) hmacs(directory, purpose string) (*sync.Pool, error) {
	g.mu.RLock()
	pool, ok := g.macs[purpose]
	g.mu.RUnlock()
	if ok {
		return pool, nil
	}
	info := "minifed token secret"
	for _, part := range []string{directory, purpose} {
		info += string(binary.BigEndian.AppendUint32(nil, uint32(len(part)))) + part
	}
	key, err := hkdf.Key(sha256.New, g.secret, nil, info, sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("keys: derive: %w", err)
	}
	pool = &sync.Pool{New: func() any { return hmac.New(sha256.New, key) }}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.macs) < maxPurposes {
		g.macs[purpose] = pool
	}
	return pool, nil
}

// Ensure creates the first secret of a directory, in use at once, and the secret of its subjects, unless it has them.
func (s *Secrets) Ensure(ctx context.Context, directory string) error {
	if _, err := s.cache.reload(ctx, directory); !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	now := storage.Instant(s.config.Now())
	first, err := s.newGeneration(directory, 1, now)
	if err != nil {
		return err
	}
	subjects, err := s.newSecret(subjectSecretBinding(directory))
	if err != nil {
		return err
	}
	_, err = storage.Insert(ctx, s.config.Engine, storage.TokenSecrets{
		Directory: directory, CreatedAt: now, Subjects: subjects,
		Generations: map[string]storage.SecretGeneration{storage.GenerationName(1): first},
	})
	if err != nil && !errors.Is(err, storage.ErrExists) {
		return err
	}
	_, err = s.cache.reload(ctx, directory)
	return err
}

// Rotate stores the next generation of a directory's secrets, which new handles use once every instance has it (Schedule.Margin),
// and drops generations older than any valid handle (Schedule.SecretLife). If there is already a next generation, Rotate changes
// nothing. It returns the next generation and when its use begins.
func (s *Secrets) Rotate(ctx context.Context, directory string) (next uint32, useAt time.Time, err error) {
	if err := s.config.checkClock(); err != nil {
		return 0, time.Time{}, err
	}
	for range maxAttempts {
		entry, err := storage.Get[storage.TokenSecrets](ctx, s.config.Engine, directory)
		if err != nil {
			return 0, time.Time{}, err
		}
		record := entry.Record
		now := storage.Instant(s.config.Now())
		known := numbered(record)
		if len(known) == 0 {
			return 0, time.Time{}, errNoGeneration
		}
		number := slices.Max(slices.Collect(maps.Keys(known)))
		latest := now.Add(s.config.Schedule.Margin)
		added := known[number]
		switch {
		case !now.Before(added.UseAt):
			number++
			added, err = s.addGeneration(&record, number, now)
		case added.UseAt.After(latest.Add(skew)): // The clock that created it was ahead.
			added.UseAt = latest
			record.Generations[storage.GenerationName(number)] = added
		default:
			return number, added.UseAt, nil
		}
		if err != nil {
			return 0, time.Time{}, err
		}
		_, err = entry.Replace(ctx, s.config.Engine, record)
		if errors.Is(err, storage.ErrConflict) {
			continue
		}
		if err == nil {
			_, err = s.cache.reload(ctx, directory)
		}
		return number, added.UseAt, err
	}
	return 0, time.Time{}, fmt.Errorf("keys: %w", storage.ErrConflict)
}

func (s *Secrets) addGeneration(record *storage.TokenSecrets, number uint32, now time.Time) (storage.SecretGeneration, error) {
	s.dropOld(record, now)
	if len(record.Generations) >= maxGenerations {
		return storage.SecretGeneration{}, fmt.Errorf("%w: %d generations", ErrTooMany, maxGenerations)
	}
	added, err := s.newGeneration(record.Directory, number, now.Add(s.config.Schedule.Margin))
	if err == nil {
		record.Generations[storage.GenerationName(number)] = added
	}
	return added, err
}

// dropOld drops every generation whose successor has been in use for longer than anything lives.
func (s *Secrets) dropOld(record *storage.TokenSecrets, now time.Time) {
	outlived := s.config.Schedule.SecretLife + s.config.Schedule.Margin
	numbers := slices.Sorted(maps.Keys(numbered(*record)))
	for i, number := range numbers[:len(numbers)-1] {
		successor := record.Generations[storage.GenerationName(numbers[i+1])]
		if reached(now, successor.UseAt.Add(outlived)) {
			delete(record.Generations, storage.GenerationName(number))
		}
	}
}

func (s *Secrets) newGeneration(directory string, number uint32, useAt time.Time) (storage.SecretGeneration, error) {
	sealed, err := s.newSecret(tokenSecretBinding(directory, storage.GenerationName(number)))
	return storage.SecretGeneration{Secret: sealed, UseAt: useAt}, err
}

// newSecret creates a secret and seals it.
func (s *Secrets) newSecret(binding Binding) (string, error) {
	secret := make([]byte, secretSize)
	if _, err := io.ReadFull(s.config.Random, secret); err != nil {
		return "", fmt.Errorf("keys: generate token secret: %w", err)
	}
	return s.config.Master.Seal(secret, binding)
}

// numbered returns the generations of a record by number.
func numbered(record storage.TokenSecrets) map[uint32]storage.SecretGeneration {
	found := make(map[uint32]storage.SecretGeneration, len(record.Generations))
	for name, stored := range record.Generations {
		number, err := strconv.ParseUint(name, 10, 32)
		if err == nil && storage.GenerationName(uint32(number)) == name {
			found[uint32(number)] = stored
		}
	}
	return found
}
