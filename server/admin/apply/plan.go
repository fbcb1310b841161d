package apply

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// Action is what a plan does to a record.
type Action string

// The actions.
const (
	ActionCreate Action = "create"
	ActionChange Action = "change"
	ActionLeave  Action = "leave"
	ActionDelete Action = "delete"
	// ActionIgnore is a client of a described directory that no document describes: Request.Prune deletes it.
	ActionIgnore Action = "ignore"
)

// Change is what a plan does to one record.
type Change struct {
	Action Action `json:"action"`
	// Kind is that of the document.
	Kind      string `json:"kind"`
	Directory string `json:"directory,omitempty"`
	ID        string `json:"id"`
	Source    string `json:"source,omitempty"`
	// Members are the differences. A new record has all its members that are not the default.
	Members []Difference `json:"members,omitempty"`
	// GeneratedSecret says that the new client gets a secret that is not shown: no document has one.
	GeneratedSecret bool `json:"generated_secret,omitempty"`

	// state identifies the stored record as the plan found it; empty for a new record.
	state string
	// fresh is the act of the change that needs a recent sign-in; empty without one.
	fresh admin.Act
	// do applies the change.
	do func(context.Context) error
}

// Plan is what Apply would do, in this order.
type Plan struct {
	Changes []Change `json:"changes"`
	// documents are recorded when the plan is done.
	documents []described
}

// Pending reports whether the plan changes anything.
func (p Plan) Pending() bool {
	return slices.ContainsFunc(p.Changes, func(c Change) bool { return c.Action != ActionLeave && c.Action != ActionIgnore })
}

// Revision identifies the plan and the records that it read: it differs if one of them changed since.
func (p Plan) Revision() string {
	digest := sha256.New()
	encoder := json.NewEncoder(digest)
	for _, change := range p.Changes {
		_ = encoder.Encode(change) // It is JSON, and a hash takes everything.
		_ = encoder.Encode(change.state)
	}
	return hex.EncodeToString(digest.Sum(nil)[:16])
}

// stateOf identifies a record without a revision.
func stateOf(record any) string {
	text, err := json.Marshal(record)
	if err != nil {
		return "" // A record is always JSON.
	}
	return storage.Digest(string(text))
}

// checkFresh returns admin.ErrSignInAgain if a change needs a recent sign-in, so that the plan does not stop in its middle.
func (p Plan) checkFresh(service *admin.Service) error {
	for _, change := range p.Changes {
		if change.fresh == "" {
			continue
		}
		directory := change.Directory
		if directory == "" {
			directory = storage.OperatorsDirectory
		}
		if err := service.Allowed(directory, change.fresh); err != nil {
			return err
		}
	}
	return nil
}

// Count returns how many records have an action.
func (p Plan) Count(action Action) int {
	count := 0
	for _, change := range p.Changes {
		if change.Action == action {
			count++
		}
	}
	return count
}

// Request is the state to bring the store to.
type Request struct {
	Documents []Document
	// DefaultDirectory is the directory of clients that name none.
	DefaultDirectory string
	// Prune deletes the clients of described directories that no document describes.
	Prune bool
	// recorded says that the documents are those of the last Apply, which have no secrets.
	recorded bool
}

// planner computes a plan.
type planner struct {
	service  *admin.Service
	recorded bool
	plan     Plan
	problem  []Problem
	// directories are the directories as they will be, by ID.
	directories map[string]storage.Directory
}

// New computes the plan of a request. Everything that is wrong with the documents is one *Invalid.
func New(ctx context.Context, service *admin.Service, request Request) (Plan, error) {
	if len(request.Documents) > MaxDocuments {
		return Plan{}, &Invalid{[]Problem{{"", "", fmt.Sprintf("there are %d documents; at most %d are read at once", len(request.Documents), MaxDocuments)}}}
	}
	p := &planner{service: service, recorded: request.recorded, directories: map[string]storage.Directory{}}
	documents := p.read(request)
	if len(p.problem) > 0 {
		return Plan{}, &Invalid{p.problem}
	}
	if err := p.records(ctx, documents); err != nil {
		return Plan{}, err
	}
	if err := p.others(ctx, documents, request.Prune); err != nil {
		return Plan{}, err
	}
	if len(p.problem) > 0 {
		return Plan{}, &Invalid{p.problem}
	}
	p.plan.documents = documents
	return p.plan, nil
}

