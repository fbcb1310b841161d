package wechattest

import (
	"net/http"
	"time"

	"github.com/minifed/minifed/wechat"
)

// payment is one payment of a user, for getpaidunionid.
type payment struct {
	app  *App
	user string
	at   time.Time
}

// paymentLife is how long after a payment its UnionID can be asked for.
const paymentLife = 5 * time.Minute

// Pay is a payment of the user in the app: it returns the transaction ID, which getpaidunionid takes for five minutes.
func (a *App) Pay(user string) string {
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	a.users[a.openID(user)] = user
	id := "42" + randomText("0123456789", 26)
	a.server.payments[id] = payment{app: a, user: user, at: a.server.now()}
	return id
}

// paidUnionID is GET /wxa/getpaidunionid, with the transaction ID of Pay.
func (s *Server) paidUnionID(in *incoming) reply {
	if in.Method != http.MethodGet {
		return in.failure(43001)
	}
	if errcode := s.tokenErrcode(in); errcode != 0 {
		return in.failure(errcode)
	}
	paid, known := s.payments[in.Query.Get("transaction_id")]
	switch {
	case in.User == "":
		return in.failure(40003)
	case !known || paid.app != in.app || paid.user != in.User || s.now().Sub(paid.at) > paymentLife:
		return in.failure(89300)
	case in.app.account == "":
		return in.failure(89002)
	}
	return in.success(struct {
		status
		UnionID wechat.UnionID `json:"unionid"`
	}{okAnswer(), in.app.unionID(in.User)})
}
