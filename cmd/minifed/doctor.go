package main

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"github.com/minifed/minifed/cmd/minifed/internal/config"
	"github.com/minifed/minifed/cmd/minifed/internal/console"
	"github.com/minifed/minifed/cmd/minifed/internal/deployment"
	"github.com/minifed/minifed/cmd/minifed/internal/explain"
	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/storage"
)

// verdict is the outcome of a check.
type verdict string

const (
	verdictOK   verdict = "ok"
	verdictWarn verdict = "warn"
	verdictFail verdict = "fail"
)

// in returns the verdict in the language of a catalog.
func (v verdict) in(texts *locale.Catalog) string {
	switch v {
	case verdictFail:
		return texts.Render(locale.Text("doctor.fail"))
	case verdictWarn:
		return texts.Render(locale.Text("doctor.warn"))
	default:
		return texts.Render(locale.Text("doctor.ok"))
	}
}

// finding is the result of a check.
type finding struct {
	check   locale.Message
	verdict verdict
	detail  locale.Message
	// remedy is what to do; zero if there is nothing to do.
	remedy locale.Message
}

// findingView is a finding as JSON. It is in English in every environment, because programs read it.
type findingView struct {
	Check   string  `json:"check"`
	Verdict verdict `json:"verdict"`
	Detail  string  `json:"detail"`
	// Remedy is what to do; empty if there is nothing to do.
	Remedy string `json:"remedy,omitempty"`
}

// diagnosis is what doctor prints as JSON.
type diagnosis struct {
	OK       bool          `json:"ok"`
	Findings []findingView `json:"findings"`
}

func newDoctor(c *console.Console, flags *settings) *cobra.Command {
	d := &operatorEnv{Console: c, settings: flags}
	identifier := ""
	command := &cobra.Command{
		Use:     "doctor",
		Example: "  minifed doctor\n  minifed doctor --output json\n  minifed doctor --resource https://api.example.com",
		Args:    exactly(),
		RunE: func(command *cobra.Command, _ []string) error {
			e := &examination{Console: c}
			e.run(command.Context(), flags, identifier)
			if err := d.say(e.diagnosis(), e.print); err != nil {
				return err
			}
			if failed := e.failures(); failed > 0 {
				return &locale.Problem{What: locale.Text("doctor.failed", failed, len(e.findings))}
			}
			return nil
		},
	}
	command.Flags().StringVar(&identifier, "resource", "", "")
	return command
}

// examination collects findings.
type examination struct {
	*console.Console
	config   config.Config
	findings []finding
}

// run checks the installation; only the API of an identifier, if that is not empty.
func (e *examination) run(ctx context.Context, flags *settings, identifier string) {
	config, err := flags.load(e.Console)
	if err != nil {
		e.failBy(locale.Text("doctor.configuration"), err, locale.Text("doctor.configuration.remedy"))
		return
	}
	e.config = config
	if identifier != "" {
		if opened := e.openStore(ctx); opened != nil {
			defer func() { _ = opened.Close() }() // Nothing was written that matters.
			e.comparePublished(ctx, opened, identifier)
		}
		return
	}
	e.checkConfiguration()
	e.checkMemory()
	opened := e.openStore(ctx)
	if opened != nil {
		defer func() { _ = opened.Close() }() // Nothing was written that matters.
	}
	e.checkConnection(ctx)
	e.checkMail(ctx)
	if location, err := config.StoreLocation(); err == nil && opened != nil {
		e.checkBackups(ctx, opened, location)
	}
	if opened != nil {
		e.checkAudit(ctx, opened)
		e.checkRecords(ctx, opened)
	}
}

func (e *examination) ok(check, detail locale.Message) {
	e.findings = append(e.findings, finding{check: check, verdict: verdictOK, detail: detail})
}

func (e *examination) warn(check, detail, remedy locale.Message) {
	e.findings = append(e.findings, finding{check, verdictWarn, detail, remedy})
}

func (e *examination) fail(check, detail, remedy locale.Message) {
	e.findings = append(e.findings, finding{check, verdictFail, detail, remedy})
}

// warnBy is warn for an error.
func (e *examination) warnBy(check locale.Message, err error, remedy locale.Message) {
	e.by(check, verdictWarn, err, remedy)
}

// failBy is fail for an error.
func (e *examination) failBy(check locale.Message, err error, remedy locale.Message) {
	e.by(check, verdictFail, err, remedy)
}

// by adds the finding for an error. The remedy of the error, if it has one, replaces the remedy of the check.
func (e *examination) by(check locale.Message, judged verdict, err error, remedy locale.Message) {
	found := finding{check, judged, locale.Text("error", explain.Operator(err)), remedy}
	if problem, ok := errors.AsType[*locale.Problem](explain.Operator(err)); ok && !problem.Remedy.IsZero() {
		found.detail, found.remedy = locale.Text("error", &locale.Problem{What: problem.What, Cause: problem.Cause}), problem.Remedy
	}
	e.findings = append(e.findings, found)
}

