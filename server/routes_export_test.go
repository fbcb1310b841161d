package server

import (
	"context"
	"reflect"
	"slices"
	"strings"

	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/device"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/federation"
	"github.com/minifed/minifed/server/method/scan"
	"github.com/minifed/minifed/server/registration"
)

// JSONRoutes returns the paths whose errors are JSON, with their methods: the interface for programs, which openapi.json has to
// describe. The others are pages and their assets.
func (s *Server) JSONRoutes() map[string][]string {
	all := map[string][]string{}
	for _, mounted := range s.table.Routes {
		if page := strings.HasPrefix(mounted.Path, authorize.LoginPath); page {
			continue // The picture and the stream of a page.
		}
		if of := reflect.ValueOf(mounted.ErrorWriter).Pointer(); mounted.Name != "assets" &&
			(mounted.Name == registration.RouteName || of == reflect.ValueOf(endpoint.OAuthErrors).Pointer() || of == reflect.ValueOf(endpoint.ChallengedErrors).Pointer() || of == reflect.ValueOf(endpoint.BearerErrors).Pointer()) {
			all[mounted.Path] = slices.DeleteFunc(slices.Clone(mounted.Methods), func(method string) bool { return method == "OPTIONS" })
		}
	}
	return all
}

// FormParameters returns the parameters that the endpoints of a path read.
func FormParameters() map[string][]string {
	foreign := func(name string) bool { return slices.Contains(federation.ForeignMembers(), name) }
	doors := slices.DeleteFunc(slices.Concat(federation.Parameters().Strings, federation.Parameters().Lists, federation.Parameters().Objects), foreign)
	scans := slices.DeleteFunc(slices.Concat(scan.Parameters().Strings, scan.Parameters().Lists, scan.Parameters().Objects, scan.Parameters().Booleans), foreign)
	return map[string][]string{
		"body":          endpoint.BodyParameters(),
		"doors":         doors,
		"scans":         scans,
		"devices":       device.Parameters().Strings[len(federation.Parameters().Strings):],
		"authorization": authorize.Parameters(),
	}
}

// BoundDue reschedules what a clock ahead scheduled.
func (s *Server) BoundDue(ctx context.Context) error { return s.shared.backchannel.BoundDue(ctx) }

// Look delivers what is due now.
func (s *Server) Look(ctx context.Context) error { return s.shared.backchannel.DeliverDue(ctx) }

// ApplyEvents applies the push events of WeChat that are due now.
func (s *Server) ApplyEvents(ctx context.Context) error { return s.shared.events.ApplyDue(ctx) }
