package main

import (
	"log/slog"
	"path/filepath"
	"time"
)

// Config is what config.yaml may say; the file at the top of the repository lists every key with its default and what it
// means. The environment variable of a key is MINIFED_ and its path in capitals: storage.uri is MINIFED_STORAGE_URI.
type Config struct {
	PublicURL        string          `yaml:"public_url"`
	DefaultDirectory string          `yaml:"default_directory"`
	DataDir          string          `yaml:"data_dir"`
	Listen           ListenConfig    `yaml:"listen"`
	Storage          StorageConfig   `yaml:"storage"`
	Keys             KeysConfig      `yaml:"keys"`
	WeChat           WeChatConfig    `yaml:"wechat"`
	Clients          ClientsConfig   `yaml:"clients"`
	Mail             MailConfig      `yaml:"mail"`
	Passwords        PasswordsConfig `yaml:"passwords"`
	Log              LogConfig       `yaml:"log"`
}

// ListenConfig says where the server answers, and how long it waits.
type ListenConfig struct {
	Address           string        `yaml:"address"`
	AdminAddress      string        `yaml:"admin_address"`
	TLSCertFile       string        `yaml:"tls_cert_file"`
	TLSKeyFile        string        `yaml:"tls_key_file"`
	TrustedProxies    []string      `yaml:"trusted_proxies"`
	RequestTimeout    time.Duration `yaml:"request_timeout"`
	ReadHeaderTimeout time.Duration `yaml:"read_header_timeout"`
	ReadTimeout       time.Duration `yaml:"read_timeout"`
	WriteTimeout      time.Duration `yaml:"write_timeout"`
	IdleTimeout       time.Duration `yaml:"idle_timeout"`
	DrainDelay        time.Duration `yaml:"drain_delay"`
	ShutdownTimeout   time.Duration `yaml:"shutdown_timeout"`
}

// StorageConfig names the store.
type StorageConfig struct {
	URI     string `yaml:"uri"`
	URIFile string `yaml:"uri_file"`
}

// KeysConfig says where the master key is, and how long signing keys sign. The master key itself comes from the file or from
// the environment, never from YAML.
type KeysConfig struct {
	MasterKeyFile string        `yaml:"master_key_file"`
	MasterKey     secret        `yaml:"master_key"`
	RotateEvery   time.Duration `yaml:"rotate_every"`
}

// WeChatConfig bounds the calls to WeChat's server API.
type WeChatConfig struct {
	BaseURL         string        `yaml:"base_url"`
	ConnectTimeout  time.Duration `yaml:"connect_timeout"`
	Timeout         time.Duration `yaml:"timeout"`
	MaxConcurrent   int           `yaml:"max_concurrent"`
	BreakerFailures int           `yaml:"breaker_failures"`
	BreakerOpen     time.Duration `yaml:"breaker_open"`
}

// ClientsConfig bounds what OAuth clients can make the server do.
type ClientsConfig struct {
	Rate  int    `yaml:"rate"`
	Burst int    `yaml:"burst"`
	Fetch string `yaml:"fetch"`
}

// MailConfig says how mail to users is sent.
type MailConfig struct {
	Sender  string        `yaml:"sender"`
	From    string        `yaml:"from"`
	SMTP    SMTPConfig    `yaml:"smtp"`
	Webhook WebhookConfig `yaml:"webhook"`
}

// SMTPConfig is the mail server of the sender smtp. The password comes from the file or from the environment.
type SMTPConfig struct {
	Address      string `yaml:"address"`
	Username     string `yaml:"username"`
	PasswordFile string `yaml:"password_file"`
	Password     secret `yaml:"password"`
}

// WebhookConfig is the service of the sender webhook. The secret that signs comes from the file or from the environment.
type WebhookConfig struct {
	URL        string `yaml:"url"`
	SecretFile string `yaml:"secret_file"`
	Secret     secret `yaml:"secret"`
}

// PasswordsConfig says what the passwords of users are hashed with, and how many at once.
type PasswordsConfig struct {
	Argon2  Argon2Config `yaml:"argon2"`
	Hashing int          `yaml:"hashing"`
}

// Argon2Config are the parameters of argon2id.
type Argon2Config struct {
	MemoryKiB int `yaml:"memory_kib"`
	Time      int `yaml:"time"`
	Threads   int `yaml:"threads"`
}

// LogConfig says what is logged to standard error.
type LogConfig struct {
	Level  string `yaml:"level"`
	Format string `yaml:"format"`
}

// defaultConfig is the configuration of a fresh clone.
func defaultConfig() Config {
	return Config{
		PublicURL:        "http://localhost:8080",
		DefaultDirectory: "default",
		DataDir:          "./data",
		Listen: ListenConfig{
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
		Keys: KeysConfig{RotateEvery: 90 * 24 * time.Hour},
		WeChat: WeChatConfig{
			BaseURL:         "https://api.weixin.qq.com",
			ConnectTimeout:  2 * time.Second,
			Timeout:         5 * time.Second,
			MaxConcurrent:   256,
			BreakerFailures: 5,
			BreakerOpen:     10 * time.Second,
		},
		Clients:   ClientsConfig{Rate: 5000, Burst: 10000, Fetch: fetchPublic},
		Mail:      MailConfig{Sender: mailNone},
		Passwords: PasswordsConfig{Argon2: Argon2Config{MemoryKiB: 19 << 10, Time: 2, Threads: 1}},
		Log:       LogConfig{Level: "info", Format: "text"},
	}
}

// The values of clients.fetch.
const (
	fetchPublic = "public"
	fetchAny    = "any"
)

// masterKeyPath is the file of the master key.
func (c Config) masterKeyPath() string {
	if c.Keys.MasterKeyFile != "" {
		return c.Keys.MasterKeyFile
	}
	return filepath.Join(c.DataDir, "master.key")
}

// secret is a value that prints as "[redacted]" everywhere.
type secret string

const redacted = "[redacted]"

// LogValue keeps secrets out of structured logs.
func (secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// String keeps secrets out of formatted text.
func (secret) String() string { return redacted }

// GoString keeps secrets out of %#v.
func (secret) GoString() string { return redacted }
