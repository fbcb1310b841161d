package console

import (
	"cmp"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/server/admin"
)

// Base is the path of the console on the admin listener.
const Base = "/console/"

// Config configures the console. Every field is required.
type Config struct {
	Service *admin.Service
	// Actor returns the operator of a request. Its error is ErrSignedOut if no operator is signed in.
	Actor func(*http.Request) (admin.Actor, error)
	// SignIn returns the address where an operator signs in and comes back to a page of the console. again requires a new sign-in
	// of an operator who is signed in already.
	SignIn func(back string, again bool) string
	// SignOut is the address that a form posts to in order to sign out, and Account the address of the operator's own account.
	SignOut, Account string
	// PublicURL is the origin of the issuers, and AdminURL the origin of the console.
	PublicURL, AdminURL string
	// DefaultDirectory cannot be disabled: the public URL itself is its issuer.
	DefaultDirectory string
	// Master seals the input of forms during a sign-in.
	Master *keys.Master
	Now    func() time.Time
	Random io.Reader
	Logger *slog.Logger
}

// ErrSignedOut says that no operator is signed in.
var ErrSignedOut = errors.New("console: no operator is signed in")

// Console is the handler of all pages.
type Console struct {
	config   Config
	router   *mux.Router
	renderer *renderer
}

// New creates the console.
func New(config Config) (*Console, error) {
	if config.Service == nil || config.Actor == nil || config.SignIn == nil || config.PublicURL == "" || config.AdminURL == "" || config.Master == nil || config.Now == nil || config.Random == nil || config.Logger == nil {
		return nil, errors.New("console: configuration needs Service, Actor, SignIn, PublicURL, AdminURL, Master, Now, Random and Logger")
	}
	drawn, err := newRenderer()
	if err != nil {
		return nil, err
	}
	c := &Console{config: config, router: mux.NewRouter().SkipClean(true), renderer: drawn}
	for _, route := range c.routes() {
		c.router.Path(Base + route.path).Methods(route.methods()...).Handler(c.handler(route))
	}
	return c, nil
}

// route is a page, and what its forms do.
type route struct {
	// path is relative to Base, as package mux reads it.
	path string
	// get shows the page; nil if there is only a form of another page.
	get func(http.ResponseWriter, *request) error
	// post does what a form of the page asks for; nil if there is none.
	post func(http.ResponseWriter, *request) error
	// files bounds the files of a form; zero is the size of a logo.
	files int64
	// long says that what the form does may need the time of a transfer.
	long bool
	// open pages need no operator.
	open bool
}

func (r route) methods() []string {
	var methods []string
	if r.get != nil {
		methods = append(methods, http.MethodGet, http.MethodHead)
	}
	if r.post != nil {
		methods = append(methods, http.MethodPost)
	}
	return methods
}

