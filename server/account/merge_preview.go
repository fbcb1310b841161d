package account

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/storage"
)

// MergePreview is what a merge of two users does.
type MergePreview struct {
	// Remaining is the older account, whose "sub" remains, and Joined the other one.
	Remaining MergeSide `json:"remaining"`
	Joined    MergeSide `json:"joined"`
	// Identities and Methods of the joined account move to the remaining one.
	Identities []Identity `json:"identities"`
	Methods    []Method   `json:"methods"`
	// Profile names the values that the remaining account gets, because it has none.
	Profile []string `json:"profile"`
	// EndedSessions is the number of browsers that are signed out of the joined account.
	EndedSessions int `json:"ended_sessions"`
	// Groups of the joined account do not move: an operator decides about them.
	Groups []string `json:"groups"`
	// PasswordEnds means that the username and the password of the joined account stop working, because the remaining one has its own.
	PasswordEnds bool `json:"password_ends"`
	// SecondFactorMoves means that the authenticator app of the joined account is the one of the remaining account from then on.
	SecondFactorMoves bool `json:"second_factor_moves"`
	// UndoUntil is how long the merge could be undone if it were done now.
	UndoUntil time.Time `json:"undo_until"`

	remaining, joined storage.User
}

// MergeSide is an account in a preview.
type MergeSide struct {
	Sub       string    `json:"sub"`
	Name      string    `json:"name,omitempty"`
	CreatedAt time.Time `json:"created_at,omitzero"`
}

func viewSide(user storage.User) MergeSide {
	return MergeSide{Sub: user.ID, Name: page.ViewUser(user).Name, CreatedAt: user.CreatedAt}
}

// PreviewMerge returns what MergeUsers would do, or its error.
func (a *Account) PreviewMerge(r *endpoint.Request, one, other storage.User) (*MergePreview, error) {
	plan, err := a.Users.PreviewProven(r.Context(), one, other)
	if err != nil {
		return nil, err
	}
	remaining, joined := plan.Survivor, plan.Alias
	preview := &MergePreview{
		Remaining: viewSide(remaining), Joined: viewSide(joined), Profile: append([]string{}, plan.Gained...), Groups: append([]string{}, joined.Groups...),
		PasswordEnds: joined.Password != "" && (remaining.Password != "" || remaining.Username != ""),
		UndoUntil:    storage.Instant(a.Now().Add(identity.UndoPeriod)), remaining: remaining, joined: joined,
	}
	if preview.Identities, err = a.IdentitiesOf(r, joined); err != nil {
		return nil, err
	}
	if preview.Methods, err = a.MethodsOf(r, joined); err != nil {
		return nil, err
	}
	methods, err := a.Users.Methods(r.Context(), remaining)
	if err != nil {
		return nil, err
	}
	hasTOTP := slices.ContainsFunc(preview.Methods, func(method Method) bool { return method.Type == TypeTOTP })
	preview.SecondFactorMoves = hasTOTP && methods.TOTP == nil
	preview.leaveOutUnused()
	sessions, err := a.otherSessions(r, joined, "")
	preview.EndedSessions = len(sessions)
	return preview, err
}

// leaveOutUnused leaves out what the remaining account does not use, because it has its own.
func (p *MergePreview) leaveOutUnused() {
	p.Identities = slices.DeleteFunc(p.Identities, func(moves Identity) bool {
		switch moves.Type {
		case storage.IdentityUsername:
			return p.remaining.Username != "" || p.PasswordEnds
		case storage.IdentityEmail:
			return p.remaining.Email != ""
		case storage.IdentityPhone:
			return p.remaining.Phone != ""
		default:
			return false
		}
	})
	p.Methods = slices.DeleteFunc(p.Methods, func(method Method) bool {
		return method.Type == TypePassword && p.PasswordEnds || method.Type == TypeTOTP && !p.SecondFactorMoves
	})
}

// previewData is what the page of a preview shows.
type previewData struct {
	Remaining, Joined page.UserView
	// RemainingSince and JoinedSince are when the accounts were created.
	RemainingSince, JoinedSince time.Time
	// Moves are the identities and methods that move.
	Moves []accountRow
	// Notes are what else happens.
	Notes []page.Message
}

// preview shows what a merge does.
func (e *Merge) preview(w http.ResponseWriter, r *endpoint.Request, one, other storage.User) error {
	preview, err := e.PreviewMerge(r, one, other)
	if err != nil {
		return e.showError(w, r, err)
	}
	return e.Pages.Render(w, r, page.Page{
		Template: "merge_confirm", Title: page.Text("merge.confirm.title"), Zoneinfo: one.Profile.Zoneinfo,
		Data: previewData{
			Remaining: page.ViewUser(preview.remaining), Joined: page.ViewUser(preview.joined), RemainingSince: preview.remaining.CreatedAt, JoinedSince: preview.joined.CreatedAt,
			Moves: preview.rows(), Notes: preview.notes(),
		},
	})
}

// rows are the identities and methods that move.
func (p *MergePreview) rows() []accountRow {
	var rows []accountRow
	for _, moves := range p.Identities {
		value := moves.Value
		if value == "" {
			value = moves.Name
		}
		rows = append(rows, accountRow{Label: page.Text("identity." + string(moves.Type)), Value: value})
	}
	for _, method := range p.Methods {
		switch method.Type {
		case TypePassword:
			rows = append(rows, accountRow{Label: page.Text("field.password")})
		case TypePasskey:
			rows = append(rows, accountRow{Label: page.Text("merge.passkey"), Value: method.Name})
		case TypeTOTP:
			rows = append(rows, accountRow{Label: page.Text("field.totp")})
		}
	}
	return rows
}

// notes are what else happens.
func (p *MergePreview) notes() []page.Message {
	notes := []page.Message{page.Text("merge.note.values")}
	if len(p.Profile) > 0 {
		notes = append(notes, page.Text("merge.note.profile"))
	}
	if p.PasswordEnds {
		notes = append(notes, page.Text("merge.note.password"))
	}
	if p.SecondFactorMoves {
		notes = append(notes, page.Text("merge.note.second_factor"))
	}
	if len(p.Groups) > 0 {
		notes = append(notes, page.Text("merge.note.groups", strings.Join(p.Groups, ", ")))
	}
	return append(notes, page.Text("merge.note.sessions", p.EndedSessions), page.Text("merge.note.undo"))
}