// records plans every document. Directories come first, because the other records refer to them.
func (p *planner) records(ctx context.Context, documents []described) error {
	for _, step := range []struct {
		is   func(described) bool
		plan func(context.Context, described) error
	}{
		{func(d described) bool { return d.directory != nil }, p.directory},
		{func(d described) bool { return d.client != nil }, p.client},
		{func(d described) bool { return d.connection != nil }, p.connection},
		{func(d described) bool { return d.resource != nil }, p.resource},
		{func(d described) bool { return d.operator != nil }, p.operator},
		{func(d described) bool { return d.service != nil }, p.serviceClient},
	} {
		for _, document := range documents {
			if !step.is(document) {
				continue
			}
			if err := step.plan(ctx, document); err != nil {
				return err
			}
		}
	}
	return nil
}

// read reads the bodies, and rejects two documents of one record.
func (p *planner) read(request Request) (documents []described) {
	first := map[string]string{}
	for _, document := range request.Documents {
		d, problems := read(document, request.DefaultDirectory)
		if len(problems) > 0 {
			p.problem = append(p.problem, problems...)
			continue
		}
		if source, twice := first[d.key()]; twice {
			p.problem = append(p.problem, Problem{d.Source, "id", "describes the record that " + source + " describes"})
			continue
		}
		first[d.key()] = d.Source
		documents = append(documents, d)
	}
	return documents
}

// invalid adds the problems of a record. It returns other errors.
func (p *planner) invalid(source string, err error) error {
	invalid, ok := errors.AsType[*admin.Invalid](err)
	switch {
	case ok:
		for _, problem := range invalid.Problems {
			p.problem = append(p.problem, Problem{source, problem.Field, problem.Text})
		}
		return nil
	case errors.Is(err, admin.ErrRefused), errors.Is(err, admin.ErrForbidden):
		p.problem = append(p.problem, Problem{source, "", err.Error()})
		return nil
	default:
		return err
	}
}

func (p *planner) directory(ctx context.Context, d described) error {
	asked := *d.directory
	current, err := p.service.Directory(ctx, asked.ID)
	if errors.Is(err, admin.ErrNotFound) {
		return p.newDirectory(ctx, d)
	}
	if err != nil {
		return p.invalid(d.Source, err)
	}
	edit := func(directory *storage.Directory) {
		updated := directory.UpdatedAt
		*directory = asked
		directory.UpdatedAt = updated
	}
	after, err := p.service.PreviewDirectoryUpdate(ctx, current.Record, edit)
	p.directories[asked.ID] = after
	if err != nil {
		return p.invalid(d.Source, err)
	}
	after.Disabled = asked.Disabled
	change := Change{
		Kind: KindDirectory, ID: asked.ID, Source: d.Source,
		Members: differences(explicitDirectory(current.Record), explicitDirectory(after)), state: current.Revision(),
	}
	change.do = func(ctx context.Context) error {
		return p.changeDirectory(ctx, current, after, edit)
	}
	p.add(change)
	return nil
}

// changeDirectory changes settings first: a disabled directory can be changed too.
func (p *planner) changeDirectory(ctx context.Context, current *storage.Entry[storage.Directory], after storage.Directory, edit func(*storage.Directory)) error {
	id, settings := current.Record.ID, after
	settings.Disabled = current.Record.Disabled
	if len(differences(explicitDirectory(current.Record), explicitDirectory(settings))) > 0 {
		if _, err := p.service.UpdateDirectory(ctx, id, current.Revision(), edit); err != nil {
			return err
		}
	}
	switch {
	case after.Disabled && !current.Record.Disabled:
		_, err := p.service.DisableDirectory(ctx, id)
		return err
	case !after.Disabled && current.Record.Disabled:
		_, err := p.service.EnableDirectory(ctx, id)
		return err
	default:
		return nil
	}
}

func (p *planner) newDirectory(ctx context.Context, d described) error {
	asked := *d.directory
	after, err := p.service.PreviewDirectory(ctx, asked)
	p.directories[asked.ID] = after
	if err != nil {
		return p.invalid(d.Source, err)
	}
	p.add(Change{
		Action: ActionCreate, Kind: KindDirectory, ID: asked.ID, Source: d.Source,
		Members: differences(explicitDirectory(storage.Directory{ID: asked.ID}), explicitDirectory(after)),
		do: func(ctx context.Context) error {
			_, err := p.service.CreateDirectory(ctx, asked)
			return err
		},
	})
	return nil
}

// add adds a change. Without an action, the differences decide.
func (p *planner) add(change Change) {
	if change.Action == "" {
		change.Action = ActionChange
		if len(change.Members) == 0 {
			change.Action = ActionLeave
		}
	}
	p.plan.Changes = append(p.plan.Changes, change)
}

// directoryOf returns the directory of a client as it will be.
func (p *planner) directoryOf(ctx context.Context, id string) (storage.Directory, error) {
	if directory, known := p.directories[id]; known {
		return directory, nil
	}
	entry, err := p.service.Directory(ctx, id)
	if err != nil {
		return storage.Directory{}, err
	}
	p.directories[id] = entry.Record
	return entry.Record, nil
}

