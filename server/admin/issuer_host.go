package admin

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/minifed/minifed/storage"
)

// checkIssuer returns why an origin cannot be a directory's own. It must be an origin, and its host must differ from that of
// the public URL.
func (s *Service) checkIssuer(issuer string) error {
	if err := storage.CheckOrigin(issuer); err != nil {
		return err
	}
	if hostOf(issuer) == hostOf(s.config.PublicURL) {
		return errors.New("must be at another host than public_url")
	}
	return nil
}

// claimTime is how long a claim stands although its directory does not say so itself: until the directory was written.
const claimTime = time.Minute

// claimHost claims the host of a directory's issuer, if the directory has its own. If another directory uses the host, the
// error is an *Invalid. Claims are not released: a claim of a directory that was moved or deleted may be taken over.
func (s *Service) claimHost(ctx context.Context, directory storage.Directory) error {
	if directory.Issuer == "" {
		return nil
	}
	claim := storage.IssuerHost{Host: hostOf(directory.Issuer), Directory: directory.ID, ClaimedAt: s.now()}
	for range attempts {
		_, err := storage.Insert(ctx, s.config.Engine, claim)
		if !errors.Is(err, storage.ErrExists) {
			return err
		}
		current, err := storage.Get[storage.IssuerHost](ctx, s.config.Engine, claim.Host)
		if errors.Is(err, storage.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if err := s.checkClaim(ctx, current.Record, directory.ID); err != nil {
			return err
		}
		// A claim of this directory is written again, so that a concurrent takeover fails.
		if _, err = current.Replace(ctx, s.config.Engine, claim); !errors.Is(err, storage.ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("host of directory %q %w", directory.ID, ErrChanged)
}

// checkClaim rejects a host whose claim is still valid.
func (s *Service) checkClaim(ctx context.Context, claim storage.IssuerHost, directory string) error {
	if claim.Directory == directory {
		return nil
	}
	holder, err := storage.Get[storage.Directory](ctx, s.config.Engine, claim.Directory)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	gone := err != nil || hostOf(holder.Record.Issuer) != claim.Host
	if gone && s.now().Sub(claim.ClaimedAt) >= claimTime {
		return nil
	}
	var p problems
	p.add("issuer", "is at the host of directory %q; every directory needs a host of its own, or none", claim.Directory)
	return p.err()
}

// hostOf is the host of an origin that was checked, with its port if it names one.
func hostOf(origin string) string {
	parsed, err := url.Parse(origin)
	if err != nil {
		return ""
	}
	return parsed.Host
}
