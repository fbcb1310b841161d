package account

import (
	"errors"
	"net/http"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/storage"
)

// Merge is /account/merge, where a person joins two accounts and separates them again, and /account/merge/confirm, which shows what
// will happen. The person proves both: the one by the session, the other by a sign-in of its own.
type Merge struct{ *Account }

const (
	// MergePath is the page where a person joins two accounts.
	MergePath        = endpoint.AccountPath + "/merge"
	mergeConfirmPath = MergePath + "/confirm"
	addWeChatPath    = endpoint.AccountPath + "/wechat"
)

// Mount implements endpoint.Endpoint.
func (e *Merge) Mount(t *endpoint.RouteTable) {
	e.page(t, "account_merge", MergePath, e.ofPeople(e.serve), http.MethodGet, http.MethodPost)
	e.page(t, "account_merge_confirm", mergeConfirmPath, e.ofPeople(e.confirm), http.MethodGet, http.MethodPost)
	e.page(t, "account_wechat", addWeChatPath, e.ofPeople(e.addWeChat), http.MethodPost)
}

// ofPeople hides a page from operators: an audit entry must name one person.
func (*Merge) ofPeople(serve accountRoute) accountRoute {
	return func(w http.ResponseWriter, r *endpoint.Request, current *authorize.CurrentSession) error {
		if r.Issuer.Directory.ID == storage.OperatorsDirectory {
			return endpoint.NotFound()
		}
		return serve(w, r, current)
	}
}

// mergeData is what the page shows.
type mergeData struct {
	Alert  page.Message
	Merges []shownMerge
}

// shownMerge is a merge that can be undone.
type shownMerge struct {
	Merged
	Person page.UserView
}

// Merged is an account that was joined to that of the user.
type Merged struct {
	ID        string    `json:"id"`
	Sub       string    `json:"sub"`
	MergedAt  time.Time `json:"merged_at"`
	UndoUntil time.Time `json:"undo_until"`
}

func viewMerge(merge identity.UndoableMerge) Merged {
	return Merged{ID: merge.Audit, Sub: merge.Alias.ID, MergedAt: merge.At, UndoUntil: merge.Until}
}

// MergesOf returns the accounts that were joined to that of a user, and can be separated again.
func (a *Account) MergesOf(r *endpoint.Request, user storage.User) ([]Merged, error) {
	merges, err := a.Users.UndoableMerges(r.Context(), user)
	if err != nil {
		return nil, err
	}
	views := make([]Merged, 0, len(merges))
	for _, merge := range merges {
		views = append(views, viewMerge(merge))
	}
	return views, nil
}

func (e *Merge) serve(w http.ResponseWriter, r *endpoint.Request, current *authorize.CurrentSession) error {
	if r.Method == http.MethodPost {
		return e.submit(w, r, current)
	}
	merges, err := e.Users.UndoableMerges(r.Context(), current.User)
	if err != nil {
		return err
	}
	var data mergeData
	if r.URL.Query().Has(sameParameter) {
		data.Alert = page.Text("merge.same")
	}
	for _, merge := range merges {
		data.Merges = append(data.Merges, shownMerge{viewMerge(merge), page.ViewUser(merge.Alias)})
	}
	return e.Pages.Render(w, r, page.Page{Template: "merge", Title: page.Text("merge.title"), Zoneinfo: current.User.Profile.Zoneinfo, Data: data})
}

// submit begins a merge, or undoes one.
func (e *Merge) submit(w http.ResponseWriter, r *endpoint.Request, current *authorize.CurrentSession) error {
	form, err := e.Pages.CSRF.ReadForm(r)
	if err != nil {
		return err
	}
	if form.Has("undo") {
		return e.undo(w, r, current, form.Get("undo"))
	}
	return e.begin(w, r, current, false)
}

// addWeChat begins to add a WeChat user.
func (e *Merge) addWeChat(w http.ResponseWriter, r *endpoint.Request, current *authorize.CurrentSession) error {
	if _, err := e.Pages.CSRF.ReadForm(r); err != nil {
		return err
	}
	return e.begin(w, r, current, true)
}

// begin sends the browser to the login page, where the person signs in to the other account.
func (e *Merge) begin(w http.ResponseWriter, r *endpoint.Request, current *authorize.CurrentSession, wechat bool) error {
	present, err := e.sessionProves(r, current)
	if err != nil {
		return err
	}
	if !present {
		return e.askToSignInAgain(w, r)
	}
	if err := e.SignIns.startJoin(w, r, current, wechat); err != nil {
		return err
	}
	return page.Redirect(w, r, authorize.LoginPath)
}

// confirm shows what a merge does, and merges.
func (e *Merge) confirm(w http.ResponseWriter, r *endpoint.Request, current *authorize.CurrentSession) error {
	other, err := e.SignIns.proven(r, current)
	if errors.Is(err, endpoint.ErrInvalidEnvelope) {
		return page.Redirect(w, r, MergePath)
	}
	if err != nil {
		return err
	}
	proven, err := e.ProvesPerson(r, other.User, other.How)
	if err != nil {
		return err
	}
	if !proven {
		return e.showProblem(w, r, NotProven(), page.Text("merge.backend"))
	}
	if r.Method != http.MethodPost {
		return e.preview(w, r, current.User, other.User)
	}
	if _, err := e.Pages.CSRF.ReadForm(r); err != nil {
		return err
	}
	merged, err := e.MergeUsers(r, current.User, other.User)
	if err != nil {
		return e.showError(w, r, err)
	}
	joinCookie().Clear(w, r.Issuer)
	if merged.Survivor == other.User.ID { // The session of the browser ended with its user.
		if _, err := e.Sessions.SignIn(w, r, merged.User, other.How); err != nil {
			return err
		}
	}
	return e.RedirectDone(w, r, "merged")
}

