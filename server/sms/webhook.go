package sms

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/minifed/minifed/server/outbound"
	"github.com/minifed/minifed/storage"
)

// posted is the body of a request to a webhook.
type posted struct {
	To        string `json:"to"`
	Code      string `json:"code,omitempty"`
	Change    string `json:"change,omitempty"`
	Language  string `json:"language"`
	Signature string `json:"signature,omitempty"`
	Template  string `json:"template,omitempty"`
	Directory string `json:"directory"`
}

// sendByWebhook posts a message as JSON with a signature of outbound.Sign. Any status of 2xx has accepted it.
func (s *Sender) sendByWebhook(ctx context.Context, account Account, message Message) error {
	language := "en"
	if message.Chinese {
		language = "zh-CN"
	}
	body, err := json.Marshal(posted{message.To, message.Code, message.Change, language, account.Signature, account.template(message), message.Directory})
	if err != nil {
		return err
	}
	header := map[string]string{"Content-Type": "application/json", outbound.SignatureHeader: outbound.Sign([]byte(account.Key), body, s.Now())}
	status, _, err := s.Client.Exchange(ctx, http.MethodPost, account.URL, body, header)
	switch {
	case err != nil:
		return fmt.Errorf("sms: %s: %w", storage.SMSWebhook, err)
	case status/100 != 2:
		return fmt.Errorf("sms: %s returned status %d: its log has the reason", storage.SMSWebhook, status) // Its body may quote the number.
	default:
		return nil
	}
}

// unreadable is the error for a response that is not one of the provider's API.
func unreadable(provider string, status int) error {
	return fmt.Errorf("sms: %s returned status %d without a result: is --sms-url the address of its API?", provider, status)
}

func orDefault(address, standard string) string {
	if address == "" {
		return standard
	}
	return address
}
