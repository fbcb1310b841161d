package config

import (
	"crypto/tls"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/minifed/minifed/audit"
	"github.com/minifed/minifed/cmd/minifed/internal/explain"
	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/mongodb"
	"github.com/minifed/minifed/wechat"
)

// check reports values that are well formed but wrong.
func (r *reader) check() {
	c := r.config
	if err := storage.CheckOrigin(c.PublicURL); err != nil {
		r.reject("public_url", err)
	}
	if admin.CheckID(c.DefaultDirectory) != nil {
		r.complain("default_directory", "must.be_directory_id")
	}
	if c.DataDir == "" {
		r.complain("data_dir", "must.be_folder")
	}
	r.checkAddresses()
	r.checkAdmin()
	r.checkTLS()
	r.checkDurations()
	r.checkStorage()
	r.checkBackup()
	r.checkWeChat()
	r.checkClients()
	r.checkMail()
	r.checkAuditWebhook()
	r.checkPasswords()
	r.checkOneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	r.checkOneOf("log.format", c.Log.Format, "text", "json")
}

func (r *reader) checkAddresses() {
	c := r.config.Listen
	r.checkAddress("listen.address", c.Address)
	if _, err := c.ProxyNetworks(); err != nil {
		r.reject("listen.trusted_proxies", err)
	}
	if !isHeaderName(c.CountryHeader) {
		r.complain("listen.country_header", "must.be_header", c.CountryHeader)
	}
	if c.AdminAddress == "off" {
		return
	}
	r.checkAddress("listen.admin_address", c.AdminAddress)
	if c.AdminAddress == c.Address && !strings.HasSuffix(c.Address, ":0") {
		r.complain("listen.admin_address", "must.differ_from", "listen.address")
	}
}

// isHeaderName reports whether a text is the name of a header (RFC 9110 §5.6.2), or empty. A name with other characters would never
// match a header.
func isHeaderName(name string) bool {
	const characters = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	return strings.Trim(name, characters) == ""
}

// checkAdmin checks the address of the console, unless there is no admin listener.
func (r *reader) checkAdmin() {
	c := r.config
	r.checkOneOf("admin.metrics", c.Admin.Metrics, metricsOpen, MetricsAuthenticated)
	if c.Listen.AdminAddress == "off" {
		return
	}
	if err := storage.CheckOrigin(c.Admin.PublicURL); err != nil {
		r.reject("admin.public_url", err)
	} else if c.Admin.PublicURL == c.PublicURL {
		r.complain("admin.public_url", "must.differ_from", "public_url")
	}
}

func (r *reader) checkAddress(path, address string) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		r.complain(path, "must.be_address")
		return
	}
	if number, err := strconv.ParseUint(port, 10, 16); err != nil {
		r.complain(path, "address.port", port)
	} else if strings.ContainsAny(host, " /") {
		r.complain(path, "address.host", host, number)
	}
}

// checkTLS requires both files or none, and a certificate that can be used.
func (r *reader) checkTLS() {
	switch c := r.config.Listen; {
	case c.TLSCertFile == "" && c.TLSKeyFile == "":
	case c.TLSCertFile == "":
		r.complain("listen.tls_cert_file", "must.be_certificate", "listen.tls_key_file")
	case c.TLSKeyFile == "":
		r.complain("listen.tls_key_file", "must.be_certificate_key", "listen.tls_cert_file")
	case strings.HasPrefix(r.config.PublicURL, "http:"):
		r.complain("listen.tls_cert_file", "certificate.plain_http", r.config.PublicURL)
	default:
		if _, err := tls.LoadX509KeyPair(c.TLSCertFile, c.TLSKeyFile); err != nil {
			r.reject("listen.tls_cert_file", explain.Certificate(err))
		}
	}
}

