package server

import (
	"context"
	"reflect"
	"slices"
)

// JSONRoutes are the paths whose errors are JSON, with the methods they answer: the interface for programs, which openapi.json
// has to describe. The rest is pages and what belongs to them.
func (s *Server) JSONRoutes() map[string][]string {
	all := map[string][]string{}
	for _, mounted := range s.table.routes {
		if of := reflect.ValueOf(mounted.surface).Pointer(); mounted.name != "assets" &&
			(of == reflect.ValueOf(oauthErrors).Pointer() || of == reflect.ValueOf(challengedErrors).Pointer() || of == reflect.ValueOf(bearerErrors).Pointer()) {
			all[mounted.path] = slices.DeleteFunc(slices.Clone(mounted.methods), func(method string) bool { return method == "OPTIONS" })
		}
	}
	return all
}

// FormParameters are the parameters that the endpoints of a path read.
func FormParameters() map[string][]string {
	foreign := func(name string) bool { return slices.Contains(foreignMembers(), name) }
	doors := slices.DeleteFunc(slices.Concat(doorMembers().strings, doorMembers().lists, doorMembers().objects), foreign)
	return map[string][]string{
		"body":          bodyOnly(),
		"doors":         doors,
		"authorization": authorizationParameters(),
	}
}

// BoundDue makes due what a clock ahead planned.
func (s *Server) BoundDue(ctx context.Context) error { return s.backchannel.boundDue(ctx) }

// Look does what is due now.
func (s *Server) Look(ctx context.Context) error { return s.backchannel.look(ctx) }
