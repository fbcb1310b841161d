package server

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"
)

// Mail is a message to one person: plain text in UTF-8.
type Mail struct {
	// To is a plain address in ASCII: name@example.com.
	To string
	// Subject is one line.
	Subject string
	// Text has lines that end with \n.
	Text string
}

// Mailer sends mail. Implementations are safe for concurrent use.
type Mailer interface {
	// Send returns nil once somebody else has taken over the message, and gives up when ctx ends. Its errors hold neither the
	// address nor the text.
	Send(ctx context.Context, mail Mail) error
}

// WriterMailer writes mail instead of sending it: for development, where a terminal is the mailbox. What it writes may hold
// links that sign people in, so it is no mailer for an installation with users.
type WriterMailer struct {
	// Writer receives the messages. It must be safe for concurrent use, as os.Stderr is.
	Writer io.Writer
}

// Send implements Mailer.
func (m WriterMailer) Send(_ context.Context, mail Mail) error {
	_, err := fmt.Fprintf(m.Writer, "\nTo: %s\nSubject: %s\n\n%s\n", mail.To, mail.Subject, mail.Text)
	return err
}

const (
	// mailTimeout bounds the sending of one message.
	mailTimeout = 30 * time.Second
	// maxMails bounds how many are sent at once; what comes beyond is dropped, and the log says so.
	maxMails = 64
)

// post sends mail beside the requests that cause it: how long that takes must not tell whether an address is known.
type post struct {
	mailer Mailer
	logger *slog.Logger

	slots   chan struct{}
	sending sync.WaitGroup
}

func newPost(mailer Mailer, logger *slog.Logger) *post {
	return &post{mailer: mailer, logger: logger, slots: make(chan struct{}, maxMails)}
}

// offered reports whether mail can be sent at all.
func (p *post) offered() bool { return p.mailer != nil }

// send sends a message some time after it returns.
func (p *post) send(ctx context.Context, mail Mail) {
	p.later(ctx, func(context.Context) (Mail, error) { return mail, nil })
}

// later writes a message and sends it, some time after it returns. One to nobody is not sent.
func (p *post) later(ctx context.Context, write func(context.Context) (Mail, error)) {
	if !p.offered() {
		return
	}
	id := callOf(ctx).id
	select {
	case p.slots <- struct{}{}:
	default:
		p.logger.ErrorContext(ctx, "mail dropped: too many are being sent", "request_id", id)
		return
	}
	ctx = context.WithoutCancel(ctx)
	p.sending.Go(func() {
		defer func() { <-p.slots }()
		ctx, cancel := context.WithTimeout(ctx, mailTimeout)
		defer cancel()
		mail, err := write(ctx)
		if err == nil && mail.To != "" {
			err = p.mailer.Send(ctx, mail)
		}
		if err != nil {
			p.logger.ErrorContext(ctx, "mail not sent", "request_id", id, "cause", err.Error())
		}
	})
}

func (p *post) wait() { p.sending.Wait() }
