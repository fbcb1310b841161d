package server_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"strings"
	"testing"
	"time"

	servermail "github.com/minifed/minifed/server/mail"
)

// smtpServer is a mail server for one connection (RFC 5321), and what it received.
type smtpServer struct {
	address  string
	config   *tls.Config
	starttls bool
	refuse   string
	heard    chan []string
}

func newSMTPServer(t *testing.T, edit func(*smtpServer)) *smtpServer {
	t.Helper()
	listener := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	t.Cleanup(func() { listener.Close() })
	s := &smtpServer{address: listener.Addr().String(), starttls: true, heard: make(chan []string, 1)}
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"127.0.0.1"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der := must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))(t)
	s.config = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
	edit(s)
	go func() {
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		defer connection.Close()
		s.heard <- s.serve(connection)
	}()
	return s
}

// clientTLS returns a configuration that trusts this server.
func (s *smtpServer) clientTLS() *tls.Config {
	pool := x509.NewCertPool()
	certificate, err := x509.ParseCertificate(s.config.Certificates[0].Certificate[0])
	if err == nil {
		pool.AddCert(certificate)
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
}

func (s *smtpServer) serve(connection net.Conn) (heard []string) {
	lines := bufio.NewScanner(connection)
	say := func(line string) { _, _ = io.WriteString(connection, line+"\r\n") }
	say("220 mail.example")
	encrypted, inData := false, false
	for lines.Scan() {
		line := lines.Text()
		heard = append(heard, line)
		verb, _, _ := strings.Cut(line, " ")
		switch {
		case inData && line == ".":
			inData = false
			say("250 taken")
		case inData:
		case s.refuse != "" && strings.HasPrefix(line, s.refuse):
			say("550 wanda@example.com is not here")
		case verb == "EHLO" && s.starttls && !encrypted:
			say("250-mail.example\r\n250 STARTTLS")
		case verb == "EHLO":
			say("250-mail.example\r\n250 AUTH PLAIN")
		case verb == "STARTTLS":
			say("220 go on")
			secure := tls.Server(connection, s.config)
			connection, encrypted = secure, true
			lines = bufio.NewScanner(secure)
		case verb == "AUTH":
			say("235 welcome")
		case verb == "DATA":
			inData = true
			say("354 go on")
		case verb == "QUIT":
			say("221 bye")
			return heard
		default:
			say("250 fine")
		}
	}
	return heard
}

func sampleMessage() servermail.Message {
	return servermail.Message{To: "wanda@example.com", Subject: "为 Default 设置新密码", Text: "王小明，你好：\n\nhttps://id.example/account/reset?proof=" + strings.Repeat("A", 200) + "\n.\nEnd\n"}
}

func (s *smtpServer) mailer() servermail.SMTP {
	return servermail.SMTP{
		Address: s.address, From: "Tea <no-reply@tea.example>", Username: "tea", Password: "secret", TLS: s.clientTLS(),
		Now: func() time.Time { return time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC) },
	}
}

