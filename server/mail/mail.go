package mail

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"
)

// Message is a message to one person: plain text in UTF-8.
type Message struct {
	// To is a plain address in ASCII: name@example.com.
	To string
	// Subject is one line.
	Subject string
	// Text has lines that end with \n.
	Text string
}

// Mailer sends mail. Implementations are safe for concurrent use.
type Mailer interface {
	// Send returns nil when another system has accepted the message, and stops when ctx ends. Its errors contain neither the address
	// nor the text.
	Send(ctx context.Context, mail Message) error
}

// Writer writes mail instead of sending it: for development, where a terminal is the mailbox. What it writes may hold
// links that sign people in, so it is no mailer for an installation with users.
type Writer struct {
	// Writer receives the messages. It must be safe for concurrent use, as os.Stderr is.
	Writer io.Writer
}

// Send implements Mailer.
func (m Writer) Send(_ context.Context, mail Message) error {
	_, err := fmt.Fprintf(m.Writer, "\nTo: %s\nSubject: %s\n\n%s\n", mail.To, mail.Subject, mail.Text)
	return err
}

const (
	// mailTimeout bounds the sending of one message.
	mailTimeout = 30 * time.Second
	// maxMails bounds how many are sent at once; what comes beyond is dropped, and the log says so.
	maxMails = 64
)

// Queue sends mail after the response of a request, so that the response time does not reveal whether an address is known.
type Queue struct {
	mailer Mailer
	logger *slog.Logger

	slots   chan struct{}
	sending sync.WaitGroup
}

// NewQueue returns a queue that sends by mailer, which may be nil.
func NewQueue(mailer Mailer, logger *slog.Logger) *Queue {
	return &Queue{mailer: mailer, logger: logger, slots: make(chan struct{}, maxMails)}
}

// Enabled reports whether mail can be sent at all.
func (p *Queue) Enabled() bool { return p.mailer != nil }

// Send sends a message some time after it returns. The log names the request that caused it.
func (p *Queue) Send(ctx context.Context, request string, mail Message) {
	p.SendLater(ctx, request, func(context.Context) (Message, error) { return mail, nil })
}

// SendLater composes a message and sends it after it returns. A message without a recipient is not sent.
func (p *Queue) SendLater(ctx context.Context, request string, write func(context.Context) (Message, error)) {
	if !p.Enabled() {
		return
	}
	p.Do(ctx, request, "mail", func(ctx context.Context) error {
		mail, err := write(ctx)
		if err != nil || mail.To == "" {
			return err
		}
		return p.Deliver(ctx, mail)
	})
}

// Deliver sends a message before it returns.
func (p *Queue) Deliver(ctx context.Context, mail Message) error { return p.mailer.Send(ctx, mail) }

// Do sends something after it returns, by the function send. The log names the request and what was not sent.
func (p *Queue) Do(ctx context.Context, request, what string, send func(context.Context) error) {
	select {
	case p.slots <- struct{}{}:
	default:
		p.logger.ErrorContext(ctx, what+" dropped: too many are being sent", "request_id", request)
		return
	}
	ctx = context.WithoutCancel(ctx)
	p.sending.Go(func() {
		defer func() { <-p.slots }()
		ctx, cancel := context.WithTimeout(ctx, mailTimeout)
		defer cancel()
		if err := send(ctx); err != nil {
			p.logger.ErrorContext(ctx, what+" not sent", "request_id", request, "cause", err.Error())
		}
	})
}

// Wait returns when the mail that requests caused is sent.
func (p *Queue) Wait() { p.sending.Wait() }
