package token

import (
	"context"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"strings"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// Subjects names users to clients (OpenID Connect Core §8). Most clients know a user by the user's ID. To a client with
// pairwise subjects nothing that it is told without a scope says who the user is at clients of other sectors: neither "sub" nor
// "sid". Nothing finds a user by these names; grants and sessions know whose they are.
type Subjects struct {
	Secrets Secrets
}

// Types are those of OpenID Connect Core §8.
func (Subjects) Types() []string { return []string{"public", "pairwise"} }

// The sizes of what is made, in bytes: neither can be guessed, nor meets another one by chance.
const (
	pairwiseSubjectSize = 20
	pairwiseSessionSize = 16
)

// ForUser returns the "sub" by which a client knows a user. It has lower-case letters and digits alone, because some who store it
// compare without regard to case.
func (s Subjects) ForUser(ctx context.Context, client *oauth2.Client, user string) (string, error) {
	record := client.Record()
	if !Pairwise(record) {
		return user, nil
	}
	mac, err := s.derive(ctx, record, "sub", user)
	if err != nil {
		return "", err
	}
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(mac[:pairwiseSubjectSize])), nil
}

// ForSession returns the "sid" by which a client knows a browser session (Back-Channel Logout §2.1). Were it the same for all, it
// would tell two clients that they have the same user.
func (s Subjects) ForSession(ctx context.Context, client storage.Client, id string) (string, error) {
	if !Pairwise(client) {
		return id, nil
	}
	mac, err := s.derive(ctx, client, "sid", id)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(mac[:pairwiseSessionSize]), nil
}

// derive computes a name for the sector of a client: a MAC, so that who does not know the directory's secret cannot find the
// user's ID, nor try the IDs of all users (§8.1).
func (s Subjects) derive(ctx context.Context, client storage.Client, what, id string) ([]byte, error) {
	sector, err := client.Sector()
	if err != nil {
		return nil, err
	}
	var message []byte
	for _, part := range []string{what, sector, id} {
		message = binary.BigEndian.AppendUint32(message, uint32(len(part)))
		message = append(message, part...)
	}
	return s.Secrets.SubjectMAC(ctx, client.Directory, message)
}

// Pairwise reports whether a client has subjects of its own. Only such kinds do as people reach by a browser: a federated
// client is who makes the users, and is told of them by their IDs.
func Pairwise(client storage.Client) bool {
	return client.Pairwise && (client.Kind == storage.ClientWeb || client.Kind == storage.ClientSPA)
}

// Secrets derives what a directory's secrets make. Implementations are safe for concurrent use.
type Secrets interface {
	oauth2.Secrets
	// SubjectMAC returns HMAC-SHA-256 of message under the directory's secret of pairwise subjects, which never changes
	// (OpenID Connect Core §8.1).
	SubjectMAC(ctx context.Context, directory string, message []byte) ([]byte, error)
}
