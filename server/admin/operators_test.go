package admin

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minifed/minifed/audit"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

// newOwner creates an owner of the installation.
func (h *serviceHarness) newOwner(t *testing.T, name string) Operator {
	t.Helper()
	created, _, err := h.CreateOperator(t.Context(), NewOperator{
		Account: identity.Account{Username: name}, Assignments: []Assignment{{storage.Everywhere, RoleOwner}},
	})
	must(t, err)
	return created
}

func TestOperators_CreateListChange(t *testing.T) {
	h := newServiceHarness(t)
	created, password, err := h.CreateOperator(t.Context(), NewOperator{
		Account: identity.Account{Username: "ann"}, Email: "ann@example.com",
		Assignments: []Assignment{{"default", RoleAdmin}, {storage.Everywhere, RoleAuditor}},
	})
	must(t, err)
	if len(password) < 16 || created.User.Email != "ann@example.com" || created.User.Directory != storage.OperatorsDirectory {
		t.Errorf("created %+v with password %q", created.User, password)
	}
	h.newOwner(t, "bob")
	changed, err := h.SetOperatorRoles(t.Context(), "ann", []Assignment{{"default", RoleSupport}})
	must(t, err)
	if want := []Assignment{{"default", RoleSupport}}; !slices.Equal(changed.Assignments, want) {
		t.Errorf("roles %v", changed.Assignments)
	}
	found, _, err := h.Operators(t.Context(), Page{})
	must(t, err)
	if len(found) != 2 || found[0].User.Username != "ann" || !found[1].IsOwner() {
		t.Errorf("operators %+v", found)
	}
	entries, _, err := h.AuditTrail(t.Context(), storage.OperatorsDirectory, audit.Filter{}, Page{Limit: 1})
	must(t, err)
	if entries[0].Action != "operator.update" || entries[0].Details["assignments"] != "support:default" {
		t.Errorf("audit entry %+v", entries[0])
	}
	must(t, h.DisableOperator(t.Context(), "ann"))
	must(t, h.EnableOperator(t.Context(), "ann"))
	must(t, h.DeleteOperator(t.Context(), "ann"))
	if _, err := h.Operator(t.Context(), "ann"); !errors.Is(err, ErrNotFound) {
		t.Errorf("after the deletion: error %v", err)
	}
}

func TestOperators_RolesAreChecked(t *testing.T) {
	h := newServiceHarness(t)
	for name, assignments := range map[string][]Assignment{
		"none":              nil,
		"unknown role":      {{"default", "root"}},
		"unknown directory": {{"gone", RoleAdmin}},
		"operators":         {{storage.OperatorsDirectory, RoleAdmin}},
		"twice":             {{"default", RoleAdmin}, {"default", RoleAuditor}},
		"too many":          slices.Repeat([]Assignment{{"default", RoleAdmin}}, storage.MaxAssignments+1),
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := h.CreateOperator(t.Context(), NewOperator{Account: identity.Account{Username: "ann"}, Assignments: assignments})
			wantInvalid(t, err, "assignments")
		})
	}
	if found, _, err := h.Operators(t.Context(), Page{}); err != nil || len(found) > 0 {
		t.Errorf("operators %+v, %v", found, err)
	}
}

func TestOperators_LastOwnerStays(t *testing.T) {
	h := newServiceHarness(t)
	owner := h.newOwner(t, "ann")
	acts := map[string]func() error{
		"roles": func() error {
			_, err := h.SetOperatorRoles(t.Context(), "ann", []Assignment{{"default", RoleOwner}})
			return err
		},
		"disable":      func() error { return h.DisableOperator(t.Context(), "ann") },
		"delete":       func() error { return h.DeleteOperator(t.Context(), "ann") },
		"disable user": func() error { return h.DisableUser(t.Context(), storage.OperatorsDirectory, owner.User.ID) },
		"delete user":  func() error { return h.DeleteUser(t.Context(), storage.OperatorsDirectory, owner.User.ID) },
	}
	for name, act := range acts {
		if err := act(); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "last owner") {
			t.Errorf("%s: error %v", name, err)
		}
	}
	h.newOwner(t, "bob")
	must(t, h.DisableOperator(t.Context(), "bob"))
	if err := acts["delete"](); !errors.Is(err, ErrRefused) {
		t.Errorf("delete beside a disabled owner: error %v", err)
	}
	must(t, h.EnableOperator(t.Context(), "bob"))
	must(t, acts["delete"]())
}

