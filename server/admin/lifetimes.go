package admin

import (
	"time"

	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/storage"
)

// The maximum lifetimes, in seconds. Retired keys verify tokens for longestToken. Secrets are stored a month longer than
// longestGrant, because the handles of grants need them.
const (
	longestToken = int64(keys.DefaultTokenLife / time.Second)
	longestGrant = int64((keys.DefaultSecretLife - 34*24*time.Hour) / time.Second)
)

// checkLifetimes bounds lifetimes, which are in seconds; 0 is the default.
func (p *problems) checkLifetimes(l storage.Lifetimes) {
	const minute, day = 60, 24 * 60 * 60
	p.within("lifetimes.access_token", l.AccessToken, minute, longestToken)
	p.within("lifetimes.id_token", l.IDToken, minute, longestToken)
	p.within("lifetimes.refresh_idle", l.RefreshIdle, minute, longestGrant)
	p.within("lifetimes.refresh_absolute", l.RefreshAbsolute, minute, longestGrant)
	p.within("lifetimes.session_idle", l.SessionIdle, minute, 366*day)
	p.within("lifetimes.session_absolute", l.SessionAbsolute, minute, 366*day)
	p.within("lifetimes.code", l.Code, 10, 10*minute)
	if l.RefreshIdle > 0 && l.RefreshAbsolute > 0 && l.RefreshIdle > l.RefreshAbsolute {
		p.add("lifetimes.refresh_idle", "must not exceed refresh_absolute")
	}
	if l.SessionIdle > 0 && l.SessionAbsolute > 0 && l.SessionIdle > l.SessionAbsolute {
		p.add("lifetimes.session_idle", "must not exceed session_absolute")
	}
}

func (p *problems) within(field string, seconds, least, most int64) {
	if seconds != 0 && (seconds < least || seconds > most) {
		p.add(field, "%d seconds must be between %d and %d, or 0 for the default", seconds, least, most)
	}
}
