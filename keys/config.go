package keys

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/minifed/minifed/storage"
)

// skew is how far apart the clocks of two instances may be.
const skew = time.Minute

// ErrClock says that a rotation was rejected, because other instances would read its times by clocks that are too different.
var ErrClock = errors.New("keys: the clocks of this machine and of the store differ by more than five minutes: synchronize both (NTP), " +
	"or rotate on a machine whose clock is right; a leaked key can be revoked meanwhile")

// Config is the dependencies and settings of a Ring and Secrets.
type Config struct {
	Engine storage.Engine
	Master *Master
	Now    func() time.Time
	// ClockTrusted reports whether Now may be gone by for steps of rotation; nil is always. An instance whose clock is known to
	// be wrong leaves them to the others, and rejects a rotation that an operator asks for.
	ClockTrusted func() bool
	// Random is read for secrets and jitter, by several goroutines; key pairs always come from crypto/rand (Go 1.26).
	Random io.Reader
	Logger *slog.Logger
	// Schedule's zero fields have the defaults that it names.
	Schedule Schedule
	// VerifiedTokens is how many good signatures a Ring remembers, so that a token shown again costs a hash; 0 remembers none.
	VerifiedTokens int
}

const (
	// DefaultTokenLife is Schedule.TokenLife unless it is said.
	DefaultTokenLife = 24 * time.Hour
	// DefaultSecretLife is Schedule.SecretLife unless it is said.
	DefaultSecretLife = 400 * 24 * time.Hour
)

// Schedule is when keys are read, published, used and forgotten.
type Schedule struct {
	// Refresh is how often the copies in memory are read again, at most; 5 seconds.
	Refresh time.Duration
	// MaxAge is the max-age the JWK Set is served with; 5 minutes.
	MaxAge time.Duration
	// Margin is the time that a new key is published, and a new token secret stored, before its use; 15 minutes. It exceeds
	// MaxAge by more than twice the Refresh and a minute for clocks that disagree. A copy older than Margin less MaxAge less that
	// minute signs nothing: when a key that it lacks may sign, every JWK Set created from it has left the caches.
	Margin time.Duration
	// RotateEvery is how long a key signs; 90 days. Negative never rotates unasked.
	RotateEvery time.Duration
	// TokenLife is the longest life of a signed token, for which a retired key stays in the JWK Set; DefaultTokenLife.
	TokenLife time.Duration
	// HintLife is for how long after that an id_token_hint is still accepted; 90 days.
	HintLife time.Duration
	// SecretLife is the longest lifetime of handles that use a token secret; DefaultSecretLife.
	SecretLife time.Duration
}

func (s Schedule) withDefaults() Schedule {
	const day = 24 * time.Hour
	return Schedule{
		Refresh:     cmp.Or(s.Refresh, 5*time.Second),
		MaxAge:      cmp.Or(s.MaxAge, 5*time.Minute),
		Margin:      cmp.Or(s.Margin, 15*time.Minute),
		RotateEvery: cmp.Or(s.RotateEvery, 90*day),
		TokenLife:   cmp.Or(s.TokenLife, DefaultTokenLife),
		HintLife:    cmp.Or(s.HintLife, 90*day),
		SecretLife:  cmp.Or(s.SecretLife, DefaultSecretLife),
	}
}

// stale is the age from which a copy signs nothing.
func (s Schedule) stale() time.Duration { return s.Margin - s.MaxAge - skew }

func (s Schedule) validate() error {
	switch {
	case min(s.Refresh, s.MaxAge, s.Margin, s.TokenLife, s.HintLife, s.SecretLife) <= 0:
		return errors.New("keys: schedule: durations must be positive")
	case s.stale() <= 2*s.Refresh:
		return fmt.Errorf("keys: schedule: margin %v must exceed max-age %v by more than %v", s.Margin, s.MaxAge, skew+2*s.Refresh)
	case s.RotateEvery > 0 && s.RotateEvery <= s.Margin:
		return fmt.Errorf("keys: schedule: keys must sign for longer than the margin %v", s.Margin)
	case s.RotateEvery > 0 && s.TokenLife/s.RotateEvery > maxKeys-4:
		return fmt.Errorf("keys: schedule: rotation every %v leaves more than %d keys in the JWK Set", s.RotateEvery, maxKeys)
	}
	return nil
}

// checked returns the configuration with its defaults, or what is missing.
func (c Config) checked() (Config, error) {
	if c.Engine == nil || c.Master == nil || c.Now == nil || c.Random == nil || c.Logger == nil {
		return c, errors.New("keys: configuration needs Engine, Master, Now, Random and Logger")
	}
	c.Schedule = c.Schedule.withDefaults()
	return c, c.Schedule.validate()
}

// checkClock returns ErrClock while the clock is not trusted.
func (c Config) checkClock() error {
	if c.ClockTrusted != nil && !c.ClockTrusted() {
		return ErrClock
	}
	return nil
}
