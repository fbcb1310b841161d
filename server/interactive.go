package server

import (
	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
)

// newAuthorize puts the authorization endpoint together. Pages go on through it: see waiting.go.
func (s *Server) newAuthorize(issued authorize.Codes, failure endpoint.ErrorWriter) *authorize.Endpoint {
	c := s.config
	box := s.sealer()
	return &authorize.Endpoint{
		Reader:       authorize.RequestReader{Clients: s.catalog, Keys: c.Keys},
		Pushed:       authorize.PushedRequests{Engine: c.Engine, Now: c.Now, Random: c.Rand},
		Sessions:     &authorize.Sessions{Engine: c.Engine, Now: c.Now, Random: c.Rand, Ended: s.backchannel.Deliver, Full: s.sessionFull},
		Interactions: authorize.Interactions{Sealer: box, Now: c.Now, Random: c.Rand},
		Consents:     authorize.Consents{Engine: c.Engine, Now: c.Now},
		Codes:        issued,
		Sealer:       box,
		Now:          c.Now,
		ErrorWriter:  failure,
	}
}
