package mail

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/outbound"
)

// Webhook posts mail as JSON to a service that sends it: {"from": …, "to": …, "subject": …, "text": …}. The header
// Minifed-Signature is "t=…,v1=…": Unix seconds, and in hexadecimal the HMAC-SHA-256 of those, a dot and the body under Secret.
type Webhook struct {
	// URL is where the service is.
	URL string
	// From is the sender; empty leaves it out, and to the service.
	From string
	// Secret signs; the service shares it.
	Secret []byte
	// Client sends the request; it follows no redirect by default.
	Client *http.Client
	// Now is the clock.
	Now func() time.Time
}

type postedMail struct {
	From    string `json:"from,omitempty"`
	To      string `json:"to"`
	Subject string `json:"subject"`
	Text    string `json:"text"`
}

// Send implements Mailer: any status of 2xx has taken over the message.
func (m Webhook) Send(ctx context.Context, mail Message) error {
	body, err := json.Marshal(postedMail{m.From, mail.To, mail.Subject, mail.Text})
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, m.URL, bytes.NewReader(body))
	if err != nil {
		return errors.New("mail: the URL of the mail service is malformed")
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set(outbound.SignatureHeader, outbound.Sign(m.Secret, body, m.Now()))
	response, err := m.Client.Do(request)
	if err != nil {
		return fmt.Errorf("mail: mail service: %w", outbound.WithoutURL(err)) // The URL may hold a key.
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, endpoint.MaxBody)) // The connection is used again.
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("mail: mail service returned status %d", response.StatusCode)
	}
	return nil
}
