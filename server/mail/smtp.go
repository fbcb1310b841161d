package mail

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/smtp"
	"strings"
	"time"

	"github.com/minifed/minifed/storage"
)

// SMTP sends mail to a server (RFC 5321), encrypted: by TLS from the start (RFC 8314), or by STARTTLS (RFC 3207). A server on
// loopback may be unencrypted.
type SMTP struct {
	// Address is host:port. Port 465 speaks TLS from the start.
	Address string
	// From is the sender: name@example.com, or Name <name@example.com>.
	From string
	// Username and Password authenticate (RFC 4954); empty sends without.
	Username, Password string
	// TLS is the configuration for the connection; nil verifies the server's name by the system's certificates.
	TLS *tls.Config
	// Now is the clock, for the header Date.
	Now func() time.Time
}

// implicitTLS is the port of message submission over TLS (RFC 8314 §7.3).
const implicitTLS = "465"

var errPlainSMTP = errors.New("mail: the mail server offers no STARTTLS")

// Send implements Mailer.
func (m SMTP) Send(ctx context.Context, message Message) error {
	from, err := mail.ParseAddress(m.From)
	if err != nil {
		return errors.New("mail: the sender of mail is not an address")
	}
	text, err := m.compose(from, message)
	if err != nil {
		return err
	}
	client, err := m.connect(ctx)
	if err != nil {
		return fmt.Errorf("mail: mail server: %w", err)
	}
	if err := m.deliver(client, from.Address, message.To, text); err != nil {
		return fmt.Errorf("mail: mail server: %w", errors.Join(withoutText(err), client.Close()))
	}
	return nil
}

// Check reports whether the server takes mail from here: it connects, encrypts and authenticates, and sends nothing.
func (m SMTP) Check(ctx context.Context) error {
	client, err := m.connect(ctx)
	if err != nil {
		return fmt.Errorf("mail: mail server: %w", err)
	}
	err = m.authenticate(client)
	if err == nil {
		err = client.Quit()
	}
	if err != nil {
		return fmt.Errorf("mail: mail server: %w", errors.Join(withoutText(err), client.Close()))
	}
	return nil
}

func (m SMTP) authenticate(client *smtp.Client) error {
	if m.Username == "" {
		return nil
	}
	host, _, _ := net.SplitHostPort(m.Address)
	return client.Auth(smtp.PlainAuth("", m.Username, m.Password, host))
}

func (m SMTP) deliver(client *smtp.Client, from, to string, text []byte) error {
	if err := m.authenticate(client); err != nil {
		return err
	}
	if err := client.Mail(from); err != nil {
		return err
	}
	if err := client.Rcpt(to); err != nil {
		return err
	}
	body, err := client.Data()
	if err != nil {
		return err
	}
	if _, err := body.Write(text); err != nil {
		return err
	}
	if err := body.Close(); err != nil {
		return err
	}
	return client.Quit()
}

// connect opens an encrypted connection, which ends with ctx.
func (m SMTP) connect(ctx context.Context) (*smtp.Client, error) {
	host, port, err := net.SplitHostPort(m.Address)
	if err != nil {
		return nil, err
	}
	connection, err := new(net.Dialer).DialContext(ctx, "tcp", m.Address)
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		if err := connection.SetDeadline(deadline); err != nil {
			return nil, err
		}
	}
	config := m.TLS.Clone()
	if config == nil {
		config = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if config.ServerName == "" {
		config.ServerName = host
	}
	if port == implicitTLS {
		connection = tls.Client(connection, config)
	}
	client, err := smtp.NewClient(connection, host)
	if err != nil {
		return nil, errors.Join(err, connection.Close())
	}
	if port == implicitTLS {
		return client, nil
	}
	if offered, _ := client.Extension("STARTTLS"); offered {
		err = client.StartTLS(config)
	} else if !storage.IsLoopback(host) {
		err = errPlainSMTP
	}
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	return client, nil
}

// compose writes a message (RFC 5322), with what is not ASCII encoded (RFC 2045, RFC 2047).
func (m SMTP) compose(from *mail.Address, message Message) ([]byte, error) {
	if strings.ContainsAny(message.To+message.Subject, "\r\n") {
		return nil, errors.New("mail: a header of mail has several lines")
	}
	var text bytes.Buffer
	for _, header := range [][2]string{
		{"From", from.String()},
		{"To", message.To},
		{"Subject", mime.QEncoding.Encode("utf-8", message.Subject)},
		{"Date", m.Now().UTC().Format(time.RFC1123Z)},
		{"MIME-Version", "1.0"},
		{"Content-Type", "text/plain; charset=utf-8"},
		{"Content-Transfer-Encoding", "quoted-printable"},
		{"Auto-Submitted", "auto-generated"},
	} {
		text.WriteString(header[0] + ": " + header[1] + "\r\n")
	}
	text.WriteString("\r\n")
	body := quotedprintable.NewWriter(&text)
	if _, err := body.Write([]byte(strings.ReplaceAll(message.Text, "\n", "\r\n"))); err != nil {
		return nil, err
	}
	return text.Bytes(), body.Close()
}

// withoutText returns the status code of a server's error without its text, because the text may quote addresses.
func withoutText(err error) error {
	if lost, ok := errors.AsType[net.Error](err); ok {
		return lost
	}
	code, _, _ := strings.Cut(err.Error(), " ")
	if len(code) == 3 && strings.Trim(code, "0123456789") == "" {
		return errors.New("answered " + code)
	}
	return errors.New("broke off")
}