// Both acts pass the check before the first of them is written.
func TestOperators_ConcurrentActsLeaveAnOwner(t *testing.T) {
	demote := func(h *serviceHarness, name string) error {
		_, err := h.SetOperatorRoles(t.Context(), name, []Assignment{{storage.Everywhere, RoleAdmin}})
		return err
	}
	disable := func(h *serviceHarness, name string) error { return h.DisableOperator(t.Context(), name) }
	remove := func(h *serviceHarness, name string) error { return h.DeleteOperator(t.Context(), name) }
	for name, acts := range map[string][2]func(h *serviceHarness, name string) error{
		"demote, demote": {demote, demote}, "disable, disable": {disable, disable}, "delete, delete": {remove, remove}, "demote, delete": {demote, remove},
	} {
		t.Run(name, func(t *testing.T) {
			h := newServiceHarness(t)
			h.newOwner(t, "ann")
			h.newOwner(t, "bob")
			var checked, ended sync.WaitGroup
			var writes atomic.Int32
			checked.Add(2)
			h.engine.Before = func(_ context.Context, operation storagetest.Operation) error {
				if operation.Kind == storage.KindUser && operation.Write() && writes.Add(1) <= 2 {
					checked.Done()
					checked.Wait()
				}
				return nil
			}
			var errs [2]error
			for i, operator := range []string{"ann", "bob"} {
				ended.Go(func() { errs[i] = acts[i](h, operator) })
			}
			ended.Wait()
			found, _, err := h.Operators(t.Context(), Page{})
			must(t, err)
			if !slices.ContainsFunc(found, Operator.IsOwner) {
				t.Errorf("no owner remains: %+v, errors %v", found, errs)
			}
			if !errors.Is(errors.Join(errs[:]...), ErrRefused) {
				t.Errorf("errors %v", errs)
			}
			for _, err := range errs {
				if err != nil && !errors.Is(err, ErrRefused) {
					t.Errorf("error %v", err)
				}
			}
		})
	}
}