func (p *planner) client(ctx context.Context, d described) error {
	directory, err := p.directoryOf(ctx, d.client.Directory)
	if errors.Is(err, admin.ErrNotFound) {
		p.problem = append(p.problem, Problem{d.Source, "directory", err.Error() + "; describe it in a document too"})
		return nil
	}
	if err != nil {
		return p.invalid(d.Source, err)
	}
	current, err := p.service.Client(ctx, d.client.Directory, d.client.ID)
	if errors.Is(err, admin.ErrNotFound) {
		return p.newClient(ctx, d, directory)
	}
	if err != nil {
		return p.invalid(d.Source, err)
	}
	if current.Record.Kind != d.client.Kind {
		p.problem = append(p.problem, Problem{d.Source, "kind", fmt.Sprintf("the client is of kind %s, which cannot change; delete it first", current.Record.Kind)})
		return nil
	}
	change, err := p.clientChange(ctx, d, directory, current)
	if err != nil {
		return p.invalid(d.Source, err)
	}
	p.add(change)
	return nil
}

func (p *planner) newClient(ctx context.Context, d described, directory storage.Directory) error {
	if p.recorded {
		p.add(Change{Action: ActionCreate, Kind: d.Kind, Directory: directory.ID, ID: d.client.ID, Source: d.Source})
		return nil
	}
	asked := admin.NewClient{Client: d.client.Client, Secret: d.client.Secret, AppSecret: d.client.AppSecret, Push: d.client.push()}
	after, err := p.service.PreviewClient(ctx, directory, asked)
	if err != nil {
		return p.invalid(d.Source, err)
	}
	before := storage.Client{Directory: after.Directory, ID: after.ID, Kind: after.Kind}
	change := Change{
		Action: ActionCreate, Kind: d.Kind, Directory: after.Directory, ID: after.ID, Source: d.Source,
		Members: differences(members(before), explicitClient(after)), GeneratedSecret: d.client.Secret == "" && strings.HasPrefix(after.TokenEndpointAuthMethod(), "client_secret"),
		do: func(ctx context.Context) error {
			_, _, err := p.service.CreateClient(ctx, asked)
			return err
		},
	}
	p.add(change)
	return nil
}

// clientChange returns the change of a client that exists.
func (p *planner) clientChange(ctx context.Context, d described, directory storage.Directory, current *storage.Entry[storage.Client]) (Change, error) {
	asked := admin.WithDefaults(d.client.Client, directory)
	edit := func(client *storage.Client) { replaceClient(client, asked) }
	after, err := p.service.PreviewClientUpdate(ctx, directory, current.Record, edit)
	if err != nil {
		return Change{}, err
	}
	after.Disabled = asked.Disabled
	change := Change{
		Kind: d.Kind, Directory: after.Directory, ID: after.ID, Source: d.Source,
		Members: differences(explicitClient(current.Record), explicitClient(after)), state: current.Revision(),
	}
	settings := after
	settings.Disabled = current.Record.Disabled
	u := clientUpdate{planner: p, described: d, current: current, after: after, edit: edit}
	u.changesSettings = len(differences(explicitClient(current.Record), explicitClient(settings))) > 0
	if u.secrets, err = p.changedSecrets(ctx, d, current.Record); err != nil {
		return Change{}, err
	}
	change.Members = append(change.Members, u.secrets.differences()...)
	change.do = u.do
	return change, nil
}

// changedSecrets are the secrets of a document that differ from the stored ones.
type changedSecrets struct{ secret, appSecret, push bool }

func (c changedSecrets) differences() (differences []Difference) {
	for _, each := range []struct {
		changed bool
		member  string
	}{{c.secret, "secret"}, {c.appSecret, "app_secret"}, {c.push, "push_token"}} {
		if each.changed {
			differences = append(differences, Difference{Member: each.member, Secret: true})
		}
	}
	return differences
}

func (p *planner) changedSecrets(ctx context.Context, d described, current storage.Client) (changed changedSecrets, err error) {
	if d.client.Secret != "" {
		has, err := p.service.HasClientSecret(ctx, current, d.client.Secret)
		if err != nil {
			return changed, err
		}
		changed.secret = !has
	}
	if d.client.AppSecret != "" {
		has, err := p.service.HasAppSecret(current, d.client.AppSecret)
		if err != nil {
			return changed, err
		}
		changed.appSecret = !has
	}
	if push := d.client.push(); push != (admin.PushKeys{}) {
		has, err := p.service.HasPushKeys(current, push)
		if err != nil {
			return changed, err
		}
		changed.push = !has
	}
	return changed, nil
}

