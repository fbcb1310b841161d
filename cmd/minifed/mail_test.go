package main

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/mail"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/minifed/minifed/cmd/minifed/internal/certificatetest"
	"github.com/minifed/minifed/cmd/minifed/porttest"
)

// smtpServer is a mail server that requires STARTTLS and a password (RFC 5321, RFC 3207, RFC 4954), and stores the mail.
type smtpServer struct {
	address     string
	certificate string
	config      *tls.Config
	taken       chan *mail.Message
	// blocked, if it is set, delays the response to a message until it is closed. reading receives a value when a message arrives.
	blocked, reading chan struct{}
}

const (
	mailUser     = "minifed"
	mailPassword = "the password of the mail server"
)

func newSMTPServer(t *testing.T) *smtpServer {
	t.Helper()
	folder := t.TempDir()
	certificatetest.Write(t, folder, 1)
	o := &smtpServer{certificate: filepath.Join(folder, "tls.crt"), taken: make(chan *mail.Message, 16)}
	pair, err := tls.LoadX509KeyPair(o.certificate, filepath.Join(folder, "tls.key"))
	if err != nil {
		t.Fatal(err)
	}
	o.config = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	o.address = "localhost:" + port
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go o.serve(connection)
		}
	}()
	return o
}

func (o *smtpServer) serve(connection net.Conn) {
	defer func() { connection.Close() }()
	lines := bufio.NewReader(connection)
	say := func(line string) { _, _ = io.WriteString(connection, line+"\r\n") }
	encrypted, known := false, false
	say("220 mail.test")
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		verb, argument, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case verb == "EHLO" && encrypted:
			say("250-mail.test\r\n250 AUTH PLAIN")
		case verb == "EHLO":
			say("250-mail.test\r\n250 STARTTLS")
		case verb == "STARTTLS":
			say("220 go on")
			connection, encrypted = tls.Server(connection, o.config), true
			lines = bufio.NewReader(connection)
		case verb == "AUTH" && encrypted && argument == "PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00"+mailUser+"\x00"+mailPassword)):
			known = true
			say("235 welcome")
		case verb == "QUIT":
			say("221 bye")
			return
		case verb == "DATA" && known:
			say("354 go on")
			if !o.readMessage(lines) {
				return
			}
			say("250 taken")
		case known:
			say("250 fine")
		default:
			say("535 who are you?")
		}
	}
}

// readMessage reads one message.
func (o *smtpServer) readMessage(lines *bufio.Reader) bool {
	var text bytes.Buffer
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return false
		}
		if line == ".\r\n" {
			break
		}
		text.WriteString(strings.TrimPrefix(line, "."))
	}
	if o.blocked != nil {
		o.reading <- struct{}{}
		<-o.blocked
	}
	message, err := mail.ReadMessage(&text)
	if err != nil {
		return false
	}
	o.taken <- message
	return true
}

// mailText returns the text of a message.
func mailText(t *testing.T, message *mail.Message) string {
	t.Helper()
	body, err := io.ReadAll(quotedprintable.NewReader(message.Body))
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(body), "\r\n", "\n")
}

// mailHarness is the built program with its own store and a user in each of two directories.
type mailHarness struct {
	url         string
	binary      string
	environment []string
	process     *programProcess
}

// newMailHarness creates the users wanda of default and wanda of shop, and starts a server with the configuration extra.
func newMailHarness(t *testing.T, extra string, variables ...string) *mailHarness {
	t.Helper()
	folder, address := t.TempDir(), porttest.Address(t)
	config := filepath.Join(folder, "config.yaml")
	writeFile(t, config, fmt.Sprintf(
		"public_url: http://%[1]s\ndata_dir: %[2]s\nlisten: {address: %[1]q, admin_address: \"off\"}\n%[3]s", address, filepath.Join(folder, "data"), extra,
	))
	r := &mailHarness{
		url: "http://" + address, binary: buildProgram(t, "."),
		environment: append([]string{"MINIFED_CONFIG=" + config, "HOME=" + folder}, variables...),
	}
	r.process = startProgram(t, r.environment, r.binary, "serve")
	r.process.line(t, "msg=serving")
	r.run(t, "", "directory", "create", "shop", "--name", "Our shop")
	for directory, address := range map[string]string{"default": "wanda@example.com", "shop": "wanda@shop.example.com"} {
		var made struct {
			ID string `json:"id"`
		}
		printed := r.run(t, "her first password", "user", "create", "wanda", "--directory", directory, "--password-stdin", "--output", "json")
		if err := json.Unmarshal(printed, &made); err != nil {
			t.Fatal(err)
		}
		r.run(t, "", "user", "update", made.ID, "--directory", directory, "--email", address)
	}
	return r
}

