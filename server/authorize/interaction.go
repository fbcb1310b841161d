package authorize

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// Interaction is an authorization request that waits for its user to sign in or to decide. The browser stores it, in an
// envelope in the URL of the pages, so that it survives a reload. A cookie binds it to the browser, so that no attacker can let
// another browser continue their request.
type Interaction struct {
	// ID is the value from which the code is derived: an interaction gets one code.
	ID string `json:"i"`
	// Form is the request without its id_token_hint. In an envelope it is packed after the JSON text.
	Form url.Values `json:"-"`
	// Hint is the subject of the id_token_hint.
	Hint string `json:"h,omitempty"`
	// Pushed is the ID of its pushed request.
	Pushed string `json:"p,omitempty"`
	// Client is the incarnation of the client.
	Client string `json:"n,omitempty"`
	// Browser is the digest of the cookie of the browser.
	Browser string `json:"b"`
	// Ends is its expiry, in Unix seconds.
	Ends int64 `json:"e"`
	// Until is the time until which a pushed request can restart, in Unix seconds; zero for others.
	Until int64 `json:"u,omitempty"`
	// Step is the last page that was shown.
	Step Step `json:"s"`
	// Denied means that the user cancelled.
	Denied bool `json:"d,omitempty"`

	// SignedIn is the ID of the session in which the user signed in during the interaction.
	SignedIn string `json:"l,omitempty"`
	// Chosen is the ID of the session that the user chose to continue with.
	Chosen string `json:"c,omitempty"`
	// Asked is the ID of the session whose user saw the consent page, and Allowed the scopes that this user allowed.
	Asked   string   `json:"q,omitempty"`
	Allowed []string `json:"a,omitempty"`
	// Consented means that this user decided. Allowed is then empty for a request without scopes.
	Consented bool `json:"y,omitempty"`
}

// Step is a page that an interaction shows.
type Step string

const (
	// StepLogin is the login page.
	StepLogin Step = "login"
	// StepAccount asks the user to continue with the current account or to choose another one.
	StepAccount Step = "account"
	// stepRegister is the page for a new account (Initiating User Registration 1.0).
	stepRegister Step = "register"
	// stepConsent is the consent page.
	stepConsent Step = "consent"
)

const (
	// interactionLife is the time that a user has to sign in and decide.
	interactionLife    = 30 * time.Minute
	purposeInteraction = "interaction"

	interactionIDSize = 16
)

// Interactions encrypts and decrypts interactions.
type Interactions struct {
	Sealer endpoint.Sealer
	Now    func() time.Time
	Random io.Reader
}

// begin returns a new interaction of this browser for a request.
func (n Interactions) begin(w http.ResponseWriter, r *endpoint.Request, request *Request) (*Interaction, error) {
	browser, err := endpoint.BrowserIDs{Random: n.Random, Now: n.Now}.Ensure(w, r)
	if err != nil {
		return nil, err
	}
	id, err := endpoint.RandomString(n.Random, interactionIDSize)
	if err != nil {
		return nil, err
	}
	i := &Interaction{
		ID: id, Form: request.FormWithoutHint(), Hint: request.hint, Pushed: request.pushed, Client: request.Client.Record().Incarnation,
		Browser: browser, Ends: n.Now().Add(interactionLife).Unix(),
	}
	if request.pushed != "" {
		i.Until = cmp.Or(request.until, n.Now().Add(pushedAgainLife).Unix())
		i.Ends = min(i.Ends, i.Until)
	}
	return i, nil
}

// open returns the interaction in the URL of r. One that has expired, was modified or belongs to another browser is an error
// for a page. Except for a modified one, the interaction is returned with the error.
func (n Interactions) open(r *endpoint.Request) (*Interaction, error) {
	issuer := r.Issuer
	text, err := n.Sealer.Open(r.Context(), issuer, purposeInteraction, r.URL.Query().Get(endpoint.InteractionParameter))
	if errors.Is(err, endpoint.ErrInvalidEnvelope) {
		return nil, interactionOver()
	}
	if err != nil {
		return nil, err
	}
	i, err := decodeInteraction(text)
	if err != nil {
		return nil, interactionOver()
	}
	if storage.IsOver(time.Unix(i.Ends, 0), interactionLife, n.Now()) {
		return i, interactionOver()
	}
	if !endpoint.IsBrowser(r.Request, issuer, i.Browser) {
		return i, &grants.Error{
			Protocol: endpoint.Describe(fosite.ErrInvalidRequest, "This sign-in was begun in another browser, or this one does not keep cookies. Go back to the application and begin again.", nil),
			Reason:   endpoint.ReasonInteractionOther,
		}
	}
	return i, nil
}

func interactionOver() error {
	return &grants.Error{
		Protocol: endpoint.Describe(fosite.ErrInvalidRequest, "This sign-in took too long and is over. Go back to the application and begin again.", nil),
		Reason:   endpoint.ReasonInteractionOver,
	}
}

// at returns the URL of one of the issuer's pages that continues i.
func (n Interactions) at(ctx context.Context, issuer *oauth2.Issuer, path string, i *Interaction) (string, error) {
	text, err := i.encode()
	if err != nil {
		return "", err
	}
	sealed, err := n.Sealer.Seal(ctx, issuer, purposeInteraction, text)
	if err != nil {
		return "", err
	}
	return issuer.URL + path + "?" + url.Values{endpoint.InteractionParameter: {sealed}}.Encode(), nil
}

// encode returns the content of an envelope: the length of the JSON text, the JSON text, and the packed request.
func (i *Interaction) encode() ([]byte, error) {
	head, err := json.Marshal(i)
	if err != nil {
		return nil, err
	}
	text := append(binary.AppendUvarint(nil, uint64(len(head))), head...)
	return append(text, endpoint.PackParameters(i.Form)...), nil
}

func decodeInteraction(text []byte) (*Interaction, error) {
	length, size := binary.Uvarint(text)
	if size <= 0 || uint64(len(text)-size) < length {
		return nil, endpoint.ErrPacked
	}
	head, packed := text[size:size+int(length)], text[size+int(length):]
	i := new(Interaction)
	if err := json.Unmarshal(head, i); err != nil {
		return nil, err
	}
	var err error
	i.Form, err = endpoint.UnpackParameters(packed)
	return i, err
}

// signedInNow reports whether the user signed in to that session during the interaction.
func (i *Interaction) signedInNow(session storage.Session) bool {
	return i != nil && i.SignedIn != "" && i.SignedIn == session.ID
}

// chosenNow reports whether the user chose to continue with that session.
func (i *Interaction) chosenNow(session storage.Session) bool {
	return i != nil && (i.signedInNow(session) || i.Chosen != "" && i.Chosen == session.ID)
}

// chosenBy reports whether the user of a session, if there is one, signed in or chose it during the interaction.
func (i *Interaction) chosenBy(current *CurrentSession) bool {
	return current != nil && i.chosenNow(current.Record)
}

// allowedNow returns the scopes that the user of that session allowed in this interaction; false before the decision.
func (i *Interaction) allowedNow(session storage.Session) ([]string, bool) {
	if i == nil || i.Asked != session.ID || len(i.Allowed) == 0 && !i.Consented {
		return nil, false
	}
	return slices.Clone(i.Allowed), true
}
