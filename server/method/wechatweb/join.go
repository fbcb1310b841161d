package wechatweb

import (
	"net/http"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
)

// joinTo returns the ID of the signed-in user who adds a WeChat user by the sign-in that begins; empty for a sign-in.
func (e *Begin) joinTo(r *endpoint.Request, interaction string) (string, error) {
	if interaction != "" {
		return "", nil
	}
	join, err := e.SignIns.Joining(r)
	if err != nil || join == nil {
		return "", err
	}
	return join.User.ID, nil
}

// respondJoin adds the WeChat user of a result to the signed-in user who asked for it. One who belongs to another account is not
// moved: that account is proven now, and the person decides whether to join the two.
func (e *Callback) respondJoin(w http.ResponseWriter, r *endpoint.Request, v *visit, result storage.WebLogin) error {
	if result.User == result.JoinTo {
		return e.RedirectWeChatAdded(w, r)
	}
	join, err := e.SignIns.Joining(r)
	if err != nil {
		return err
	}
	if join == nil || join.User.ID != result.JoinTo {
		return e.showFailure(w, r, newFailure(reasonOver, errState))
	}
	if result.Pending == nil {
		user, err := e.activeUser(r.Context(), result)
		if err == nil {
			err = e.SignIns.Complete(w, r, nil, user, v.authentication(result))
		}
		if err != nil {
			return e.showFailure(w, r, err)
		}
		return nil
	}
	if err := e.AddWeChat(w, r, join, v.login(*result.Pending)); err != nil {
		return e.showFailure(w, r, err)
	}
	if _, err := e.storeUser(r, v, result, join.User); err != nil {
		return err
	}
	return e.RedirectWeChatAdded(w, r)
}

// login is the WeChat user of a result who is unknown in the directory.
func (v *visit) login(pending storage.Pending) identity.Login {
	return identity.Login{
		Directory: v.connection.Directory, AppID: pending.AppID, OpenID: pending.OpenID, OpenPlatform: v.connection.OpenPlatform, UnionID: pending.UnionID,
	}
}