func (r *reader) checkDurations() {
	for path, field := range Leaves(&r.config) {
		duration, ok := field.Interface().(time.Duration)
		if ok && path != "keys.rotate_every" && path != "backup.every" && path != "audit.retention" && path != "listen.drain_delay" && (duration < time.Millisecond || duration > time.Hour) {
			r.complain(path, "must.be_between", "1ms", "1h")
		}
	}
	if c := r.config.Listen; c.DrainDelay < 0 || c.DrainDelay >= c.ShutdownTimeout {
		r.complain("listen.drain_delay", "config.drain_delay", c.ShutdownTimeout)
	}
	// If keys rotated more often, more retired keys would have to stay in the JWK Set than keys.Schedule allows.
	if every := r.config.Keys.RotateEvery; every < 6*time.Hour || every > 10*365*24*time.Hour {
		r.complain("keys.rotate_every", "must.be_between", "6h", "87600h")
	}
	if kept := r.config.Audit.Retention; kept < audit.MinRetention || kept > 100*365*24*time.Hour {
		r.complain("audit.retention", "must.be_between", "24h", "876000h")
	}
	if r.config.WeChat.ConnectTimeout > r.config.WeChat.Timeout {
		r.complain("wechat.connect_timeout", "config.connect_timeout", r.config.WeChat.Timeout)
	}
	if timeout := r.config.Listen.RequestTimeout; timeout < 2*r.config.WeChat.Timeout {
		r.complain("listen.request_timeout", "config.request_timeout_short", r.config.WeChat.Timeout)
	} else if timeout >= r.config.Listen.WriteTimeout {
		r.complain("listen.request_timeout", "config.request_timeout_long", r.config.Listen.WriteTimeout)
	}
}

func (r *reader) checkStorage() {
	uri := r.config.Storage.URI
	location, err := r.config.StoreLocation()
	if err == nil && location.URI != "" {
		err = mongodb.CheckURI(string(location.URI))
	}
	if err != nil {
		r.reject("storage.uri", err)
		return
	}
	inYAML := r.origins["storage.uri"].line > 0
	if parsed, err := url.Parse(uri); err == nil && inYAML && parsed.User != nil {
		if _, has := parsed.User.Password(); has {
			r.complain("storage.uri", "config.secret", "storage.uri_file", VariableOf("storage.uri"))
		}
	}
}

const maxBackups = 1000

func (r *reader) checkBackup() {
	c := r.config.Backup
	if c.Every != 0 && (c.Every < time.Minute || c.Every > 366*24*time.Hour) {
		r.complain("backup.every", "config.backup_every", "1m", "8784h")
	}
	if c.Keep < 1 || c.Keep > maxBackups {
		r.complain("backup.keep", "must.be_between", 1, maxBackups)
	}
}

func (r *reader) checkWeChat() {
	c := r.config.WeChat
	if _, err := wechat.New(wechat.Config{BaseURL: c.BaseURL}); err != nil || c.BaseURL == "" {
		r.complain("wechat.base_url", "must.be_wechat_origin", wechat.DefaultBaseURL)
	}
	if _, err := wechat.New(wechat.Config{BaseURL: c.PagesURL}); err != nil || c.PagesURL == "" {
		r.complain("wechat.pages_url", "must.be_wechat_origin", wechat.DefaultPagesURL)
	}
	for path, number := range map[string]int{"wechat.max_concurrent": c.MaxConcurrent, "wechat.breaker_failures": c.BreakerFailures} {
		if number < 1 || number > 1_000_000 {
			r.complain(path, "must.be_between", 1, 1_000_000)
		}
	}
}

func (r *reader) checkClients() {
	c := r.config.Clients
	for path, number := range map[string]int{"clients.rate": c.Rate, "clients.burst": c.Burst} {
		if number < 1 || number > 1_000_000 {
			r.complain(path, "must.be_between", 1, 1_000_000)
		}
	}
	r.checkOneOf("clients.fetch", c.Fetch, fetchPublic, FetchAny)
}

func (r *reader) checkOneOf(path, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		r.complain(path, "must.be_one_of", locale.List(allowed))
	}
}

// ProxyNetworks are the networks that listen.trusted_proxies names.
func (c Listen) ProxyNetworks() ([]netip.Prefix, error) {
	prefixes := []netip.Prefix{}
	for _, text := range c.TrustedProxies {
		prefix, err := netip.ParsePrefix(strings.TrimSpace(text))
		if err != nil {
			return nil, &locale.Problem{What: locale.Text("must.be_network", text)}
		}
		prefixes = append(prefixes, prefix.Masked())
	}
	return prefixes, nil
}

// Exposed reports whether AppSecrets travel unencrypted to where wechat.base_url is.
func (c WeChat) Exposed() bool {
	return strings.HasPrefix(c.BaseURL, "http://") && !onThisMachine(c.BaseURL)
}

// Loopback reports whether the public URL's host is this machine itself.
func (c Config) Loopback() bool { return onThisMachine(c.PublicURL) }

// Loopback reports whether the host of the console is this machine itself.
func (c Admin) Loopback() bool { return onThisMachine(c.PublicURL) }

func onThisMachine(origin string) bool {
	parsed, err := url.Parse(origin)
	if err != nil {
		return false
	}
	address, err := netip.ParseAddr(parsed.Hostname())
	return parsed.Hostname() == "localhost" || err == nil && address.IsLoopback()
}
