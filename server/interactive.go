package server

// newAuthorize puts the authorization endpoint together. Pages go on through it: see waiting.go.
func (s *Server) newAuthorize(issued codes, failure surface) *authorizeEndpoint {
	c := s.config
	box := s.sealer()
	return &authorizeEndpoint{
		reader:       authorizationReader{clients: s.catalog, keys: c.Keys},
		pushed:       pushedRequests{engine: c.Engine, now: c.Now, random: c.Rand},
		sessions:     &sessions{engine: c.Engine, now: c.Now, random: c.Rand, ended: s.backchannel.tell, full: s.sessionFull},
		interactions: interactions{sealer: box, now: c.Now, random: c.Rand},
		consents:     consents{engine: c.Engine, now: c.Now},
		codes:        issued,
		sealer:       box,
		now:          c.Now,
		failure:      failure,
	}
}
