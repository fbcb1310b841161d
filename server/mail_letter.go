package server

import (
	"context"
	"strings"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// letters writes mail to people, in their language, or in that of the browser that has it sent.
type letters struct {
	post    *post
	tongues *tongues
}

// tell writes to a user's own address, if it is proven, that something happened to the account: key names the text.
func (l letters) tell(ctx context.Context, issuer *oauth2.Issuer, user storage.User, key string) error {
	return l.tellAt(ctx, issuer, user, key, accountPath)
}

// reach reports whether a user can be told something by mail.
func (l letters) reach(user storage.User) bool { return user.EmailVerified && l.post.offered() }

// tellAt is tell with a link to a page of the issuer.
func (l letters) tellAt(ctx context.Context, issuer *oauth2.Issuer, user storage.User, key, path string) error {
	if !user.EmailVerified {
		return nil
	}
	letter, err := l.letter(ctx, issuer, l.tongues.of(user.Profile.Locale), user, user.Email, key, issuer.URL+path)
	if err == nil {
		l.post.send(ctx, letter)
	}
	return err
}

// letter is a message of the directory about a user's account, with a link.
func (l letters) letter(ctx context.Context, issuer *oauth2.Issuer, spoken *tongue, user storage.User, to, key, link string) (Mail, error) {

	name := personView(user).Name
	subject, err := spoken.text(key+".subject", issuer.Directory.Name)
	if err != nil {
		return Mail{}, err
	}
	text, err := spoken.text(key+".text", issuer.Directory.Name, name, link)
	return Mail{To: to, Subject: strings.Join(strings.Fields(subject), " "), Text: text}, err
}