func (e *examination) failures() (n int) {
	for _, found := range e.findings {
		if found.verdict == verdictFail {
			n++
		}
	}
	return n
}

// diagnosis returns the findings as JSON.
func (e *examination) diagnosis() diagnosis {
	english := locale.In(locale.English)
	views := []findingView{}
	for _, found := range e.findings {
		views = append(views, findingView{english.Render(found.check), found.verdict, english.Render(found.detail), english.Render(found.remedy)})
	}
	return diagnosis{e.failures() == 0, views}
}

func (e *examination) print() {
	const verdictWidth = 4
	for _, found := range e.findings {
		judged := found.verdict.in(e.Texts)
		judged += strings.Repeat(" ", max(0, verdictWidth-locale.Width(judged)))
		lines := e.Texts.Render(locale.Text("problem.cause", found.check, found.detail))
		if !found.remedy.IsZero() {
			lines += "\n" + e.Texts.Render(found.remedy)
		}
		e.Printf("%s  %s\n", judged, strings.ReplaceAll(lines, "\n", "\n      "))
	}
}

// checkConfiguration warns about settings that are allowed and rarely intended. Loading found the settings that are wrong.
func (e *examination) checkConfiguration() {
	check, listen := locale.Text("doctor.configuration"), e.config.Listen
	switch {
	case !e.config.Loopback() && listen.TLSCertFile == "" && len(listen.TrustedProxies) == 0:
		e.warn(check, locale.Text("doctor.configuration.proxy", e.config.PublicURL), locale.Text("doctor.configuration.proxy.remedy"))
	case listen.CountryHeader != "" && len(listen.TrustedProxies) == 0:
		e.warn(check, locale.Text("doctor.configuration.country"), locale.Text("doctor.configuration.country.remedy"))
	case e.config.WeChat.Exposed():
		e.warn(check, locale.Text("doctor.configuration.plain", e.config.WeChat.BaseURL), locale.Text("doctor.configuration.plain.remedy"))
	case e.config.Passwords.Argon2.Weak():
		e.warn(check, locale.Text("doctor.configuration.argon2"), locale.Text("doctor.configuration.argon2.remedy"))
	default:
		e.ok(check, locale.Text("doctor.configuration.ok", e.config.PublicURL, e.config.DefaultDirectory))
	}
}

// openStore opens the store and its master key; nil if it cannot.
func (e *examination) openStore(ctx context.Context) *deployment.Deployment {
	check, master := locale.Text("doctor.store"), locale.Text("doctor.masterkey")
	location, err := e.config.StoreLocation()
	if err == nil {
		err = location.MustExist()
	}
	if err != nil {
		e.failBy(check, err, locale.Message{})
		return nil
	}
	logger := slog.New(slog.DiscardHandler)
	e.checkWritten(location)
	clock := storage.NewClock(e.Now)
	engine, err := deployment.OpenEngine(ctx, e.Console, clock, location, deployment.Purpose{Logger: logger})
	if err != nil {
		e.failBy(check, err, locale.Text("store.unavailable.remedy"))
		return nil
	}
	e.checkEngine(ctx, engine, location)
	if err := deployment.UnfinishedImport(ctx, engine); err != nil {
		e.failBy(locale.Text("doctor.import"), err, locale.Text("doctor.look_at_store"))
	}
	opened := &deployment.Deployment{Config: e.config, Store: engine, Engine: engine, Clock: clock}
	opened.Master, _, err = deployment.OpenMasterKey(e.Console, e.config, location, false)
	if err == nil {
		err = opened.Assemble(ctx, e.Console, logger)
	}
	if err != nil {
		e.failBy(master, err, locale.Text("masterkey.remedy"))
		_ = engine.Close()
		return nil
	}
	e.checkMaster(opened.Master.IDs())
	return opened
}

func (e *examination) checkMaster(ids []string) {
	check, path := locale.Text("doctor.masterkey"), e.config.MasterKeyPath()
	if len(ids) > 1 {
		e.warn(check, locale.Text("doctor.masterkey.several", len(ids), ids[0]), locale.Text("doctor.masterkey.several.remedy"))
		return
	}
	if mode, readable := othersMayRead(path); readable && e.config.Keys.MasterKey == "" {
		e.warn(check, locale.Text("doctor.masterkey.readable", path, mode), locale.Text("doctor.masterkey.readable.remedy"))
		return
	}
	e.ok(check, locale.Text("doctor.masterkey.ok", ids[0]))
}
