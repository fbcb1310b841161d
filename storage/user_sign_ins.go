package storage

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"
)

// MaxUserSignIns is the number of sign-ins that are stored for a user.
const MaxUserSignIns = 20

// UserSignIns are the last sign-ins of a user. They are no member of User, because every login reads that record.
type UserSignIns struct {
	Directory string `json:"directory"`
	User      string `json:"user"`
	// SignIns are the last sign-ins, newest first, at most MaxUserSignIns. Each is the JSON of a SignIn, which is only decoded where
	// it is shown.
	SignIns   []json.RawMessage `json:"sign_ins"`
	CreatedAt time.Time         `json:"created_at,omitzero"`
}

// Document implements Record. A user has one, with the ID of the user's own record.
func (s UserSignIns) Document() Document {
	return Document{Kind: KindUserSignIns, ID: Key(s.Directory, s.User), CreatedAt: s.CreatedAt}
}

// With returns the record with later sign-ins, oldest first, and without those that it has no room for.
func (s UserSignIns) With(later []SignIn) (UserSignIns, error) {
	list := make([]json.RawMessage, 0, len(later)+len(s.SignIns))
	for _, signIn := range slices.Backward(later) {
		text, err := json.Marshal(signIn)
		if err != nil {
			return s, err
		}
		list = append(list, text)
	}
	list = append(list, s.SignIns...)
	s.SignIns = list[:min(len(list), MaxUserSignIns)]
	return s, nil
}

// LastSignIns returns the last sign-ins of a user, newest first. Earlier versions stored them in the record of the user.
func LastSignIns(ctx context.Context, reader Reader, user User) ([]SignIn, error) {
	stored, err := Get[UserSignIns](ctx, reader, Key(user.Directory, user.ID))
	if errors.Is(err, ErrNotFound) {
		return user.EarlierSignIns(), nil
	}
	if err != nil {
		return nil, err
	}
	list := make([]SignIn, 0, len(stored.Record.SignIns))
	for _, text := range stored.Record.SignIns {
		var signIn SignIn
		if err := json.Unmarshal(text, &signIn); err != nil {
			return nil, malformed(err)
		}
		list = append(list, signIn)
	}
	if earlier := user.EarlierSignIns(); len(earlier) > 0 { // An instance of an earlier version runs too.
		list = append(list, earlier...)
		slices.SortStableFunc(list, func(a, b SignIn) int { return b.At.Compare(a.At) })
		list = slices.Compact(list)
	}
	return list[:min(len(list), MaxUserSignIns)], nil
}
