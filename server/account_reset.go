package server

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// accountReset is /account/forgot, where people ask for a new password, and /account/reset, where the link in the mail leads.
// The first looks and takes as long for an address that nobody has.
type accountReset struct{ *account }

const (
	resetPath = accountPath + "/reset"

	purposeReset = "password reset"
	resetLife    = 30 * time.Minute
)

// resetProof is what the link of a mail holds, sealed. It proves the user as long as neither password nor epoch change, and its
// use changes both: nothing has to be stored, and it works once.
type resetProof struct {
	User  string `json:"u"`
	Epoch int64  `json:"e"`
	// Mark tells the password that is to be replaced from the next one.
	Mark string `json:"m"`
	Ends int64  `json:"t"`
}

// messageData is what a page shows that just says something.
type messageData struct {
	Text message
	More []message
	Link *pageLink
}

func (e *accountReset) mount(t *table) {
	if !e.letters.post.offered() {
		return
	}
	for path, serve := range map[string]func(http.ResponseWriter, *call) error{forgotPath: e.forgot, resetPath: e.reset} {
		t.handle(route{
			name: "account_" + strings.TrimPrefix(path, accountPath+"/"), path: path,
			methods: []string{http.MethodGet, http.MethodPost}, serve: serve, surface: e.pages.failure,
		})
	}
}

func (e *accountReset) forgot(w http.ResponseWriter, r *call) error {
	shown := page{template: "form", title: say("forgot.title")}
	if r.Method != http.MethodPost {
		shown.data = forgotForm("")
		return e.pages.render(w, r, shown)
	}
	form, err := e.pages.forgery.form(r)
	if err != nil {
		return err
	}
	if err := e.request(r, form.Get("email")); err != nil {
		return e.again(w, r, shown, forgotForm(form.Get("email")), err)
	}
	return e.pages.render(w, r, page{
		template: "message", title: say("forgot.sent.title"),
		data: messageData{
			Text: say("forgot.sent.text"), More: []message{say("forgot.sent.spam"), say("forgot.sent.other")},
			Link: &pageLink{Text: say("forgot.back"), Path: loginPath},
		},
	})
}

func forgotForm(typed string) formData {
	return formData{
		ID: "send", Lead: say("forgot.lead"), Submit: say("forgot.submit"), Fields: []field{emailField(typed)},
		Else: &pageLink{Text: say("forgot.back"), Path: loginPath},
	}
}

// request has the link sent to whoever has that address. What depends on that happens after the answer.
func (e *accountReset) request(r *call, address string) error {
	address, err := identity.ParseEmail(address)
	if err != nil {
		return err
	}
	directory, remote := r.issuer.Directory, r.remote
	err = e.passwords.failures.ration(r.Context(),
		throttled{directory.ID, mailRule(), directory.Within("reset of " + address + " from " + network(remote))},
		throttledMail(directory, "reset of "+address), throttledAddress(directory.ID, addressRule(), remote))
	if err != nil {
		return err
	}
	spoken, link := e.letters.tongues.choose(r.Request, nil), mailLink(r, resetPath)
	e.letters.post.later(r.Context(), func(ctx context.Context) (Mail, error) {
		return e.resetLetter(ctx, r.issuer, spoken, directory.ID, address, link)
	})
	return nil
}

// resetLetter is the mail with the link; it is addressed to nobody when nobody has that address.
func (e *accountReset) resetLetter(ctx context.Context, issuer *oauth2.Issuer, spoken *tongue, directory, address string, link tokenLink) (Mail, error) {
	user, err := e.owner(ctx, directory, address)
	if errors.Is(err, identity.ErrUnknownUser) || err == nil && user.Status != storage.UserActive {
		return Mail{}, nil
	}
	if err != nil {
		return Mail{}, err
	}
	text, err := json.Marshal(resetProof{user.ID, user.Epoch, passwordMark(user), e.now().Add(resetLife).Unix()})
	if err != nil {
		return Mail{}, err
	}
	sealed, err := e.sealer.seal(ctx, issuer, purposeReset, text)
	if err != nil {
		return Mail{}, err
	}
	return e.letters.letter(ctx, issuer, spoken, user, address, "mail.reset", link.with(sealed))
}

