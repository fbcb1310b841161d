package account

import (
	"encoding/json"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
)

// suggestedPhone is the content of the parameter by which an app suggests a number to the page of the phone number. It is sealed, so
// that the number is in no URL, and no other site can suggest one.
type suggestedPhone struct {
	User   string `json:"u"`
	Number string `json:"n"`
	Ends   int64  `json:"t"`
}

const (
	suggestedParameter = "suggested"
	purposeSuggested   = "suggested phone number"
	suggestedLife      = 30 * time.Minute
)

// SuggestPhone returns the URL of the page that sends a code to a number and proves it.
func (a *Account) SuggestPhone(r *endpoint.Request, user storage.User, number string) (string, error) {
	number, err := identity.ParsePhone(number)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(suggestedPhone{user.ID, number, a.Now().Add(suggestedLife).Unix()})
	if err != nil {
		return "", err
	}
	sealed, err := a.Sealer.Seal(r.Context(), r.Issuer, purposeSuggested, text)
	return r.Issuer.URL + PhonePath + "?" + suggestedParameter + "=" + sealed, err
}

// SuggestedPhone returns the number that an app suggested to a user, or the present one.
func (a *Account) SuggestedPhone(r *endpoint.Request, user storage.User) string {
	text, err := a.Sealer.Open(r.Context(), r.Issuer, purposeSuggested, r.URL.Query().Get(suggestedParameter))
	var suggested suggestedPhone
	if err != nil || json.Unmarshal(text, &suggested) != nil || suggested.User != user.ID ||
		storage.IsOver(time.Unix(suggested.Ends, 0), suggestedLife, a.Now()) {
		return user.Phone
	}
	return suggested.Number
}
