package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/minifed/minifed/server/admin"
)

// sessionView is a session without its secret and without its user, who is known.
type sessionView struct {
	ID       string   `json:"id"`
	State    string   `json:"state"`
	Browser  string   `json:"browser,omitempty"`
	AMR      []string `json:"amr,omitempty"`
	SignedIn string   `json:"auth_time"`
	Used     string   `json:"seen_at"`
}

func newUserSessions(d *operatorEnv) *cobra.Command {
	pages, end := new(paging), ""
	command := &cobra.Command{
		Use:     "sessions USER",
		Example: "  minifed user sessions alice\n  minifed user sessions alice --end 5sgOzZXEO2vKx5p3vWyTJQ",
		Args:    exactly("argument.user"),
	}
	command.RunE = d.userOperation(func(ctx context.Context, service operations, id string) error {
		if end != "" {
			if err := service.EndUserSession(ctx, d.directory, id, end); err != nil {
				return err
			}
			return d.done(map[string]string{"ended": end}, "The session has ended, and its clients get logout tokens.")
		}
		sessions, next, err := collect(*pages, func(page admin.Page) ([]admin.UserSession, string, error) {
			return service.UserSessions(ctx, d.directory, id, page)
		})
		if err != nil {
			return err
		}
		views, rows := []sessionView{}, [][]string{}
		for _, s := range sessions {
			views = append(views, sessionView{s.ID, s.State, s.Browser, s.AMR, stamp(s.AuthTime), stamp(s.SeenAt)})
			rows = append(rows, []string{s.ID, s.State, s.Browser, strings.Join(s.AMR, " "), stamp(s.AuthTime), stamp(s.SeenAt)})
		}
		return d.printList(views, next, []string{"SESSION", "STATE", "BROWSER", "BY", "SIGNED IN", "USED"}, rows)
	})
	pages.add(command)
	command.Flags().StringVar(&end, "end", "", "")
	return command
}

// grantView is a grant without what its tokens derive from.
type grantView struct {
	ID      string   `json:"id"`
	State   string   `json:"state"`
	Client  string   `json:"client"`
	Type    string   `json:"grant_type"`
	Scopes  []string `json:"scopes,omitempty"`
	Created string   `json:"created_at"`
}

func newUserGrants(d *operatorEnv) *cobra.Command {
	pages, end, removed := new(paging), "", ""
	command := &cobra.Command{
		Use:     "grants USER",
		Example: "  minifed user grants alice\n  minifed user grants alice --end 1dMfFl6Vq8Y5u4b2b0VDeHGPWCMuiX1EGkM1PpJ2Slw\n  minifed user grants alice --remove-client shop",
		Args:    exactly("argument.user"),
	}
	command.RunE = d.userOperation(func(ctx context.Context, service operations, id string) error {
		if end != "" || removed != "" {
			return d.endGrants(ctx, service, id, end, removed)
		}
		grants, next, err := collect(*pages, func(page admin.Page) ([]admin.UserGrant, string, error) {
			return service.UserGrants(ctx, d.directory, id, page)
		})
		if err != nil {
			return err
		}
		views, rows := []grantView{}, [][]string{}
		for _, g := range grants {
			views = append(views, grantView{g.ID, g.State, g.Client, g.GrantType, g.Scopes, stamp(g.CreatedAt)})
			rows = append(rows, []string{g.ID, g.State, g.Client, strings.Join(g.Scopes, " "), stamp(g.CreatedAt)})
		}
		return d.printList(views, next, []string{"GRANT", "STATE", "CLIENT", "SCOPES", "CREATED"}, rows)
	})
	pages.add(command)
	command.Flags().StringVar(&end, "end", "", "")
	command.Flags().StringVar(&removed, "remove-client", "", "")
	return command
}

// endGrants ends one grant of a user, or all that a client has from the user.
func (d *operatorEnv) endGrants(ctx context.Context, service operations, id, grant, client string) error {
	if client == "" {
		if err := service.EndUserGrant(ctx, d.directory, id, grant); err != nil {
			return err
		}
		return d.done(map[string]string{"ended": grant}, "The grant has ended with its tokens.")
	}
	if err := service.RemoveUserClient(ctx, d.directory, id, client); err != nil {
		return err
	}
	return d.done(map[string]string{"removed_client": client}, "Client %s has no grants and consents of user %s any more.", client, id)
}

func newUserResetPassword(d *operatorEnv) *cobra.Command {
	return &cobra.Command{
		Use:     "reset-password USER",
		Example: "  minifed user reset-password alice",
		Args:    exactly("argument.user"),
		RunE: d.userOperation(func(ctx context.Context, service operations, id string) error {
			password, err := service.ResetUserPassword(ctx, d.directory, id)
			if err != nil {
				return err
			}
			return d.done(map[string]string{"user_id": id, "password": password},
				"User %s is signed out everywhere. The new password is shown only now:\n%s", id, password)
		}),
	}
}
