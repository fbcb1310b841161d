package admin

import (
	"context"
	"slices"

	"github.com/minifed/minifed/storage"
)

// ScanReason says why a sign-in by scan or link does not work, or only for some users.
type ScanReason string

// The reasons.
const (
	// ScanNoTarget means that neither the directory nor a client names the mini-program.
	ScanNoTarget ScanReason = "no_target"
	// ScanUnknown means that no enabled client of kind wechat_miniapp has the ID.
	ScanUnknown ScanReason = "unknown"
	// ScanNotAllowed means that the mini-program may not start browser sessions.
	ScanNotAllowed ScanReason = "not_allowed"
	// ScanNoPage means that no page is named, so that the home page of the mini-program opens.
	ScanNoPage ScanReason = "no_page"
	// ScanUnreleased means that only testers of the mini-program can open the version.
	ScanUnreleased ScanReason = "unreleased"
)

// ScanProblem is a problem of the mini-program that confirms sign-ins by scan and by link.
type ScanProblem struct {
	Reason ScanReason
	// Client has a target of its own; empty for the target of the directory.
	Client string
	Target storage.ScanTarget
}

// ScanProblems returns the problems of a directory that lists scan or link. clients are all clients of the directory.
func ScanProblems(directory storage.Directory, clients []storage.Client) []ScanProblem {
	if !confirmsSignIns(directory) {
		return nil
	}
	found := targetProblems(ScanProblem{Target: directory.Scan}, clients)
	own := 0
	for _, client := range clients {
		if client.Disabled || client.Scan == (storage.ScanTarget{}) {
			continue
		}
		if target := client.Scan.Over(directory.Scan); target.MiniProgram != "" {
			own++
			found = append(found, targetProblems(ScanProblem{Client: client.ID, Target: target}, clients)...)
		}
	}
	if directory.Scan.MiniProgram == "" && own == 0 {
		found = append(found, ScanProblem{Reason: ScanNoTarget})
	}
	return found
}

// targetProblems returns the problems of one target. One without a mini-program has none.
func targetProblems(of ScanProblem, clients []storage.Client) (found []ScanProblem) {
	if of.Target.MiniProgram == "" {
		return nil
	}
	add := func(reason ScanReason) {
		of.Reason = reason
		found = append(found, of)
	}
	at := slices.IndexFunc(clients, func(client storage.Client) bool { return client.ID == of.Target.MiniProgram })
	switch {
	case at < 0 || clients[at].Disabled || clients[at].Federation == nil || clients[at].Federation.AppID == "":
		add(ScanUnknown)
	case !clients[at].StartsSessions:
		add(ScanNotAllowed)
	}
	if of.Target.Page == "" {
		add(ScanNoPage)
	}
	if version := of.Target.Version; version != "" && version != "release" {
		add(ScanUnreleased)
	}
	return found
}

// confirmsSignIns reports whether a mini-program confirms sign-ins of browsers.
func confirmsSignIns(directory storage.Directory) bool {
	return directory.HasSignInMethod(storage.SignInScan) || directory.HasSignInMethod(storage.SignInLink)
}

// ScanProblems returns the problems of the directory's mini-program for scan and link.
func (s *Service) ScanProblems(ctx context.Context, directory string) ([]ScanProblem, error) {
	if err := s.Allowed(directory, ActClientRead); err != nil {
		return nil, err
	}
	entry, err := s.directory(ctx, directory)
	if err != nil || !confirmsSignIns(entry.Record) {
		return nil, err
	}
	clients, err := s.clientsWith(ctx, directory, func(client storage.Client) bool {
		return client.Federation != nil || client.Scan != storage.ScanTarget{}
	})
	if err != nil {
		return nil, err
	}
	return ScanProblems(entry.Record, clients), nil
}

// AllowScan lets the mini-program of a client start browser sign-ins: it turns the method scan on in the directory, and sets the
// mini-program as its target. A directory that has a target retains it.
func AllowScan(directory *storage.Directory, miniProgram string) {
	if directory.Scan.MiniProgram == "" {
		directory.Scan.MiniProgram = miniProgram
	}
	if !directory.HasSignInMethod(storage.SignInScan) {
		shown := slices.DeleteFunc(slices.Clone(directory.ShownSignInMethods()), func(method string) bool {
			return method == storage.SignInPasskey && directory.TwoFactor() == storage.TwoFactorOff
		})
		directory.SignInMethods = append([]string{storage.SignInScan}, shown...)
	}
}
