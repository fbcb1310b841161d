package account

import (
	"time"

	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/storage"
)

// sealedUser is a user in a sealed text. A change of the user's password or epoch invalidates the text.
type sealedUser struct {
	User  string `json:"u"`
	Epoch int64  `json:"e"`
	// Mark identifies the password. It reveals nothing about it to the browser that has the text.
	Mark string `json:"m"`
}

func sealUser(user storage.User) sealedUser {
	return sealedUser{user.ID, user.Epoch, storage.Digest("password", user.ID, user.Password)}
}

// sealedAuthentication is an authorize.Authentication in a sealed text.
type sealedAuthentication struct {
	Time    time.Time `json:"p"`
	AMR     []string  `json:"a,omitempty"`
	ACR     string    `json:"c,omitempty"`
	Backend bool      `json:"k,omitempty"`
}

func sealAuthentication(how authorize.Authentication) sealedAuthentication {
	return sealedAuthentication{how.Time, how.AMR, how.ACR, how.BackendInitiated}
}

func (s sealedAuthentication) open() authorize.Authentication {
	return authorize.Authentication{Time: s.Time, AMR: s.AMR, ACR: s.ACR, BackendInitiated: s.Backend}
}
