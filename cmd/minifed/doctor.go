package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/minifed/minifed/cmd/minifed/internal/config"
	"github.com/minifed/minifed/cmd/minifed/internal/console"
	"github.com/minifed/minifed/cmd/minifed/internal/deployment"
	"github.com/minifed/minifed/cmd/minifed/internal/explain"
	"github.com/minifed/minifed/storage"
)

// verdict is what a check found.
type verdict string

const (
	verdictOK   verdict = "ok"
	verdictWarn verdict = "warn"
	verdictFail verdict = "fail"
)

// finding is one thing that doctor looked at.
type finding struct {
	Check   string  `json:"check"`
	Verdict verdict `json:"verdict"`
	Detail  string  `json:"detail"`
	// Remedy says what to do; empty when nothing is.
	Remedy string `json:"remedy,omitempty"`
}

// diagnosis is what doctor prints as JSON.
type diagnosis struct {
	OK       bool      `json:"ok"`
	Findings []finding `json:"findings"`
}

func newDoctor(c *console.Console, flags *settings) *cobra.Command {
	d := &operatorEnv{Console: c, settings: flags}
	return &cobra.Command{
		Use:     "doctor",
		Example: "  minifed doctor\n  minifed doctor --output json",
		Args:    exactly(),
		RunE: func(command *cobra.Command, _ []string) error {
			e := &examination{Console: c}
			e.run(command.Context(), flags)
			if err := d.say(diagnosis{e.failures() == 0, e.findings}, e.print); err != nil {
				return err
			}
			if failed := e.failures(); failed > 0 {
				return fmt.Errorf("%d of %d checks failed", failed, len(e.findings))
			}
			return nil
		},
	}
}

// examination collects findings.
type examination struct {
	*console.Console
	config   config.Config
	findings []finding
}

func (e *examination) run(ctx context.Context, flags *settings) {
	config, err := flags.load(e.Console)
	if err != nil {
		e.fail("configuration", err.Error(), "correct what is listed; config.yaml of the repository explains every key")
		return
	}
	e.config = config
	e.checkConfiguration()
	e.checkMemory()
	opened := e.openStore(ctx)
	if opened != nil {
		defer func() { _ = opened.Close() }() // Nothing was written that matters.
	}
	e.checkWay(ctx)
	e.checkMail(ctx)
	if opened != nil {
		e.checkRecords(ctx, opened)
	}
}

func (e *examination) ok(check, detail string, args ...any) {
	e.findings = append(e.findings, finding{Check: check, Verdict: verdictOK, Detail: fmt.Sprintf(detail, args...)})
}

func (e *examination) warn(check, detail, remedy string) {
	e.findings = append(e.findings, finding{check, verdictWarn, detail, remedy})
}

func (e *examination) fail(check, detail, remedy string) {
	e.findings = append(e.findings, finding{check, verdictFail, detail, remedy})
}

func (e *examination) failures() (n int) {
	for _, found := range e.findings {
		if found.Verdict == verdictFail {
			n++
		}
	}
	return n
}

func (e *examination) print() {
	for _, found := range e.findings {
		e.Printf("%-4s  %s: %s\n", found.Verdict, found.Check, found.Detail)
		if found.Remedy != "" {
			e.Printf("      %s\n", found.Remedy)
		}
	}
}

// checkConfiguration looks for what is allowed and yet rarely meant. What is wrong was found when it was read.
func (e *examination) checkConfiguration() {
	listen := e.config.Listen
	if !e.config.Loopback() && listen.TLSCertFile == "" && len(listen.TrustedProxies) == 0 {
		e.warn("configuration", "a proxy must be what answers https for "+e.config.PublicURL+", and none is trusted: every caller has the proxy's address",
			"name the networks of the proxies in listen.trusted_proxies, or the certificate in listen.tls_cert_file")
		return
	}
	if e.config.WeChat.Exposed() {
		e.warn("configuration", "AppSecrets travel unencrypted to "+e.config.WeChat.BaseURL, "set wechat.base_url to https, unless this is a simulator in a network of its own")
		return
	}
	if e.config.Passwords.Argon2.Weak() {
		e.warn("configuration", "passwords of users are hashed with less work than argon2id needs to be safe",
			"set passwords.argon2 to memory_kib 19456 and time 2, or more")
		return
	}
	e.ok("configuration", "%s, directory %q", e.config.PublicURL, e.config.DefaultDirectory)
}

// openStore opens the store and its master key; nil when that cannot be done.
func (e *examination) openStore(ctx context.Context) *deployment.Deployment {
	location, err := e.config.StoreLocation()
	if err == nil {
		err = location.MustExist()
	}
	if err != nil {
		e.fail("store", err.Error(), "")
		return nil
	}
	logger := slog.New(slog.DiscardHandler)
	e.checkWritten(location)
	clock := storage.NewClock(e.Now)
	engine, err := deployment.OpenEngine(ctx, e.Console, clock, location, deployment.Purpose{Logger: logger})
	if err != nil {
		e.fail("store", explain.Error(err), "see that the store runs and can be reached from here, with the user that the server runs as")
		return nil
	}
	e.checkEngine(ctx, engine, location)
	if err := deployment.UnfinishedImport(ctx, engine); err != nil {
		e.fail("import", err.Error(), "run that command again: until it has finished, no server starts on this store")
	}
	opened := &deployment.Deployment{Config: e.config, Store: engine, Engine: engine, Clock: clock}
	opened.Master, _, err = deployment.OpenMasterKey(e.Console, e.config, location, false)
	if err == nil {
		err = opened.Assemble(ctx, e.Console, logger)
	}
	if err != nil {
		e.fail("master key", err.Error(), "restore the master key from its copy; nothing else opens what the store has sealed")
		_ = engine.Close()
		return nil
	}
	e.checkMaster(opened.Master.IDs())
	return opened
}

func (e *examination) checkMaster(ids []string) {
	if len(ids) > 1 {
		e.warn("master key", fmt.Sprintf("%d master keys are at hand; %s seals", len(ids), ids[0]),
			"when every instance has them: `minifed keys master rotate`, then take the old ones away")
		return
	}
	if e.config.Keys.MasterKey == "" {
		if mode, readable := othersMayRead(e.config.MasterKeyPath()); readable {
			e.warn("master key", fmt.Sprintf("%s has mode %v: others on this machine can read it", e.config.MasterKeyPath(), mode),
				"chmod 0600, unless a container reads it as another user")
			return
		}
	}
	e.ok("master key", "%s is the store's", ids[0])
}

// errNotWritten says that what was written could not be read back.
var errNotWritten = errors.New("what was written could not be read")
