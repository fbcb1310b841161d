package config

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/mongodb"
	"github.com/minifed/minifed/wechat"
)

// check looks for values that are well formed and yet wrong.
func (r *reader) check() {
	c := r.config
	if err := storage.CheckOrigin(c.PublicURL); err != nil {
		r.complain("public_url", "%v", err)
	}
	if err := admin.CheckID(c.DefaultDirectory); err != nil {
		r.complain("default_directory", "%v", err)
	}
	if c.DataDir == "" {
		r.complain("data_dir", "must name a folder")
	}
	r.checkAddresses()
	r.checkTLS()
	r.checkDurations()
	r.checkStorage()
	r.checkWeChat()
	r.checkClients()
	r.checkMail()
	r.checkPasswords()
	r.checkOneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	r.checkOneOf("log.format", c.Log.Format, "text", "json")
}

func (r *reader) checkAddresses() {
	c := r.config.Listen
	r.checkAddress("listen.address", c.Address)
	if _, err := c.ProxyNetworks(); err != nil {
		r.complain("listen.trusted_proxies", "%v", err)
	}
	if c.AdminAddress == "off" {
		return
	}
	r.checkAddress("listen.admin_address", c.AdminAddress)
	if c.AdminAddress == c.Address && !strings.HasSuffix(c.Address, ":0") {
		r.complain("listen.admin_address", "must differ from listen.address")
	}
}

func (r *reader) checkAddress(path, address string) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		r.complain(path, "must be host:port, such as 127.0.0.1:8080, or 0.0.0.0:8080 for every interface")
		return
	}
	if number, err := strconv.ParseUint(port, 10, 16); err != nil {
		r.complain(path, "port %q is not a number from 0 to 65535", port)
	} else if strings.ContainsAny(host, " /") {
		r.complain(path, "host %q of port %d is not a host name or an IP address", host, number)
	}
}

// checkTLS wants both files or none, and a certificate that can be used.
func (r *reader) checkTLS() {
	switch c := r.config.Listen; {
	case c.TLSCertFile == "" && c.TLSKeyFile == "":
	case c.TLSCertFile == "":
		r.complain("listen.tls_cert_file", "must name the certificate of the key in listen.tls_key_file")
	case c.TLSKeyFile == "":
		r.complain("listen.tls_key_file", "must name the key of the certificate in listen.tls_cert_file")
	case strings.HasPrefix(r.config.PublicURL, "http:"):
		r.complain("listen.tls_cert_file", "public_url, %s, must be https when the server answers by TLS", r.config.PublicURL)
	default:
		if _, err := tls.LoadX509KeyPair(c.TLSCertFile, c.TLSKeyFile); err != nil {
			r.complain("listen.tls_cert_file", "%v", unwrapPath(err))
		}
	}
}

func (r *reader) checkDurations() {
	for path, field := range Leaves(&r.config) {
		duration, ok := field.Interface().(time.Duration)
		if ok && path != "keys.rotate_every" && path != "listen.drain_delay" && (duration < time.Millisecond || duration > time.Hour) {
			r.complain(path, "must be between 1ms and 1h")
		}
	}
	if c := r.config.Listen; c.DrainDelay < 0 || c.DrainDelay >= c.ShutdownTimeout {
		r.complain("listen.drain_delay", "must be shorter than listen.shutdown_timeout, %v, of which it is a part", c.ShutdownTimeout)
	}
	// Oftener, more retired keys would have to stay in the JWK Set than keys.Schedule allows.
	if every := r.config.Keys.RotateEvery; every < 6*time.Hour || every > 10*365*24*time.Hour {
		r.complain("keys.rotate_every", "must be between 6h and 87600h")
	}
	if r.config.WeChat.ConnectTimeout > r.config.WeChat.Timeout {
		r.complain("wechat.connect_timeout", "must not exceed wechat.timeout, %v", r.config.WeChat.Timeout)
	}
	if timeout := r.config.Listen.RequestTimeout; timeout < 2*r.config.WeChat.Timeout {
		r.complain("listen.request_timeout", "must be at least twice wechat.timeout, %v: a login may call WeChat twice", r.config.WeChat.Timeout)
	} else if timeout >= r.config.Listen.WriteTimeout {
		r.complain("listen.request_timeout", "must be shorter than listen.write_timeout, %v, or requests end without an answer", r.config.Listen.WriteTimeout)
	}
}

func (r *reader) checkStorage() {
	uri := r.config.Storage.URI
	location, err := r.config.StoreLocation()
	if err == nil && location.URI != "" {
		err = mongodb.CheckURI(string(location.URI))
	}
	if err != nil {
		r.complain("storage.uri", "%s", strings.TrimPrefix(err.Error(), "mongodb: "))
		return
	}
	inYAML := r.origins["storage.uri"].line > 0
	if parsed, err := url.Parse(uri); err == nil && inYAML && parsed.User != nil {
		if _, has := parsed.User.Password(); has {
			r.complain("storage.uri", "a password does not belong in this file: set MINIFED_STORAGE_URI, or write the URI to a file of its own and name that by storage.uri_file")
		}
	}
}

func (r *reader) checkWeChat() {
	c := r.config.WeChat
	if _, err := wechat.New(wechat.Config{BaseURL: c.BaseURL}); err != nil || c.BaseURL == "" {
		r.complain("wechat.base_url", "must be an origin, such as https://api.weixin.qq.com")
	}
	for path, number := range map[string]int{"wechat.max_concurrent": c.MaxConcurrent, "wechat.breaker_failures": c.BreakerFailures} {
		if number < 1 || number > 1_000_000 {
			r.complain(path, "must be between 1 and 1000000")
		}
	}
}

func (r *reader) checkClients() {
	c := r.config.Clients
	for path, number := range map[string]int{"clients.rate": c.Rate, "clients.burst": c.Burst} {
		if number < 1 || number > 1_000_000 {
			r.complain(path, "must be between 1 and 1000000")
		}
	}
	r.checkOneOf("clients.fetch", c.Fetch, fetchPublic, FetchAny)
}

func (r *reader) checkOneOf(path, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		r.complain(path, "must be one of %s", strings.Join(allowed, ", "))
	}
}

// ProxyNetworks are the networks that listen.trusted_proxies names.
func (c Listen) ProxyNetworks() ([]netip.Prefix, error) {
	prefixes := []netip.Prefix{}
	for _, text := range c.TrustedProxies {
		prefix, err := netip.ParsePrefix(strings.TrimSpace(text))
		if err != nil {
			return nil, fmt.Errorf("%q must be a network such as 10.0.0.0/8 or 192.0.2.1/32", text)
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

func onThisMachine(origin string) bool {
	parsed, err := url.Parse(origin)
	if err != nil {
		return false
	}
	address, err := netip.ParseAddr(parsed.Hostname())
	return parsed.Hostname() == "localhost" || err == nil && address.IsLoopback()
}