// showError shows why the users were not merged. It returns an error of the server.
func (e *Merge) showError(w http.ResponseWriter, r *endpoint.Request, err error) error {
	if problem := MergeProblem(err); problem != nil {
		return e.showProblem(w, r, problem, page.Text("merge.failed"))
	}
	return err
}

func (e *Merge) showProblem(w http.ResponseWriter, r *endpoint.Request, problem *grants.Error, text page.Message) error {
	joinCookie().Clear(w, r.Issuer)
	e.Pages.RenderInvalid(w, r, page.Page{
		Template: "message", Title: page.Text("merge.failed.title"),
		Data: MessageData{Text: text, Link: &page.Link{Text: page.Text("account.back"), Path: endpoint.AccountPath}},
	}, problem, problem)
	return nil
}

// NotProven is the error for a merge with a sign-in that proves too little.
func NotProven() *grants.Error {
	problem := endpoint.NewErrorStatus(fosite.ErrAccessDenied, http.StatusForbidden, "The sign-in does not prove that the person owns the other account. Sign in to it by another method.")
	problem.Reason = reasonNotProven
	return problem
}

// MergeProblem maps an error of a merge by the person to that for the client; nil for an error of the server.
func MergeProblem(err error) *grants.Error {
	_, limit := errors.AsType[*identity.InvalidError](err)
	var problem *grants.Error
	switch {
	case limit:
		problem = endpoint.NewErrorStatus(fosite.ErrInvalidRequest, http.StatusConflict, "The account has too many joined accounts.")
	case errors.Is(err, identity.ErrSameUser):
		problem = endpoint.NewErrorStatus(fosite.ErrInvalidRequest, http.StatusConflict, "Both are one account already.")
	case errors.Is(err, identity.ErrChanged), errors.Is(err, identity.ErrUnknownUser), errors.Is(err, identity.ErrUserDisabled), errors.Is(err, identity.ErrDeletionPending):
		problem = endpoint.NewErrorStatus(fosite.ErrAccessDenied, http.StatusConflict, "One of the accounts has changed since it was proven. Prove both again.")
	default:
		return nil
	}
	problem.Reason = reasonNotMerged
	return problem
}

// The reasons of merges that did not happen.
const (
	reasonNotProven = "not_proven"
	reasonNotMerged = "not_merged"
)

// MergedUser is the result of a merge.
type MergedUser struct {
	identity.Merged
	// User is the survivor.
	User storage.User
}

// MergeUsers merges two users that the person has proven to be, and notifies both. It returns the errors of package identity.
func (a *Account) MergeUsers(r *endpoint.Request, one, other storage.User) (MergedUser, error) {
	merged, err := a.Users.MergeProven(r.Context(), one, other)
	if err != nil {
		return MergedUser{}, err
	}
	survivor, err := a.Users.User(r.Context(), one.Directory, merged.Survivor)
	if err != nil {
		return MergedUser{}, err
	}
	return MergedUser{*merged, survivor.Record}, a.notifyEach(r, "mail.merged", one, other)
}

// notifyEach notifies each user of a merge, on the channels of the user before it.
func (a *Account) notifyEach(r *endpoint.Request, key string, users ...storage.User) error {
	for _, user := range users {
		if err := a.Notifications.NotifyWithLink(r.Context(), r, user, key, MergePath); err != nil {
			return err
		}
	}
	return nil
}

// UndoMerge separates an account that was joined to that of the user, by the ID of the merge, and notifies both. All sessions of both end.
// It returns identity.ErrUnknownMethod for a merge that is not among MergesOf.
func (a *Account) UndoMerge(r *endpoint.Request, user storage.User, id string) error {
	merges, err := a.Users.UndoableMerges(r.Context(), user)
	if err != nil {
		return err
	}
	for _, merge := range merges {
		if merge.Audit != id {
			continue
		}
		err := a.Users.Unmerge(r.Context(), user.Directory, merge.Audit, identity.Self(user.ID))
		if err != nil {
			return err
		}
		return a.notifyEach(r, "mail.unmerged", user, merge.Alias)
	}
	return identity.ErrUnknownMethod
}

// undo separates the accounts, and shows that both have to sign in again.
func (e *Merge) undo(w http.ResponseWriter, r *endpoint.Request, current *authorize.CurrentSession, id string) error {
	present, err := e.sessionProves(r, current)
	if err != nil {
		return err
	}
	if !present {
		return e.askToSignInAgain(w, r)
	}
	switch err := e.UndoMerge(r, current.User, id); {
	case errors.Is(err, identity.ErrUnknownMethod), errors.Is(err, identity.ErrMergeOver), errors.Is(err, identity.ErrUnknownMerge):
		return page.Redirect(w, r, MergePath)
	case err != nil:
		return err
	}
	authorize.SessionCookie(r.Issuer).Clear(w, r.Issuer)
	return e.Pages.Render(w, r, page.Page{Template: "message", Title: page.Text("merge.undone.title"), Data: MessageData{
		Text: page.Text("merge.undone.text"), Link: &page.Link{Text: page.Text("login.title"), Path: authorize.LoginPath},
	}})
}