// replaceClient replaces the settings of a client.
func replaceClient(client *storage.Client, asked storage.Client) {
	before := *client
	*client = asked
	client.UpdatedAt = before.UpdatedAt
	if asked.Federation != nil {
		federation := *asked.Federation
		client.Federation = &federation
	}
	// What the record says by its absence stays absent.
	if before.IDTokenClaims == nil && client.IDTokenClaims != nil && !*client.IDTokenClaims {
		client.IDTokenClaims = nil
	}
}

// clientUpdate changes a client, each kind of value by the act that the service has for it.
type clientUpdate struct {
	*planner
	described
	current         *storage.Entry[storage.Client]
	after           storage.Client
	edit            func(*storage.Client)
	changesSettings bool
	secrets         changedSecrets
}

func (u clientUpdate) do(ctx context.Context) (err error) {
	directory, id := u.after.Directory, u.after.ID
	if u.changesSettings {
		if _, err := u.planner.service.UpdateClient(ctx, directory, id, u.current.Revision(), u.edit); err != nil {
			return err
		}
	}
	if u.secrets.secret {
		if _, err := u.planner.service.RotateClientSecret(ctx, directory, id, u.described.client.Secret, false); err != nil {
			return err
		}
	}
	if u.secrets.appSecret {
		if err := u.planner.service.SetAppSecret(ctx, directory, id, u.described.client.AppSecret); err != nil {
			return err
		}
	}
	if u.secrets.push {
		if err := u.planner.service.SetPushKeys(ctx, directory, id, u.described.client.push()); err != nil {
			return err
		}
	}
	switch before := u.current.Record.Disabled; {
	case u.after.Disabled && !before:
		_, err = u.planner.service.DisableClient(ctx, directory, id)
	case !u.after.Disabled && before:
		_, err = u.planner.service.EnableClient(ctx, directory, id)
	}
	return err
}

// others adds the clients, connections and resources of described directories that no document describes.
func (p *planner) others(ctx context.Context, documents []described, prune bool) error {
	describes, directories := map[string]bool{}, []string{}
	for _, d := range documents {
		describes[d.key()] = true
		id := d.directoryID()
		if id != storage.OperatorsDirectory && !slices.Contains(directories, id) {
			directories = append(directories, id)
		}
	}
	for _, directory := range directories {
		for _, others := range []func(context.Context, string, map[string]bool, bool) error{p.othersOf, p.otherConnections, p.otherResources} {
			if err := others(ctx, directory, describes, prune); err != nil && !errors.Is(err, admin.ErrNotFound) {
				return err
			}
		}
	}
	return nil
}

func (p *planner) othersOf(ctx context.Context, directory string, describes map[string]bool, prune bool) error {
	for page := (admin.Page{Limit: storage.MaxPage}); ; {
		clients, next, err := p.service.Clients(ctx, directory, page)
		if err != nil {
			return err
		}
		for _, client := range clients {
			if describes["client "+storage.Key(client.Directory, client.ID)] || client.Origin != storage.OriginOperator {
				continue // Files describe the clients of operators.
			}
			change := Change{Action: ActionIgnore, Kind: string(client.Kind), Directory: directory, ID: client.ID, state: stateOf(client)}
			if prune {
				change.Action, change.fresh = ActionDelete, admin.ActClientDelete
				change.do = func(ctx context.Context) error { return p.deleteClient(ctx, client) }
			}
			p.add(change)
		}
		if page.After = next; next == "" {
			return nil
		}
	}
}

// deleteClient deletes a client that is still as the plan found it.
func (p *planner) deleteClient(ctx context.Context, client storage.Client) error {
	current, err := p.service.Client(ctx, client.Directory, client.ID)
	if err != nil {
		return err
	}
	if current.Record.Incarnation != client.Incarnation || len(differences(explicitClient(client), explicitClient(current.Record))) > 0 {
		return admin.ErrChanged
	}
	return p.service.DeleteClient(ctx, client.Directory, client.ID)
}

// Apply does the plan in its order, and records the documents, so that Drift finds later changes. It stops at the first error,
// which is admin.ErrChanged for a record that was changed since the plan was computed. It returns the changes that were done.
func (p Plan) Apply(ctx context.Context, service *admin.Service) (done []Change, err error) {
	done = []Change{}
	if err := p.checkFresh(service); err != nil {
		return done, err
	}
	for _, change := range p.Changes {
		if change.do == nil || change.Action == ActionLeave {
			continue
		}
		if err := change.do(ctx); err != nil {
			return done, fmt.Errorf("%s %s: %w", change.Kind, change.ID, err)
		}
		done = append(done, change)
	}
	return done, record(ctx, service, p.documents)
}
