package console

import (
	"errors"
	"net/http"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// recordAct is an act on a record of a directory that the operator confirms.
type recordAct struct {
	act admin.Act
	// key is that of the texts.
	key string
	do  func(r *request, directory, id string) error
	// done is the notice after it, and leaves says that the record has no page then.
	done   string
	leaves bool
}

func userActs() map[string]recordAct {
	return map[string]recordAct{
		"disable": {admin.ActUserDisable, "user.disable", func(r *request, directory, user string) error {
			return r.service.DisableUser(r.Context(), directory, user)
		}, "disabled", false},
		"enable": {admin.ActUserEnable, "user.enable", func(r *request, directory, user string) error {
			return r.service.EnableUser(r.Context(), directory, user)
		}, "enabled", false},
		"sign-out": {admin.ActUserSignOut, "user.sign_out", func(r *request, directory, user string) error {
			return r.service.SignOutUser(r.Context(), directory, user)
		}, "signed_out", false},
		"delete": {admin.ActUserDelete, "user.delete", func(r *request, directory, user string) error {
			return r.service.DeleteUser(r.Context(), directory, user)
		}, "deleted", true},
		"request-deletion": {admin.ActUserRequestDeletion, "user.request_deletion", func(r *request, directory, user string) error {
			return r.service.RequestUserDeletion(r.Context(), directory, user)
		}, "deletion_requested", false},
		"restore": {admin.ActUserRestore, "user.restore", func(r *request, directory, user string) error {
			return r.service.RestoreUser(r.Context(), directory, user)
		}, "restored", false},
		"remove-passkey": {admin.ActUserPasskey, "user.remove_passkey", func(r *request, directory, user string) error {
			return r.service.RemoveUserPasskey(r.Context(), directory, user, r.form.Get("passkey"))
		}, "method_removed", false},
		"remove-totp": {admin.ActUserTOTP, "user.remove_totp", func(r *request, directory, user string) error {
			return r.service.RemoveUserTOTP(r.Context(), directory, user)
		}, "method_removed", false},
	}
}

// askUser shows the page before an act on a user.
func (c *Console) askUser(w http.ResponseWriter, r *request) error {
	entry, err := c.directoryOf(r)
	if err != nil {
		return err
	}
	asked, ok := userActs()[r.vars["act"]]
	if !ok {
		return errNoPage
	}
	person, err := r.service.User(r.Context(), entry.Record.ID, r.vars["user"])
	if err != nil {
		return err
	}
	shown := confirmation{
		directory: entry.Record.ID, act: asked.act, title: text(asked.key), lead: text(asked.key+".lead", labelOf(person.User)),
		cancel: userPath(entry.Record.ID, person.User.ID, ""), tab: "nav.users",
	}
	if asked.act == admin.ActUserPasskey {
		passkey, err := r.passkeyOf(entry.Record.ID, person.User.ID)
		if err != nil {
			return err
		}
		shown.lead, shown.hidden = text(asked.key+".lead", labelOf(person.User), passkey.Name), [][2]string{{"passkey", passkey.ID}}
	}
	return c.confirm(w, r, &entry.Record, shown)
}

// passkeyOf returns the passkey of a user that the address of the page names.
func (r *request) passkeyOf(directory, user string) (admin.Passkey, error) {
	methods, err := r.service.UserMethods(r.Context(), directory, user)
	if err != nil {
		return admin.Passkey{}, err
	}
	for _, passkey := range methods.Passkeys {
		if passkey.ID == r.URL.Query().Get("passkey") {
			return passkey, nil
		}
	}
	return admin.Passkey{}, errNoPage
}

// labelOf names a user in a sentence.
func labelOf(user storage.User) string {
	if name := nameOf(user); name != "" {
		return name
	}
	return user.ID
}

// actOnUser does what was confirmed.
func (c *Console) actOnUser(w http.ResponseWriter, r *request) error {
	directory, user := r.vars["directory"], r.vars["user"]
	return act(w, r, userActs(), user, directoryPath(directory, "users"), userPath(directory, user, ""))
}

// act does the confirmed act of r on the record id of its directory. It redirects to the record's page, or to the list if the record
// has none then.
func act(w http.ResponseWriter, r *request, acts map[string]recordAct, id, list, record string) error {
	asked, ok := acts[r.vars["act"]]
	if !ok {
		return errNoPage
	}
	if err := asked.do(r, r.vars["directory"], id); err != nil {
		return err
	}
	if asked.leaves {
		return redirect(w, list+"?done="+asked.done)
	}
	return redirect(w, record+"?done="+asked.done)
}

// askPasswordReset shows the page before a new password.
func (c *Console) askPasswordReset(w http.ResponseWriter, r *request) error {
	entry, person, err := c.userOf(r)
	if err != nil {
		return err
	}
	return c.confirm(w, r, &entry.Record, confirmation{
		directory: entry.Record.ID, act: admin.ActUserPassword, title: text("user.reset"), lead: text("user.reset.lead", labelOf(person.User)),
		cancel: userPath(entry.Record.ID, person.User.ID, ""), tab: "nav.users",
	})
}

// resetPassword generates a password, and shows it.
func (c *Console) resetPassword(w http.ResponseWriter, r *request) error {
	entry, err := c.directoryOf(r)
	if err != nil {
		return err
	}
	directory := entry.Record.ID
	password, err := r.service.ResetUserPassword(r.Context(), directory, r.vars["user"])
	if err != nil {
		return err
	}
	return c.render(w, r, page{
		Template: "password", Title: text("user.reset.done"), Directory: &entry.Record, Tab: "nav.users",
		Data: passwordData{password, userPath(directory, r.vars["user"], ""), text("user.password.once")},
	})
}

// passwordData is what the page with a generated password shows.
type passwordData struct {
	Password, Back string
	// Once says what to do with it.
	Once message
}

// endUserRecord ends one session or grant of a user.
func (c *Console) endUserRecord(w http.ResponseWriter, r *request) error {
	directory, user := r.vars["directory"], r.vars["user"]
	err := r.service.Allowed(directory, admin.ActUserSignOut)
	switch {
	case err != nil:
	case r.form.Get("session") != "":
		err = r.service.EndUserSession(r.Context(), directory, user, r.form.Get("session"))
	case r.form.Get("grant") != "":
		err = r.service.EndUserGrant(r.Context(), directory, user, r.form.Get("grant"))
	default:
		err = errBadForm
	}
	if err != nil {
		return err
	}
	return redirect(w, userPath(directory, user, "")+"?done=ended")
}

// askMerge asks which other user is the same person, and then shows both.
func (c *Console) askMerge(w http.ResponseWriter, r *request) error {
	entry, err := c.directoryOf(r)
	if err != nil {
		return err
	}
	directory := entry.Record.ID
	if err := r.service.Allowed(directory, admin.ActUserMerge); err != nil {
		return err
	}
	person, err := r.service.User(r.Context(), directory, r.vars["user"])
	if err != nil {
		return err
	}
	named := r.URL.Query().Get("other")
	if named == "" {
		return c.mergeForm(w, r, &entry.Record, person.User, "", nil)
	}
	id, err := r.service.UserID(r.Context(), directory, named)
	if errors.Is(err, admin.ErrNotFound) {
		return c.mergeForm(w, r, &entry.Record, person.User, named, []admin.Problem{{Field: "other", Text: err.Error()}})
	}
	if err != nil {
		return err
	}
	other, err := r.service.User(r.Context(), directory, id)
	if err != nil {
		return err
	}
	survivor, alias := person.User, other.User
	if alias.CreatedAt.Before(survivor.CreatedAt) {
		survivor, alias = alias, survivor
	}
	if survivor.ID == alias.ID {
		return c.mergeForm(w, r, &entry.Record, person.User, named, []admin.Problem{{Field: "other", Text: errSameUser.Error()}})
	}
	return c.confirm(w, r, &entry.Record, confirmation{
		directory: directory, act: admin.ActUserMerge, title: text("user.merge"),
		lead:   text("user.merge.lead", labelOf(survivor), survivor.ID, labelOf(alias), alias.ID),
		hidden: [][2]string{{"other", other.User.ID}}, cancel: userPath(directory, person.User.ID, ""), tab: "nav.users",
	})
}

func (c *Console) mergeForm(w http.ResponseWriter, r *request, directory *storage.Directory, user storage.User, named string, problems []admin.Problem) error {
	fields := labelled([]field{{Name: "other", Type: "text", Value: named, Hint: text("user.field.other.hint"), Required: true}}, problems)
	shown := page{
		Template: "merge", Title: text("user.merge"), Directory: directory, Tab: "nav.users",
		Data: formData{Before: fields, Cancel: userPath(directory.ID, user.ID, "")},
		Back: &link{Path: userPath(directory.ID, user.ID, ""), Text: text("verbatim", labelOf(user))},
	}
	return c.render(w, r, withProblems(shown, problems, false))
}

// mergeUsers merges two users.
func (c *Console) mergeUsers(w http.ResponseWriter, r *request) error {
	directory := r.vars["directory"]
	merged, err := r.service.MergeUsers(r.Context(), directory, r.vars["user"], r.form.Get("other"))
	if err != nil {
		return err
	}
	return redirect(w, userPath(directory, merged.Survivor, "")+"?done=merged")
}

// undoMerge separates two users again.
func (c *Console) undoMerge(w http.ResponseWriter, r *request) error {
	directory := r.vars["directory"]
	if err := r.service.UndoMerge(r.Context(), directory, r.form.Get("merge")); err != nil {
		return err
	}
	return redirect(w, directoryPath(directory, "merges?done=undone"))
}
