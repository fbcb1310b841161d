package scan

import (
	"errors"

	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
)

// target is the mini-program of a sign-in.
type target struct {
	storage.ScanTarget
	client storage.Client
	// linkRule means that a rule of WeChat's console opens it for ordinary links.
	linkRule bool
}

// target returns the mini-program for a sign-in to the account page, or to the client of p. errNoTarget means that there is none that
// may start sessions.
func (s *Service) target(r *endpoint.Request, p *authorize.Pending) (target, error) {
	setting := r.Issuer.Directory.Scan
	if p != nil {
		setting = p.Request.Client.Record().Scan.Over(setting)
	}
	if setting.MiniProgram == "" {
		return target{}, errNoTarget
	}
	client, err := s.Clients.Client(r.Context(), r.Issuer.Directory.ID, setting.MiniProgram)
	if errors.Is(err, storage.ErrNotFound) {
		return target{}, errNoTarget
	}
	if err != nil {
		return target{}, err
	}
	record := client.Record()
	if record.Disabled || !record.StartsSessions || record.Federation == nil || record.Federation.AppID == "" {
		return target{}, errNoTarget
	}
	return target{setting, record, r.Issuer.Directory.ScanLinkRule && setting == r.Issuer.Directory.Scan}, nil
}
