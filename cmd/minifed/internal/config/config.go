package config

import (
	"log/slog"
	"path/filepath"
	"time"

	"github.com/minifed/minifed/audit"
	"github.com/minifed/minifed/wechat"
)

// Config is the content of config.yaml. The file at the top of the repository explains every key with its default. The environment variable of a key is MINIFED_ and its path in capitals: storage.uri is MINIFED_STORAGE_URI.
type Config struct {
	PublicURL        string    `yaml:"public_url"`
	DefaultDirectory string    `yaml:"default_directory"`
	DataDir          string    `yaml:"data_dir"`
	Listen           Listen    `yaml:"listen"`
	Admin            Admin     `yaml:"admin"`
	Storage          Storage   `yaml:"storage"`
	Backup           Backup    `yaml:"backup"`
	Audit            Audit     `yaml:"audit"`
	Keys             Keys      `yaml:"keys"`
	WeChat           WeChat    `yaml:"wechat"`
	Clients          Clients   `yaml:"clients"`
	Mail             Mail      `yaml:"mail"`
	Passwords        Passwords `yaml:"passwords"`
	Log              Log       `yaml:"log"`
}

// Listen has the addresses and timeouts of the server.
type Listen struct {
	Address           string        `yaml:"address"`
	AdminAddress      string        `yaml:"admin_address"`
	TLSCertFile       string        `yaml:"tls_cert_file"`
	TLSKeyFile        string        `yaml:"tls_key_file"`
	TrustedProxies    []string      `yaml:"trusted_proxies"`
	CountryHeader     string        `yaml:"country_header"`
	RequestTimeout    time.Duration `yaml:"request_timeout"`
	ReadHeaderTimeout time.Duration `yaml:"read_header_timeout"`
	ReadTimeout       time.Duration `yaml:"read_timeout"`
	WriteTimeout      time.Duration `yaml:"write_timeout"`
	IdleTimeout       time.Duration `yaml:"idle_timeout"`
	DrainDelay        time.Duration `yaml:"drain_delay"`
	ShutdownTimeout   time.Duration `yaml:"shutdown_timeout"`
}

// Admin configures the console, the admin API and the metrics of the admin listener.
type Admin struct {
	PublicURL string `yaml:"public_url"`
	Metrics   string `yaml:"metrics"`
}

// Storage names the store.
type Storage struct {
	URI     string `yaml:"uri"`
	URIFile string `yaml:"uri_file"`
}

// Audit configures the record of acts and sign-ins.
type Audit struct {
	Retention time.Duration `yaml:"retention"`
	Webhook   AuditWebhook  `yaml:"webhook"`
}

// AuditWebhook is the receiver of a copy of the audit; none without a URL. The secret that signs comes from the file or from the
// environment. Fetch has the values of clients.fetch.
type AuditWebhook struct {
	URL        string `yaml:"url"`
	SecretFile string `yaml:"secret_file"`
	Secret     Secret `yaml:"secret"`
	Fetch      string `yaml:"fetch"`
}

// Backup configures the backups of an SQLite store. MongoDB has tools of its own.
type Backup struct {
	Every time.Duration `yaml:"every"`
	Dir   string        `yaml:"dir"`
	Keep  int           `yaml:"keep"`
}

// Keys has the file of the master key and the lifetime of signing keys. The master key comes from the file or from the environment, never
// from YAML.
type Keys struct {
	MasterKeyFile string        `yaml:"master_key_file"`
	MasterKey     Secret        `yaml:"master_key"`
	RotateEvery   time.Duration `yaml:"rotate_every"`
}

// WeChat bounds the calls to WeChat's server API, and names the host of its sign-in pages.
type WeChat struct {
	BaseURL         string        `yaml:"base_url"`
	PagesURL        string        `yaml:"pages_url"`
	ConnectTimeout  time.Duration `yaml:"connect_timeout"`
	Timeout         time.Duration `yaml:"timeout"`
	MaxConcurrent   int           `yaml:"max_concurrent"`
	BreakerFailures int           `yaml:"breaker_failures"`
	BreakerOpen     time.Duration `yaml:"breaker_open"`
}

// Clients limits the requests of OAuth clients, and the addresses that the server calls for them.
type Clients struct {
	Rate  int    `yaml:"rate"`
	Burst int    `yaml:"burst"`
	Fetch string `yaml:"fetch"`
}