func TestOperators_DirectoryIsNoNormalOne(t *testing.T) {
	h := newServiceHarness(t)
	must(t, h.EnsureOperators(t.Context()))
	must(t, h.EnsureOperators(t.Context()))
	directories, _, err := h.Directories(t.Context(), Page{})
	must(t, err)
	if len(directories) != 1 {
		t.Errorf("listed %+v", directories)
	}
	_, err = h.DisableDirectory(t.Context(), storage.OperatorsDirectory)
	for name, err := range map[string]error{
		"disable": err,
		"delete":  h.DeleteDirectory(t.Context(), storage.OperatorsDirectory),
		"merge": func() error {
			_, err := h.MergeUsers(t.Context(), storage.OperatorsDirectory, "a", "b")
			return err
		}(),
		"create": func() error {
			_, err := h.CreateDirectory(t.Context(), storage.Directory{ID: storage.OperatorsDirectory, Name: "x"})
			return err
		}(),
	} {
		if !errors.Is(err, ErrRefused) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	_, err = h.UpdateDirectory(t.Context(), storage.OperatorsDirectory, "", func(d *storage.Directory) { d.Policy.SelfRegistration = true })
	wantInvalid(t, err, "id")
	_, err = h.UpdateDirectory(t.Context(), storage.OperatorsDirectory, "", func(d *storage.Directory) { d.Name = "Acme's console" })
	must(t, err)
}

func TestServiceClients_RolesAndExpiry(t *testing.T) {
	h := newServiceHarness(t)
	roles := []Assignment{{storage.Everywhere, RoleAdmin}}
	for name, at := range map[string]time.Time{"none": {}, "past": h.at.Add(-time.Hour), "too far": h.at.Add(3 * 366 * 24 * time.Hour)} {
		_, _, err := h.CreateServiceClient(t.Context(), NewServiceClient{ID: "ci", Assignments: roles, ExpiresAt: at})
		t.Log(name)
		wantInvalid(t, err, "expires_at")
	}
	client, secret, err := h.CreateServiceClient(t.Context(), NewServiceClient{ID: "ci", Assignments: roles, ExpiresAt: h.at.Add(time.Hour)})
	must(t, err)
	if secret == "" || client.Kind != storage.ClientService || client.ExpiresAt.IsZero() {
		t.Errorf("client %+v", client)
	}
	later := h.at.Add(48 * time.Hour)
	client, err = h.UpdateServiceClient(t.Context(), "ci", ServiceClientUpdate{ExpiresAt: &later, Assignments: &[]Assignment{{"default", RoleAuditor}}})
	must(t, err)
	if want := []storage.Assignment{{Directory: "default", Role: "auditor"}}; !slices.Equal(client.Assignments, want) || !client.ExpiresAt.Equal(later) {
		t.Errorf("client %+v", client)
	}
	// The methods of normal clients neither give nor change roles.
	_, err = h.UpdateClient(t.Context(), storage.OperatorsDirectory, "ci", "", func(c *storage.Client) {
		c.Assignments, c.ExpiresAt = []storage.Assignment{{Directory: storage.Everywhere, Role: "owner"}}, time.Time{}
	})
	must(t, err)
	entry, _, err := h.CreateClient(t.Context(), NewClient{Client: storage.Client{
		Directory: storage.OperatorsDirectory, ID: "other", Kind: storage.ClientService,
		Assignments: []storage.Assignment{{Directory: storage.Everywhere, Role: "owner"}},
	}})
	must(t, err)
	stored, err := h.Client(t.Context(), storage.OperatorsDirectory, "ci")
	must(t, err)
	if len(entry.Record.Assignments) > 0 || stored.Record.Assignments[0].Role != "auditor" || stored.Record.ExpiresAt.IsZero() {
		t.Errorf("created %+v, updated %+v", entry.Record, stored.Record)
	}
	if _, err := h.UpdateServiceClient(t.Context(), "other", ServiceClientUpdate{Assignments: &roles}); !errors.Is(err, ErrRefused) {
		t.Errorf("roles for a normal client: error %v", err)
	}
}

func TestConsoleLink_OneOwnerByOneLink(t *testing.T) {
	h := newServiceHarness(t)
	secret, err := h.ConsoleLink(t.Context(), false)
	must(t, err)
	if again, err := h.ConsoleLink(t.Context(), false); again != "" || err != nil {
		t.Errorf("a second instance gets %q, %v", again, err)
	}
	renewed, err := h.ConsoleLink(t.Context(), true)
	must(t, err)
	account := identity.Account{Username: "ann", Password: "correct horse battery"}
	if _, err := h.FirstOwner(t.Context(), secret, account); !errors.Is(err, ErrConsoleLink) {
		t.Errorf("the replaced link: error %v", err)
	}
	if _, err := h.FirstOwner(t.Context(), renewed, identity.Account{Username: "ann", Password: "short"}); !isInvalid(err, "password") {
		t.Errorf("a short password: error %v", err)
	}
	if open, err := h.ConsoleLinkOpen(t.Context()); !open || err != nil { // A failed attempt uses nothing up.
		t.Errorf("after a failed attempt: %v, %v", open, err)
	}

	var work sync.WaitGroup
	results := make([]error, 4)
	for i := range results {
		work.Go(func() {
			name := "owner" + string(rune('a'+i))
			_, results[i] = h.FirstOwner(t.Context(), renewed, identity.Account{Username: name, Password: account.Password})
		})
	}
	work.Wait()
	owners, _, err := h.Operators(t.Context(), Page{})
	must(t, err)
	if len(owners) != 1 || !owners[0].IsOwner() {
		t.Errorf("operators %+v, results %v", owners, results)
	}
	for _, err := range results {
		if err != nil && !errors.Is(err, ErrConsoleLink) {
			t.Errorf("error %v", err)
		}
	}
	if _, err := h.FirstOwner(t.Context(), renewed, account); !errors.Is(err, ErrConsoleLink) {
		t.Errorf("the used link: error %v", err)
	}
	if open, err := h.ConsoleLinkOpen(t.Context()); open || err != nil {
		t.Errorf("the used link is open: %v, %v", open, err)
	}
	if _, err := h.ConsoleLink(t.Context(), true); !errors.Is(err, ErrRefused) {
		t.Errorf("with an owner: error %v", err)
	}
}

func TestConsoleLink_Expires(t *testing.T) {
	h := newServiceHarness(t)
	secret, err := h.ConsoleLink(t.Context(), false)
	must(t, err)
	h.at = h.at.Add(consoleLinkLife + time.Minute)
	if _, err := h.FirstOwner(t.Context(), secret, identity.Account{Username: "ann", Password: "correct horse battery"}); !errors.Is(err, ErrConsoleLink) {
		t.Errorf("error %v", err)
	}
	if next, err := h.ConsoleLink(t.Context(), false); next == "" || err != nil {
		t.Errorf("the next start gets %q, %v", next, err)
	}
}

func isInvalid(err error, member string) bool {
	invalid, ok := errors.AsType[*identity.InvalidError](err)
	return ok && invalid.Member == member
}
