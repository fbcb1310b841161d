package console

import (
	"net/http"

	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/server/admin"
)

// keysData is what the page of a directory's keys shows.
type keysData struct {
	Algorithms []algorithmKeys
	MayRotate  bool
	MayRevoke  bool
}

// algorithmKeys are the keys of one algorithm.
type algorithmKeys struct {
	Algorithm string
	Keys      []keys.Key
	// Active says that the directory signs with the algorithm now.
	Active bool
}

// signingKeys lists the signing keys of a directory.
func (c *Console) signingKeys(w http.ResponseWriter, r *request) error {
	entry, err := c.directoryOf(r)
	if err != nil {
		return err
	}
	id := entry.Record.ID
	listed, err := r.service.SigningKeys(r.Context(), id)
	if err != nil {
		return err
	}
	data := keysData{MayRotate: r.allows(id, admin.ActKeysRotate), MayRevoke: r.allows(id, admin.ActKeysRevoke)}
	signing := map[string]bool{}
	for _, algorithm := range admin.SigningAlgorithms(entry.Record) {
		signing[algorithm] = true
	}
	for _, key := range listed {
		last := len(data.Algorithms) - 1
		if last < 0 || data.Algorithms[last].Algorithm != key.Algorithm {
			data.Algorithms = append(data.Algorithms, algorithmKeys{Algorithm: key.Algorithm, Active: signing[key.Algorithm]})
			last++
		}
		data.Algorithms[last].Keys = append(data.Algorithms[last].Keys, key)
	}
	return c.render(w, r, page{
		Template: "keys", Title: text("keys.title"), Directory: &entry.Record, Tab: "nav.keys", Notice: done(r), Data: data,
	})
}

// rotateKeys publishes the next key of an algorithm, lets it sign at once, or stores new token secrets.
func (c *Console) rotateKeys(w http.ResponseWriter, r *request) error {
	id, algorithm := r.vars["directory"], r.form.Get("algorithm")
	err := r.service.Allowed(id, admin.ActKeysRotate)
	if err != nil {
		return err
	}
	notice := "rotated"
	switch r.form.Get("act") {
	case "rotate":
		_, err = r.service.RotateSigningKey(r.Context(), id, algorithm)
	case "rotate_now":
		_, err = r.service.RotateSigningKeyNow(r.Context(), id, algorithm)
		notice = "rotated_now"
	case "secrets":
		_, _, err = r.service.RotateTokenSecrets(r.Context(), id)
		notice = "secrets"
	default:
		err = errBadForm
	}
	if err != nil {
		return err
	}
	return redirect(w, directoryPath(id, "keys?done="+notice))
}

func (c *Console) askKeyRevoke(w http.ResponseWriter, r *request) error {
	entry, err := c.directoryOf(r)
	if err != nil {
		return err
	}
	id, kid := entry.Record.ID, r.vars["kid"]
	return c.confirm(w, r, &entry.Record, confirmation{
		directory: id, act: admin.ActKeysRevoke, title: text("keys.revoke"), lead: text("keys.revoke.lead", kid), cancel: directoryPath(id, "keys"), tab: "nav.keys",
	})
}

func (c *Console) revokeKey(w http.ResponseWriter, r *request) error {
	if _, err := r.service.RevokeSigningKey(r.Context(), r.vars["directory"], r.vars["kid"]); err != nil {
		return err
	}
	return redirect(w, directoryPath(r.vars["directory"], "keys?done=revoked"))
}
