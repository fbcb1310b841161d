package sms

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/server/outbound"
	"github.com/minifed/minifed/storage"
)

// Message is a code or a notice for one phone.
type Message struct {
	// To is a number in E.164.
	To string
	// Code is six digits; empty for a notice.
	Code string
	// Change is the text of a notice, what has changed in an account: at most MaxChange characters in Chinese.
	Change string
	// Chinese selects the template.
	Chinese bool
	// Directory is the name of the directory, for webhook and writer.
	Directory string
}

// MaxChange bounds Message.Change in Chinese, in characters: Tencent Cloud rejects longer variables.
const MaxChange = 12

// variable returns the name and the value of the one variable of the template.
func (m Message) variable() (name, value string) {
	if m.Change != "" {
		return "change", m.Change
	}
	return "code", m.Code
}

// Account is a directory's account at a provider.
type Account struct {
	storage.SMS
	// Key is the AccessKey secret, the SecretKey, or the secret of the webhook.
	Key string
}

// Sender sends messages by the provider of each directory. It is safe for concurrent use.
type Sender struct {
	// Client calls the providers.
	Client *outbound.Client
	// Writer receives the messages of the provider log; nil rejects them.
	Writer io.Writer
	// Master opens the keys of the directories.
	Master *keys.Master
	Now    func() time.Time
	Random io.Reader
}

// ErrNoProvider means that the directory has no provider.
var ErrNoProvider = errors.New("sms: the directory has no provider: set it by the option --sms-provider")

// SendFor sends a message by the provider of a directory.
func (s *Sender) SendFor(ctx context.Context, directory storage.Directory, message Message) error {
	account := Account{SMS: directory.SMS}
	if directory.SMSKey != "" {
		key, err := s.Master.Open(directory.SMSKey, keys.SMSKeyBinding(directory.ID))
		if err != nil {
			return fmt.Errorf("sms: key of the provider: %w", err)
		}
		account.Key = string(key)
	}
	message.Directory = directory.Name
	return s.Send(ctx, account, message)
}

// Send returns nil when the provider has accepted the message. Its errors contain neither number nor code.
func (s *Sender) Send(ctx context.Context, account Account, message Message) error {
	switch account.Provider {
	case storage.SMSAliyun:
		return s.sendByAliyun(ctx, account, message)
	case storage.SMSTencent:
		return s.sendByTencent(ctx, account, message)
	case storage.SMSWebhook:
		return s.sendByWebhook(ctx, account, message)
	case storage.SMSLog:
		return s.write(message)
	default:
		return ErrNoProvider
	}
}

// write writes a message instead of sending it, for development.
func (s *Sender) write(message Message) error {
	if s.Writer == nil {
		return errors.New("sms: the provider log is for a server at a loopback address alone: choose another one by --sms-provider")
	}
	_, value := message.variable()
	_, err := fmt.Fprintf(s.Writer, "\nSMS to: %s\n%s: %s\n", message.To, message.Directory, value)
	return err
}

// template returns the template of a message.
func (a Account) template(message Message) string {
	templates := a.Templates
	if message.Change != "" {
		templates = a.NoticeTemplates
	}
	if message.Chinese || templates.English == "" {
		return templates.Chinese
	}
	return templates.English
}

// RejectedError is a message that a provider did not accept.
type RejectedError struct {
	Provider string
	// Code is the provider's error code, and RequestID its ID of the request, for its support.
	Code, RequestID string
	// Remedy says what the operator can do; empty for an unknown code.
	Remedy string
}

// Error implements error.
func (e *RejectedError) Error() string {
	text := fmt.Sprintf("sms: %s rejected the message: %s", e.Provider, e.Code)
	if e.RequestID != "" {
		text += " (request " + e.RequestID + ")"
	}
	if e.Remedy != "" {
		text += ": " + e.Remedy
	}
	return text
}

// maxErrorCode bounds what is logged of a provider's error code and request ID.
const maxErrorCode = 80

// rejected returns the error for a provider's code. Other characters than those of its codes are left out: the text could be anything.
func rejected(provider, code, requestID string, remedies map[string]string) error {
	plain := func(text string) string {
		kept := make([]byte, 0, maxErrorCode)
		for i := 0; i < len(text) && len(kept) < maxErrorCode; i++ {
			if b := text[i]; b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b == '.' || b == '_' || b == '-' {
				kept = append(kept, b)
			}
		}
		return string(kept)
	}
	return &RejectedError{Provider: provider, Code: plain(code), RequestID: plain(requestID), Remedy: remedies[code]}
}