// Mail configures how mail to users is sent.
type Mail struct {
	Sender  string  `yaml:"sender"`
	From    string  `yaml:"from"`
	SMTP    SMTP    `yaml:"smtp"`
	Webhook Webhook `yaml:"webhook"`
}

// SMTP is the mail server of the sender smtp. The password comes from the file or from the environment.
type SMTP struct {
	Address      string `yaml:"address"`
	Username     string `yaml:"username"`
	PasswordFile string `yaml:"password_file"`
	Password     Secret `yaml:"password"`
}

// Webhook is the service of the sender webhook. The secret that signs comes from the file or from the environment.
type Webhook struct {
	URL        string `yaml:"url"`
	SecretFile string `yaml:"secret_file"`
	Secret     Secret `yaml:"secret"`
}

// Passwords configures the hashes of passwords, and how many are computed at once.
type Passwords struct {
	Argon2  Argon2 `yaml:"argon2"`
	Hashing int    `yaml:"hashing"`
}

// Argon2 are the parameters of argon2id.
type Argon2 struct {
	MemoryKiB int `yaml:"memory_kib"`
	Time      int `yaml:"time"`
	Threads   int `yaml:"threads"`
}

// Log configures the log on standard error.
type Log struct {
	Level  string `yaml:"level"`
	Format string `yaml:"format"`
}

// Default returns the default configuration.
func Default() Config {
	return Config{
		PublicURL:        "http://localhost:8080",
		DefaultDirectory: "default",
		DataDir:          "./data",
		Listen: Listen{
			Address:           "127.0.0.1:8080",
			AdminAddress:      "127.0.0.1:8081",
			TrustedProxies:    []string{},
			RequestTimeout:    15 * time.Second,
			ReadHeaderTimeout: 5 * time.Second,
			ReadTimeout:       15 * time.Second,
			WriteTimeout:      30 * time.Second,
			IdleTimeout:       2 * time.Minute,
			DrainDelay:        time.Second,
			ShutdownTimeout:   20 * time.Second,
		},
		Admin:  Admin{PublicURL: "http://localhost:8081", Metrics: metricsOpen},
		Backup: Backup{Every: 24 * time.Hour, Keep: 7},
		Audit:  Audit{Retention: audit.DefaultRetention, Webhook: AuditWebhook{Fetch: fetchPublic}},
		Keys:   Keys{RotateEvery: 90 * 24 * time.Hour},
		WeChat: WeChat{
			BaseURL:         "https://api.weixin.qq.com",
			PagesURL:        wechat.DefaultPagesURL,
			ConnectTimeout:  2 * time.Second,
			Timeout:         5 * time.Second,
			MaxConcurrent:   256,
			BreakerFailures: 5,
			BreakerOpen:     10 * time.Second,
		},
		Clients:   Clients{Rate: 5000, Burst: 10000, Fetch: fetchPublic},
		Mail:      Mail{Sender: senderNone},
		Passwords: Passwords{Argon2: Argon2{MemoryKiB: 19 << 10, Time: 2, Threads: 1}},
		Log:       Log{Level: "info", Format: "text"},
	}
}

// The values of clients.fetch and audit.webhook.fetch.
const (
	fetchPublic = "public"
	FetchAny    = "any"
)

// The values of admin.metrics.
const (
	metricsOpen          = "open"
	MetricsAuthenticated = "authenticated"
)

// MasterKeyPath returns the path of the file of the master key.
func (c Config) MasterKeyPath() string {
	if c.Keys.MasterKeyFile != "" {
		return c.Keys.MasterKeyFile
	}
	return filepath.Join(c.DataDir, "master.key")
}

// BackupDir returns the folder of the backups.
func (c Config) BackupDir() string {
	if c.Backup.Dir != "" {
		return c.Backup.Dir
	}
	return filepath.Join(c.DataDir, "backups")
}

// Secret is a value that prints as "[redacted]" everywhere.
type Secret string

const redacted = "[redacted]"

// LogValue hides secrets in structured logs.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// String hides secrets in formatted text.
func (Secret) String() string { return redacted }

// GoString hides secrets in %#v.
func (Secret) GoString() string { return redacted }