func (r *mailHarness) run(t *testing.T, input string, args ...string) []byte {
	t.Helper()
	return runProgram(t, r.environment, input, append([]string{r.binary}, args...)...)
}

// pageUser is a user with a browser without scripts.
type pageUser struct {
	*http.Client
	t    *testing.T
	at   string
	host string
	body string
}

func newPageUser(t *testing.T) *pageUser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &pageUser{Client: &http.Client{Jar: jar}, t: t}
}

// get opens a page and returns its status.
func (p *pageUser) get(address string) int {
	p.t.Helper()
	request, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, address, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	return p.send(request)
}

// fill sends the form of the page with its hidden fields, and returns the status of the response.
func (p *pageUser) fill(fields ...string) int {
	p.t.Helper()
	form := url.Values{}
	for _, hidden := range regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`).FindAllStringSubmatch(p.body, -1) {
		form.Set(hidden[1], hidden[2])
	}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	request, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.at, strings.NewReader(form.Encode()))
	if err != nil {
		p.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return p.send(request)
}

func (p *pageUser) send(request *http.Request) int {
	p.t.Helper()
	if p.host != "" {
		request.Host = p.host
	}
	response, err := p.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	p.at, p.body = response.Request.URL.String(), string(body)
	return response.StatusCode
}

// requestReset requests a link at the pages of an issuer, and returns the resulting page.
func (p *pageUser) requestReset(issuer, address string) string {
	p.t.Helper()
	if status := p.get(issuer + "/account/forgot"); status != http.StatusOK {
		p.t.Fatalf("forgot: %d %s", status, p.body)
	}
	if status := p.fill("email", address); status != http.StatusOK {
		p.t.Fatalf("asked for a link: %d %s", status, p.body)
	}
	return p.body
}

// linkOf returns the only link of a mail, which must be below issuer.
func linkOf(t *testing.T, mailed, issuer string) string {
	t.Helper()
	links := regexp.MustCompile(`https?://\S+`).FindAllString(mailed, -1)
	if len(links) != 1 || !strings.HasPrefix(links[0], issuer+"/account/reset?proof=") {
		t.Fatalf("links %q in %q, want one below %s", links, mailed, issuer)
	}
	return links[0]
}

// useOnce sets a new password with a link, which works only once, and signs in with the password.
func (r *mailHarness) useOnce(t *testing.T, issuer, link string) {
	t.Helper()
	p := newPageUser(t)
	for _, refused := range []struct{ password, because string }{
		{"short", "Too short"}, {"password123", "attackers try"}, {"wanda", "Too short"},
	} {
		p.get(link)
		if status := p.fill("new_password", refused.password); status != http.StatusBadRequest || !strings.Contains(p.body, refused.because) {
			t.Errorf("password %q: %d without %q\n%s", refused.password, status, refused.because, p.body)
		}
	}
	p.get(link)
	if status := p.fill("new_password", "her second password"); status != http.StatusOK {
		t.Fatalf("new password: %d %s", status, p.body)
	}
	if status := newPageUser(t).get(link); status != http.StatusBadRequest {
		t.Errorf("the link works again: %d", status)
	}
	for password, page := range map[string]string{"her first password": "/login", "her second password": "/account"} {
		p := newPageUser(t)
		p.get(issuer + "/account")
		p.fill("username", "wanda", "password", password)
		if at, err := url.Parse(p.at); err != nil || !strings.HasSuffix(at.Path, page) {
			t.Errorf("%q leads to %s, want %s\n%s", password, p.at, page, p.body)
		}
	}
}

