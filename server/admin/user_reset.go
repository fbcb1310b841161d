package admin

import (
	"context"
)

// ResetUserPassword gives a user a generated password and ends every grant and session. The password is returned only here.
func (s *Service) ResetUserPassword(ctx context.Context, directory, id string) (password string, err error) {
	if err := s.Allowed(directory, ActUserPassword); err != nil {
		return "", err
	}
	if password, err = s.newID(); err != nil {
		return "", err
	}
	if _, err := s.config.Identity.SetPassword(s.traced(ctx), directory, id, password, s.config.Actor.Name); err != nil {
		return "", userError(id, err)
	}
	return password, userError(id, s.config.Identity.SignOutEverywhere(s.traced(ctx), directory, id, s.config.Actor.Name))
}