func TestRFC5321_MailIsHandedOverEncryptedAndWhole(t *testing.T) {
	s := newSMTPServer(t, func(*smtpServer) {})
	check(t, s.mailer().Send(t.Context(), sampleMessage()))
	heard := <-s.heard
	text := strings.Join(heard, "\n")
	for _, want := range []string{"STARTTLS", "AUTH PLAIN", "MAIL FROM:<no-reply@tea.example>", "RCPT TO:<wanda@example.com>", "DATA", "QUIT"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	_, data, _ := strings.Cut(text, "\nDATA\n")
	data = strings.ReplaceAll(data, "\n..", "\n.") // RFC 5321 §4.5.2.
	message := must(mail.ReadMessage(strings.NewReader(data)))(t)
	subject := must(new(mime.WordDecoder).DecodeHeader(message.Header.Get("Subject")))(t)
	body := string(must(io.ReadAll(quotedprintable.NewReader(message.Body)))(t))
	if subject != sampleMessage().Subject || !strings.HasPrefix(strings.ReplaceAll(body, "\r\n", "\n"), sampleMessage().Text) {
		t.Errorf("subject %q, body %q", subject, body)
	}
	if got := message.Header.Get("Date"); got != "Tue, 24 Nov 2026 12:00:00 +0000" {
		t.Errorf("Date is %q", got)
	}
	for _, line := range heard {
		if len(line) > 998 {
			t.Errorf("a line of %d bytes", len(line))
		}
	}
}

func TestSMTP_RejectsUntrustedServer(t *testing.T) {
	s := newSMTPServer(t, func(*smtpServer) {})
	m := s.mailer()
	m.TLS = nil
	if err := m.Send(t.Context(), sampleMessage()); err == nil {
		t.Error("an untrusted certificate was accepted")
	}
}

func TestSMTP_ErrorsHaveNoServerText(t *testing.T) {
	s := newSMTPServer(t, func(s *smtpServer) { s.refuse = "RCPT" })
	err := s.mailer().Send(t.Context(), sampleMessage())
	if err == nil || strings.Contains(err.Error(), "wanda") || !strings.Contains(err.Error(), "550") {
		t.Errorf("%v", err)
	}
}

func TestSMTP_RejectsHeaderWithLineBreak(t *testing.T) {
	for _, m := range []servermail.Message{
		{To: "a@example.com\r\nBcc: b@example.com", Subject: "s", Text: "t"}, {To: "a@example.com", Subject: "s\nBcc: b@example.com", Text: "t"},
	} {
		if err := (servermail.SMTP{Address: "127.0.0.1:1", From: "tea@example.com", Now: time.Now}).Send(t.Context(), m); err == nil || strings.Contains(err.Error(), "connect") {
			t.Errorf("%v", err)
		}
	}
}

func TestSMTP_PlaintextRequiresLoopback(t *testing.T) {
	s := newSMTPServer(t, func(s *smtpServer) { s.starttls = false })
	m := s.mailer()
	m.Username = ""
	check(t, m.Send(t.Context(), sampleMessage()))
}

func TestSMTP_HangingServerTimesOut(t *testing.T) {
	listener := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	defer listener.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := (servermail.SMTP{Address: listener.Addr().String(), From: "tea@example.com", Now: time.Now}).Send(ctx, sampleMessage()); err == nil {
		t.Error("the mail was sent")
	}
}

func TestMailWebhook_IsSigned(t *testing.T) {
	secret := []byte("shared")
	got := make(chan servermail.Message, 1)
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		at, signature, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Minifed-Signature"), "t="), ",v1=")
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(at + "." + string(body)))
		if hex.EncodeToString(mac.Sum(nil)) != signature || at != "1700000000" || r.Header.Get("Content-Type") != "application/json" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		var message struct{ To, Subject, Text string }
		_ = json.Unmarshal(body, &message)
		got <- servermail.Message(message)
		w.WriteHeader(http.StatusAccepted)
	}))
	defer service.Close()
	m := servermail.Webhook{URL: service.URL, Secret: secret, Client: service.Client(), Now: func() time.Time { return time.Unix(1700000000, 0) }}
	check(t, m.Send(t.Context(), sampleMessage()))
	if message := <-got; message != sampleMessage() {
		t.Errorf("%+v", message)
	}
	m.Secret = []byte("wrong")
	if err := m.Send(t.Context(), sampleMessage()); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("%v", err)
	}
}

func TestMailWriter_PrintsMail(t *testing.T) {
	var text strings.Builder
	check(t, servermail.Writer{Writer: &text}.Send(t.Context(), servermail.Message{To: "a@example.com", Subject: "Hello", Text: "World\n"}))
	if text.String() != "\nTo: a@example.com\nSubject: Hello\n\nWorld\n\n" {
		t.Errorf("%q", text.String())
	}
}

// brokenMailer fails to send every message.
type brokenMailer struct{}

func (brokenMailer) Send(context.Context, servermail.Message) error {
	return errors.New("no route to host")
}

func TestMail_FailureIsLoggedAndNotShown(t *testing.T) {
	ts := newPageTestServer(t, func(c *serverConfig) { c.Mailer = brokenMailer{} })
	ts.addEmailUser("wanda")
	b := ts.newFormBrowser()
	b.requestReset("wanda@example.com")
	b.wantAt(t, "/account/forgot", http.StatusOK, "Check your mail")
	ts.server.Wait()
	if log := ts.log.String(); !strings.Contains(log, "mail not sent") || !strings.Contains(log, "no route to host") || strings.Contains(log, "wanda@") {
		t.Errorf("log: %s", log)
	}
}