// owner is the user whose proven address it is.
func (e *accountReset) owner(ctx context.Context, directory, address string) (storage.User, error) {
	link, err := storage.Get[storage.Identity](ctx, e.engine, storage.IdentityKey(directory, storage.IdentityEmail, "", address))
	if errors.Is(err, storage.ErrNotFound) {
		return storage.User{}, identity.ErrUnknownUser
	}
	if err != nil {
		return storage.User{}, err
	}
	user, err := e.people.User(ctx, directory, link.Record.User)
	if err != nil {
		return storage.User{}, err
	}
	if user.Record.Email != address || !user.Record.EmailVerified {
		return storage.User{}, identity.ErrUnknownUser
	}
	return user.Record, nil
}

// passwordMark tells a password from the next one, without saying anything about it to the browser that holds the link.
func passwordMark(user storage.User) string {
	return storage.Digest("password", user.ID, user.Password)
}

func (e *accountReset) reset(w http.ResponseWriter, r *call) error {
	user, err := e.proven(r)
	if errors.Is(err, errSealed) || errors.Is(err, identity.ErrUnknownUser) {
		return e.stale(w, r)
	}
	if err != nil {
		return err
	}
	shown := page{template: "form", title: say("reset.title")}
	if r.Method != http.MethodPost {
		shown.data = resetForm(user)
		return e.pages.render(w, r, shown)
	}
	form, err := e.pages.forgery.form(r)
	if err != nil {
		return err
	}
	changed, err := e.people.ReplacePassword(r.Context(), user, form.Get("new_password"), identity.Self(user.ID))
	if errors.Is(err, identity.ErrChanged) {
		return e.stale(w, r)
	}
	if err != nil {
		return e.again(w, r, shown, resetForm(user), err)
	}
	if err := e.letters.tell(r.Context(), r.issuer, changed.Record, "mail.password"); err != nil {
		return err
	}
	// Whoever guesses at the account meanwhile must not keep its owner out.
	if err := e.passwords.recognise(w, r, changed.Record); err != nil {
		return err
	}
	return e.pages.render(w, r, page{
		template: "message", title: say("reset.done.title"),
		data: messageData{Text: say("reset.done.text"), Link: &pageLink{Text: say("reset.done.login"), Path: loginPath}},
	})
}

// proven returns the user whom the link of a mail proves; errSealed for a link that is used, too old, or none of ours.
func (e *accountReset) proven(r *call) (storage.User, error) {
	text, err := e.sealer.open(r.Context(), r.issuer, purposeReset, r.URL.Query().Get(tokenOfMail))
	if err != nil {
		return storage.User{}, err
	}
	var proof resetProof
	if json.Unmarshal(text, &proof) != nil || storage.IsOver(time.Unix(proof.Ends, 0), resetLife, e.now()) {
		return storage.User{}, errSealed
	}
	user, err := e.people.User(r.Context(), r.issuer.Directory.ID, proof.User)
	if err != nil {
		return storage.User{}, err
	}
	seen := user.Record
	if seen.ID != proof.User || seen.Status != storage.UserActive || seen.Epoch != proof.Epoch || passwordMark(seen) != proof.Mark {
		return storage.User{}, errSealed
	}
	return seen, nil
}

// resetForm names the account, so that a password manager keeps the new password with it.
func resetForm(user storage.User) formData {
	return formData{
		ID: "save", Lead: say("reset.lead"), Submit: say("reset.submit"), Account: user.Username,
		Fields: []field{newPasswordField()},
	}
}

func (e *accountReset) stale(w http.ResponseWriter, r *call) error {
	return e.pages.render(w, r, page{
		template: "message", title: say("link.stale.title"), status: http.StatusBadRequest, failed: true,
		data: messageData{Text: say("reset.stale"), Link: &pageLink{Text: say("forgot.title"), Path: forgotPath}},
	})
}