func TestMail_ResetsAPasswordThroughSMTP(t *testing.T) {
	office := newSMTPServer(t)
	secret := filepath.Join(t.TempDir(), "password")
	writeFile(t, secret, mailPassword+"\n")
	r := newMailHarness(t, fmt.Sprintf(
		"mail:\n  sender: smtp\n  from: Tea <no-reply@tea.example>\n  smtp: {address: %q, username: %s, password_file: %s}\n"+
			"passwords:\n  argon2: {memory_kib: 64, time: 1}\n  hashing: 2\n", office.address, mailUser, secret,
	), "SSL_CERT_FILE="+office.certificate)
	if said := r.doctor(t); !strings.HasPrefix(said, "ok "+office.address+" takes mail from Tea") {
		t.Errorf("doctor says %s", said)
	}
	for issuer, address := range map[string]string{r.url: "wanda@example.com", r.url + "/d/shop": "wanda@shop.example.com"} {
		p := newPageUser(t)
		known := p.requestReset(issuer, address)
		// The page does not reveal which accounts exist, and the Host header does not decide the link.
		if unknown := newPageUser(t).requestReset(issuer, "nobody@example.com"); withoutVariableParts(unknown, "nobody@example.com") != withoutVariableParts(known, address) {
			t.Errorf("an unknown address is answered\n%s\na known one\n%s", unknown, known)
		}
		message := <-office.taken
		if to, from := message.Header.Get("To"), message.Header.Get("From"); to != address || from != `"Tea" <no-reply@tea.example>` {
			t.Errorf("mail from %s to %s", from, to)
		}
		r.useOnce(t, issuer, linkOf(t, mailText(t, message), issuer))
		for _, about := range []string{"the password of your account", "a browser that your account"} {
			if told := mailText(t, <-office.taken); !strings.Contains(told, about) || !strings.Contains(told, issuer+"/account") {
				t.Errorf("of %s the user is told %q", about, told)
			}
		}
	}
	// Another name of this machine in the request does not change the link.
	spoofer := newPageUser(t)
	spoofer.host = "evil.example"
	spoofer.requestReset(r.url, "wanda@example.com")
	linkOf(t, mailText(t, <-office.taken), r.url)
}

// doctor returns what doctor reports about mail. Other checks fail, because there is no WeChat.
func (r *mailHarness) doctor(t *testing.T) string {
	t.Helper()
	s := newCLI(t)
	for _, variable := range r.environment {
		if name, value, _ := strings.Cut(variable, "="); name == "SSL_CERT_FILE" {
			t.Setenv(name, value)
		}
	}
	s.Environ = append(r.environment, "MINIFED_WECHAT_BASE_URL=http://127.0.0.1:1")
	return diagnose(t, s, false)["mail"]
}

// withoutVariableParts returns a page without the parts that differ in each response, and without the typed address.
func withoutVariableParts(body, address string) string {
	body = strings.ReplaceAll(body, address, "ADDRESS")
	return regexp.MustCompile(`value="[^"]*"`).ReplaceAllString(body, "")
}

func TestMail_ResetsAPasswordThroughAWebhook(t *testing.T) {
	const key = "the secret that signs what is posted"
	posted := make(chan map[string]string, 8)
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		at, signature, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Minifed-Signature"), "t="), ",v1=")
		mac := hmac.New(sha256.New, []byte(key))
		mac.Write([]byte(at + "." + string(body)))
		if want := hex.EncodeToString(mac.Sum(nil)); signature != want {
			t.Errorf("signed %q, want %q", signature, want)
		}
		message := map[string]string{}
		if err := json.Unmarshal(body, &message); err != nil {
			t.Error(err)
		}
		posted <- message
	}))
	t.Cleanup(service.Close)
	secret := filepath.Join(t.TempDir(), "secret")
	writeFile(t, secret, key+"\n")
	r := newMailHarness(t, fmt.Sprintf(
		"mail: {sender: webhook, from: no-reply@tea.example, webhook: {url: %q, secret_file: %s}}\npasswords: {argon2: {memory_kib: 64, time: 1}}\n",
		service.URL+"/send?key=k", secret,
	))
	if said := r.doctor(t); !strings.HasPrefix(said, "ok 127.0.0.1:") || strings.Contains(said, "key=k") {
		t.Errorf("doctor says %s", said)
	}
	newPageUser(t).requestReset(r.url+"/d/shop", "wanda@shop.example.com")
	message := <-posted
	if message["to"] != "wanda@shop.example.com" || message["from"] != "no-reply@tea.example" || !strings.Contains(message["subject"], "Our shop") {
		t.Errorf("posted %v", message)
	}
	r.useOnce(t, r.url+"/d/shop", linkOf(t, message["text"], r.url+"/d/shop"))
}

