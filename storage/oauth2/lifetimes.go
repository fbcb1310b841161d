package oauth2

import (
	"cmp"
	"time"

	"github.com/minifed/minifed/storage"
)

// Lifetimes are the lifetimes of the codes, tokens and sessions of a directory.
type Lifetimes struct {
	AccessToken     time.Duration
	IDToken         time.Duration
	RefreshIdle     time.Duration
	RefreshAbsolute time.Duration
	SessionIdle     time.Duration
	SessionAbsolute time.Duration
	Code            time.Duration
}

const (
	// TicketLifetime is how long a bind ticket can be used.
	TicketLifetime = 5 * time.Minute
	// RepeatWindow is the time during which the repeat of a request returns the grant of the first.
	RepeatWindow = time.Minute
	// RefreshGrace is the time after its rotation during which a refresh token still returns the current one.
	RefreshGrace = 30 * time.Second
	// MaxScopes is the maximum number of scopes of a grant.
	MaxScopes = 64
	// MaxAudience is the maximum number of audiences of a grant.
	MaxAudience = 32
)

// DirectoryLifetimes returns the lifetimes of a directory, defaults filled in.
func DirectoryLifetimes(directory storage.Directory) Lifetimes {
	return lifetimes(directory.Lifetimes, 30*24*time.Hour)
}

// clientLifetimes returns the lifetimes of a client: its own, else the directory's, else the defaults.
func clientLifetimes(client storage.Client, directory storage.Directory) Lifetimes {
	own, shared := client.Lifetimes, directory.Lifetimes
	idle := 30 * 24 * time.Hour
	if client.Kind == storage.ClientMiniapp {
		idle = 7 * 24 * time.Hour
	}
	return lifetimes(storage.Lifetimes{
		AccessToken:     cmp.Or(own.AccessToken, shared.AccessToken),
		IDToken:         cmp.Or(own.IDToken, shared.IDToken),
		RefreshIdle:     cmp.Or(own.RefreshIdle, shared.RefreshIdle),
		RefreshAbsolute: cmp.Or(own.RefreshAbsolute, shared.RefreshAbsolute),
		SessionIdle:     shared.SessionIdle, // Sessions have the directory's lifetime: values in old client records are ignored.
		SessionAbsolute: shared.SessionAbsolute,
		Code:            cmp.Or(own.Code, shared.Code),
	}, idle)
}

func lifetimes(set storage.Lifetimes, idle time.Duration) Lifetimes {
	or := func(seconds int64, otherwise time.Duration) time.Duration {
		return cmp.Or(time.Duration(seconds)*time.Second, otherwise)
	}
	return Lifetimes{
		AccessToken:     or(set.AccessToken, 10*time.Minute),
		IDToken:         or(set.IDToken, 10*time.Minute),
		RefreshIdle:     or(set.RefreshIdle, idle),
		RefreshAbsolute: or(set.RefreshAbsolute, 180*24*time.Hour),
		SessionIdle:     or(set.SessionIdle, 12*time.Hour),
		SessionAbsolute: or(set.SessionAbsolute, 30*24*time.Hour),
		Code:            or(set.Code, time.Minute),
	}
}
