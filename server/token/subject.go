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

// Subjects maps users to the identifiers that clients see (OpenID Connect Core §8). Most clients see the user's ID. For a
// client with pairwise subjects, "sub" and "sid" do not identify the user at clients of other sectors. No lookup uses these
// identifiers: grants and sessions contain the user's ID.
type Subjects struct {
	Secrets Secrets
}

// Types returns the subject types of OpenID Connect Core §8.
func (Subjects) Types() []string { return []string{"public", "pairwise"} }

// The sizes of the identifiers, in bytes: large enough that they are unique and cannot be guessed.
const (
	pairwiseSubjectSize = 20
	pairwiseSessionSize = 16
)

// ForUser returns the "sub" of a user at a client. It contains only lower-case letters and digits, because some clients
// compare it without regard to case.
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

// ForSession returns the "sid" of a browser session at a client (Back-Channel Logout §2.1). If it were the same for all
// clients, two clients could find out that they have the same user.
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

// derive computes an identifier for the sector of a client. It is a MAC: without the directory's secret, the user's ID cannot
// be found, not even by trying all IDs (§8.1).
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

// Pairwise reports whether a client has pairwise subjects. Only kinds with browser sign-in can: a federated client creates the
// users and knows their IDs.
func Pairwise(client storage.Client) bool {
	return client.Pairwise && (client.Kind == storage.ClientWeb || client.Kind == storage.ClientSPA)
}

// Secrets computes values from a directory's secrets. Implementations are safe for concurrent use.
type Secrets interface {
	oauth2.Secrets
	// SubjectMAC returns HMAC-SHA-256 of message under the directory's secret of pairwise subjects, which never changes
	// (OpenID Connect Core §8.1).
	SubjectMAC(ctx context.Context, directory string, message []byte) ([]byte, error)
}