// Mail of a request is sent before the process ends.
func TestStop_SendsMailInProgress(t *testing.T) {
	office := newSMTPServer(t)
	office.blocked, office.reading = make(chan struct{}), make(chan struct{}, 1)
	r := newMailHarness(t, fmt.Sprintf(
		"mail: {sender: smtp, from: no-reply@tea.example, smtp: {address: %q, username: %s}}\npasswords: {argon2: {memory_kib: 64, time: 1}}\n", office.address, mailUser,
	), "SSL_CERT_FILE="+office.certificate, "MINIFED_MAIL_SMTP_PASSWORD="+mailPassword)
	newPageUser(t).requestReset(r.url, "wanda@example.com")
	<-office.reading
	if err := syscall.Kill(r.process.pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	r.process.line(t, "msg=draining")
	close(office.blocked)
	linkOf(t, mailText(t, <-office.taken), r.url)
	r.process.line(t, "msg=stopped")
	for _, line := range r.process.seen {
		if strings.Contains(line, "cut off") || strings.Contains(line, "mail not sent") {
			t.Error(line)
		}
	}
}

func TestMail_SenderLogWritesMailToTheLog(t *testing.T) {
	running := newCLI(t).startServer(t, "MINIFED_MAIL_SENDER=log")
	var made struct {
		ID string `json:"id"`
	}
	running.In = strings.NewReader("her first password")
	if err := json.Unmarshal([]byte(running.with("MINIFED_MAIL_SENDER=log").run(t, "user", "create", "wanda", "--password-stdin", "--output", "json")), &made); err != nil {
		t.Fatal(err)
	}
	running.run(t, "user", "update", made.ID, "--email", "wanda@example.com")
	newPageUser(t).requestReset(running.url, "wanda@example.com")
	if err := running.err.waitFor(t.Context(), running.url+"/account/reset?proof="); err != nil {
		t.Error(err)
	}
}

func TestMail_PagesOfferNoResetWithoutASender(t *testing.T) {
	running := newCLI(t).startServer(t)
	p := newPageUser(t)
	if status := p.get(running.url + "/account/forgot"); status != http.StatusNotFound {
		t.Errorf("forgot: %d", status)
	}
	p.get(running.url + "/account")
	if strings.Contains(p.body, "forgot") {
		t.Errorf("the login page offers it: %s", p.body)
	}
}

func TestDoctor_ChecksTheMailSender(t *testing.T) {
	office := newSMTPServer(t)
	s, _ := newDoctorHarness(t)
	for want, variables := range map[string][]string{
		"ok none is sent":        nil,
		"ok goes to the log":     {"MINIFED_MAIL_SENDER=log"},
		"fail localhost:":        {"MINIFED_MAIL_SENDER=smtp", "MINIFED_MAIL_FROM=a@example.com", "MINIFED_MAIL_SMTP_ADDRESS=localhost:1"},
		"fail " + office.address: {"MINIFED_MAIL_SENDER=smtp", "MINIFED_MAIL_FROM=a@example.com", "MINIFED_MAIL_SMTP_ADDRESS=" + office.address},
		"fail 127.0.0.1:1 cannot be reached": {
			"MINIFED_MAIL_SENDER=webhook", "MINIFED_MAIL_WEBHOOK_URL=http://127.0.0.1:1/?key=k", "MINIFED_MAIL_WEBHOOK_SECRET=0123456789abcdef",
		},
	} {
		said := diagnose(t, s.with(variables...), strings.HasPrefix(want, "ok"))["mail"]
		if !strings.HasPrefix(said, want) || strings.Contains(said, "key=k") {
			t.Errorf("%v: %q, want %q", variables, said, want)
		}
	}
	weak := diagnose(t, s.with("MINIFED_PASSWORDS_ARGON2_MEMORY_KIB=64"), true)["configuration"]
	if !strings.HasPrefix(weak, "warn passwords") {
		t.Errorf("weak hashing: %q", weak)
	}
}
