package wechattest

import (
	"cmp"
	"net/http"
	"slices"
	"time"
)

// Limit is how often an app may make a call. Zero means that there is no limit.
type Limit struct {
	// PerMinute is the number of calls in a minute, after which WeChat returns 45011.
	PerMinute int
	// PerDay is the number of calls in a day, after which WeChat returns 45009 until clear_quota or the next day.
	PerDay int
}

// usage counts an app's calls of one API in the current minute and day.
type usage struct {
	minute, day     time.Time
	inMinute, inDay int
}

// quotaResets is how many times a month an app may call clear_quota. A month is 30 days here.
const (
	quotaResets = 10
	quotaMonth  = 30 * 24 * time.Hour
)

// SetLimit limits the app's calls of an API. The zero Limit takes the limit away.
func (a *App) SetLimit(api API, limit Limit) {
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	a.limits[api] = limit
	delete(a.used, api)
}

func (a *App) limit(api API) Limit {
	if limit, ok := a.limits[api]; ok || api != Code2Session {
		return limit
	}
	return Limit{PerMinute: a.server.LoginsPerMinute}
}

// count counts a call and returns the errcode of the limit that it exceeds. It is called with server.mu held.
func (a *App) count(api API) int {
	u, limit := a.usage(api), a.limit(api)
	u.inMinute++
	u.inDay++
	switch {
	case limit.PerDay > 0 && u.inDay > limit.PerDay:
		return 45009
	case limit.PerMinute > 0 && u.inMinute > limit.PerMinute:
		return 45011
	default:
		return 0
	}
}

// usage returns the counts of the current minute and day. WeChat's day begins at midnight in China.
func (a *App) usage(api API) *usage {
	u := a.used[api]
	if u == nil {
		u = new(usage)
		a.used[api] = u
	}
	now := a.server.now()
	if minute := now.Truncate(time.Minute); !minute.Equal(u.minute) {
		u.minute, u.inMinute = minute, 0
	}
	const china = 8 * time.Hour
	if day := now.Add(china).Truncate(24 * time.Hour); !day.Equal(u.day) {
		u.day, u.inDay = day, 0
	}
	return u
}

// clearQuota is POST /cgi-bin/clear_quota: it resets the daily counts of the app, ten times a month.
func (s *Server) clearQuota(in *incoming) reply {
	if answer, ok := s.postedWithToken(in); !ok {
		return answer
	}
	if in.fields().AppID != string(in.app.id) {
		return in.failure(40013)
	}
	return in.clearQuota(s.now())
}

// clearQuotaBySecret is POST /cgi-bin/clear_quota/v2, for an app that has no calls left to get a token.
func (s *Server) clearQuotaBySecret(in *incoming) reply {
	if in.Method != http.MethodPost {
		return in.failure(43002)
	}
	appID, secret := in.Query.Get("appid"), in.Query.Get("appsecret")
	if errcode := cmp.Or(missing(appID, secret), in.mismatch(secret)); errcode != 0 {
		return in.failure(errcode)
	}
	return in.clearQuota(s.now())
}

func (in *incoming) clearQuota(now time.Time) reply {
	in.app.cleared = slices.DeleteFunc(in.app.cleared, func(t time.Time) bool { return now.Sub(t) >= quotaMonth })
	if len(in.app.cleared) >= quotaResets {
		return in.failure(48006)
	}
	in.app.cleared = append(in.app.cleared, now)
	for _, u := range in.app.used {
		u.inDay = 0
	}
	return in.success(okAnswer())
}

// getQuota is POST /cgi-bin/openapi/quota/get. A call without a limit has WeChat's usual one, as the stable token does.
func (s *Server) getQuota(in *incoming) reply {
	if answer, ok := s.postedWithToken(in); !ok {
		return answer
	}
	path := API(in.fields().CGIPath)
	if s.handler(path) == nil {
		return in.failure(76021)
	}
	const usual = 500_000
	limit, used := cmp.Or(in.app.limit(path).PerDay, usual), in.app.usage(path).inDay
	type quota struct {
		Limit  int `json:"daily_limit"`
		Used   int `json:"used"`
		Remain int `json:"remain"`
	}
	return in.success(struct {
		status
		Quota quota `json:"quota"`
	}{okAnswer(), quota{limit, used, max(0, limit-used)}})
}