// routes returns all pages.
func (c *Console) routes() []route {
	return []route{
		{path: "assets/{file}", get: c.asset, open: true},
		{path: "language", get: c.changeLanguage, open: true},
		{path: "", get: c.directories},
		{path: "new", get: c.newDirectory, post: c.createDirectory},
		{path: "start", get: c.startWizard, post: c.saveWizardDirectory},
		{path: "start/mini-program", get: c.wizardMiniProgram, post: c.saveWizardMiniProgram},
		{path: "start/application", get: c.wizardApplication, post: c.saveWizardApplication},
		{path: "start/ready", get: c.showReady},
		{path: "overview", get: c.overview},
		{path: "api", get: c.reference},
		{path: "operators", get: c.operators},
		{path: "new-operator", get: c.newOperator, post: c.createOperator},
		{path: "operators/{user}", get: c.operator, post: c.saveOperator},
		{path: "operators/{user}/act/{act}", get: c.askOperator, post: c.actOnOperator},
		{path: "services", get: c.services},
		{path: "new-service", get: c.newService, post: c.createService},
		{path: "services/{client}", get: c.serviceClient, post: c.saveService},
		{path: "services/{client}/act/{act}", get: c.askService, post: c.actOnService},
		{path: "d/{directory}/", get: c.directory},
		{path: "d/{directory}/settings", get: c.directorySettings, post: c.saveDirectory},
		{path: "d/{directory}/disable", get: c.askDirectoryDisable, post: c.disableDirectory},
		{path: "d/{directory}/enable", post: c.enableDirectory},
		{path: "d/{directory}/delete", get: c.askDirectoryDelete, post: c.deleteDirectory},
		{path: "d/{directory}/keys", get: c.signingKeys, post: c.rotateKeys},
		{path: "d/{directory}/keys/{kid}/revoke", get: c.askKeyRevoke, post: c.revokeKey},
		{path: "d/{directory}/clients", get: c.clients},
		{path: "d/{directory}/new-client", get: c.newClient, post: c.createClient},
		{path: "d/{directory}/clients/{client}", get: c.client, post: c.saveClient},
		{path: "d/{directory}/clients/{client}/secret", get: c.askSecret, post: c.rotateSecret},
		{path: "d/{directory}/sms-key", get: c.askDirectoryKey(admin.SMSKey), post: c.setDirectoryKey(admin.SMSKey)},
		{path: "d/{directory}/captcha-key", get: c.askDirectoryKey(admin.CaptchaKey), post: c.setDirectoryKey(admin.CaptchaKey)},
		{path: "d/{directory}/clients/{client}/app-secret", get: c.askAppSecret, post: c.setAppSecret},
		{path: "d/{directory}/clients/{client}/push-keys", get: c.askPushKeys(c.clientPushOwner), post: c.setPushKeys(c.clientPushOwner)},
		{path: "d/{directory}/clients/{client}/test", post: c.testMiniProgram},
		{path: "d/{directory}/clients/{client}/disable", get: c.askClientDisable, post: c.disableClient},
		{path: "d/{directory}/clients/{client}/enable", post: c.enableClient},
		{path: "d/{directory}/clients/{client}/delete", get: c.askClientDelete, post: c.deleteClient},
		{path: "d/{directory}/initial-tokens", get: c.initialTokens, post: c.createInitialToken},
		{path: "d/{directory}/initial-tokens/{token}/revoke", post: c.revokeInitialToken},
		{path: "d/{directory}/resources", get: c.resources},
		{path: "d/{directory}/new-resource", get: c.newResource, post: c.createResource},
		{path: "d/{directory}/resources/{resource}", get: c.resource, post: c.saveResource},
		{path: "d/{directory}/resources/{resource}/act/{act}", get: c.askResource, post: c.actOnResource},
		{path: "d/{directory}/connections", get: c.connections},
		{path: "d/{directory}/new-connection", get: c.newConnection, post: c.createConnection},
		{path: "d/{directory}/connections/{appid}", get: c.connection, post: c.saveConnection},
		{path: "d/{directory}/connections/{appid}/app-secret", get: c.askConnectionSecret, post: c.setConnectionSecret},
		{path: "d/{directory}/connections/{appid}/push-keys", get: c.askPushKeys(c.connectionPushOwner), post: c.setPushKeys(c.connectionPushOwner)},
		{path: "d/{directory}/connections/{appid}/test", post: c.testConnection},
		{path: "d/{directory}/connections/{appid}/act/{act}", get: c.askConnection, post: c.actOnConnection},
		{path: "d/{directory}/users", get: c.users},
		{path: "d/{directory}/new-user", get: c.newUser, post: c.createUser},
		{path: "d/{directory}/import-users", get: c.askImport, post: c.importUsers, files: maxImportFile, long: true},
		{path: "d/{directory}/export-users", get: c.askExport, post: c.exportUsers, long: true},
		{path: "d/{directory}/users/{user}", get: c.user, post: c.saveUser},
		{path: "d/{directory}/users/{user}/reveal", post: c.revealUser},
		{path: "d/{directory}/users/{user}/end", post: c.endUserRecord},
		{path: "d/{directory}/users/{user}/password", get: c.askPasswordReset, post: c.resetPassword},
		{path: "d/{directory}/users/{user}/merge", get: c.askMerge, post: c.mergeUsers},
		{path: "d/{directory}/users/{user}/act/{act}", get: c.askUser, post: c.actOnUser},
		{path: "d/{directory}/merges", get: c.merges, post: c.decideMerges},
		{path: "d/{directory}/audit", get: c.audit},
		{path: "d/{directory}/audit.jsonl", get: c.downloadAudit},
		{path: "d/{directory}/undo-merge", post: c.undoMerge},
	}
}

// ServeHTTP serves the page of a request.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Frame-Options", "DENY")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	header.Set("Referrer-Policy", "same-origin")
	var match mux.RouteMatch
	if !c.router.Match(r, &match) || match.MatchErr != nil {
		failed := errNoPage
		if errors.Is(match.MatchErr, mux.ErrMethodMismatch) {
			failed = errNoMethod
		}
		c.fail(w, c.request(r, nil), failed)
		return
	}
	match.Handler.ServeHTTP(w, mux.SetURLVars(r, match.Vars))
}

// handler serves one route.
func (c *Console) handler(route route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked := c.request(r, mux.Vars(r))
		if err := c.serve(w, asked, route); err != nil {
			c.fail(w, asked, err)
		}
	})
}

func (c *Console) serve(w http.ResponseWriter, r *request, route route) error {
	if !route.open {
		actor, err := c.config.Actor(r.Request)
		if err != nil {
			return err
		}
		r.actor, r.service = actor, c.config.Service.As(actor)
		r.input = c.returnedInput(r)
	}
	if r.Method != http.MethodPost {
		return route.get(w, r)
	}
	if !c.isSameOrigin(r.Request) {
		return errOtherSite
	}
	if route.long {
		c.extend(w, r)
	}
	if err := r.readForm(w, cmp.Or(route.files, admin.MaxLogoFile)); err != nil {
		return err
	}
	return route.post(w, r)
}

// isSameOrigin reports whether a page of the console sent a form. Browsers send one of the two headers with every form.
func (c *Console) isSameOrigin(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" {
		return site == "same-origin"
	}
	return r.Header.Get("Origin") == c.config.AdminURL
}

// redirect sends the browser to another page of the console (RFC 9110 §15.4.4), so that a reload repeats nothing.
func redirect(w http.ResponseWriter, path string) error {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Location", path)
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

// randomName returns a name that no attacker can guess: 26 of a-z and 2-7.
func (c *Console) randomName() (string, error) {
	raw := make([]byte, 16)
	if _, err := io.ReadFull(c.config.Random, raw); err != nil {
		return "", fmt.Errorf("console: random: %w", err)
	}
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(raw)), nil
}
