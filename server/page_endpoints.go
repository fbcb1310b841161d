package server

import (
	"github.com/minifed/minifed/identity"
)

// newPasswords is how people are proven by passwords, on pages and at bindUser.
func (s *Server) newPasswords(people *identity.Service, failures *throttles) *passwords {
	c := s.config
	return &passwords{
		people: people, failures: failures, turns: newTurns(),
		devices: devices{sealer: s.sealer(), random: c.Rand},
	}
}

func (s *Server) sealer() sealer { return sealer{secrets: s.config.Secrets, random: s.config.Rand} }

// newPages is what every page is rendered by.
func (s *Server) newPages() (*pages, error) {
	c := s.config
	return newPages(forgery{
		secrets:  c.Secrets,
		browsers: browsers{c.Rand, c.Now},
	}, s.catalog)
}

// pageEndpoints are the pages.
func (s *Server) pageEndpoints(p *pages, people *identity.Service, proofs *passwords, mail letters, authorize *authorizeEndpoint) []endpoint {
	c := s.config
	own := &account{
		pages: p, sessions: authorize.sessions, people: people, passwords: proofs, letters: mail,
		sealer: s.sealer(), engine: c.Engine, clients: s.catalog, now: c.Now,
	}
	login := &loginEndpoint{pages: p, authorize: authorize, passwords: proofs, now: c.Now, resets: s.post.offered()}
	return []endpoint{
		p.assets,
		login,
		&consentEndpoint{pages: p, authorize: authorize},
		&registerEndpoint{account: own, login: login},
		&loggedOutEndpoint{pages: p, sessions: authorize.sessions},
		&logoutEndpoint{
			keys: c.Keys, clients: s.catalog, sessions: authorize.sessions, subjects: authorize.codes.subjects, people: people,
			sealer: s.sealer(), pages: p, now: c.Now,
		},
		&accountEndpoint{own}, &accountProfile{own}, &accountUsername{own}, &accountPassword{own}, &accountEmail{own},
		&accountReset{own}, &accountSessions{own}, &accountApps{own},
	}
}
