package server

import (
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/account"
	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/logout"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/server/ratelimit"
)

// newPasswords is how people are proven by passwords, on pages and at bindUser.
func (s *Server) newPasswords(people *identity.Service, failures *ratelimit.Lockout) *account.Passwords {
	c := s.config
	return &account.Passwords{
		Users: people, Lockout: failures, Queue: ratelimit.NewKeyedQueue(),
		Devices: account.Devices{Sealer: s.sealer(), Random: c.Rand},
	}
}

func (s *Server) sealer() endpoint.Sealer {
	return endpoint.Sealer{Secrets: s.config.Secrets, Random: s.config.Rand}
}

// newPages is what every page is rendered by.
func (s *Server) newPages() (*page.Renderer, error) {
	c := s.config
	return page.New(page.CSRF{
		Secrets:  c.Secrets,
		Browsers: endpoint.BrowserIDs{Random: c.Rand, Now: c.Now},
	}, s.catalog)
}

// pageEndpoints are the pages.
func (s *Server) pageEndpoints(p *page.Renderer, people *identity.Service, proofs *account.Passwords, mail page.Notifications, flow *authorize.Endpoint) []endpoint.Endpoint {
	c := s.config
	own := &account.Account{
		Pages: p, Sessions: flow.Sessions, Users: people, Passwords: proofs, Letters: mail,
		Sealer: s.sealer(), Engine: c.Engine, Clients: s.catalog, Now: c.Now,
	}
	login := &account.Login{Pages: p, Authorize: flow, Passwords: proofs, Now: c.Now, Resets: s.mail.Enabled()}
	return []endpoint.Endpoint{
		p.Assets,
		login,
		&account.Consent{Pages: p, Authorize: flow},
		&account.Register{Account: own, Login: login},
		&logout.LoggedOut{Pages: p, Sessions: flow.Sessions},
		&logout.Endpoint{
			Keys: c.Keys, Clients: s.catalog, Sessions: flow.Sessions, Subjects: flow.Codes.Subjects, Users: people,
			Sealer: s.sealer(), Pages: p, Now: c.Now,
		},
		&account.Overview{Account: own}, &account.Profile{Account: own}, &account.Username{Account: own}, &account.Password{Account: own}, &account.Email{Account: own},
		&account.Reset{Account: own}, &account.EndSessions{Account: own}, &account.Apps{Account: own},
	}
}
