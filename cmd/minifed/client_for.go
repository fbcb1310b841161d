package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/internal/suggest"
	"github.com/minifed/minifed/server/admin/relyingparty"
	"github.com/minifed/minifed/storage"
)

// listParties is the value of --for that prints the table.
const listParties = "list"

// partyFlags select a relying party that the new client is for.
type partyFlags struct{ name, address string }

func (f *partyFlags) add(command *cobra.Command) {
	command.Flags().StringVar(&f.name, "for", "", "")
	command.Flags().StringVar(&f.address, "url", "", "")
}

// partyNames are the values of --for.
func partyNames() []string {
	names := []string{listParties}
	for _, party := range relyingparty.All() {
		names = append(names, party.Name)
	}
	return names
}

// client returns the client of the relying party with the settings of the other flags.
func (f *partyFlags) client(fields *fields[storage.Client]) (relyingparty.Party, storage.Client, error) {
	flags := fields.flags
	if flags.Changed("kind") {
		return relyingparty.Party{}, storage.Client{}, wrongUsage("usage.exclude", "--for", "--kind")
	}
	party, err := f.party()
	if err != nil {
		return party, storage.Client{}, err
	}
	if f.address == "" && party.NeedsAddress() && !flags.Changed("redirect-uri") {
		return party, storage.Client{}, wrongUsage("usage.client.url", party.Title)
	}
	client, err := party.Client(f.address)
	if err != nil {
		return party, client, wrongUsage("usage.flag.invalid", "--url", f.address, locale.Text("must.be_application_address"))
	}
	fields.apply(&client)
	return party, client, nil
}

// party returns the row of the table. The error for an unknown name has the nearest one.
func (f *partyFlags) party() (relyingparty.Party, error) {
	party, err := relyingparty.Named(f.name)
	if !errors.Is(err, relyingparty.ErrUnknown) {
		return party, err
	}
	for _, unsupported := range relyingparty.CannotWork() {
		if unsupported.Name == f.name {
			return party, wrongUsage("usage.client.cannot_work", unsupported.Title, noteMessage(unsupported.Reason))
		}
	}
	return party, wrongUsage("usage.client.for", f.name, suggest.Nearest(f.name, partyNames()))
}

// noteMessage is a note of the table as an error in the language of the console.
func noteMessage(note relyingparty.Note) error { return localizedNote{note} }

type localizedNote struct{ relyingparty.Note }

// Error implements error.
func (n localizedNote) Error() string { return n.English }

// Localize implements locale.Error.
func (n localizedNote) Localize(texts *locale.Catalog) string { return n.In(texts.Tag()) }

// partyView is a row of the table as JSON.
type partyView struct {
	Name         string             `json:"name"`
	Title        string             `json:"title"`
	Version      string             `json:"version,omitempty"`
	Kind         storage.ClientKind `json:"kind"`
	RedirectURIs []string           `json:"redirect_uris,omitempty"`
	Note         string             `json:"note,omitempty"`
}

// printParties prints the table of relying parties.
func (d *operatorEnv) printParties() error {
	views, rows := []partyView{}, [][]string{}
	for _, party := range relyingparty.All() {
		views = append(views, partyView{party.Name, party.Title, party.Version, party.Kind, party.Redirects, party.Note.In(d.Texts.Tag())})
		rows = append(rows, []string{party.Name, string(party.Kind), party.Title, party.Version, spaced(party.Redirects)})
	}
	return d.printList(views, "", []string{"NAME", "KIND", "RELYING PARTY", "VERSION", "REDIRECT URI"}, rows)
}

// addIssuer adds what a relying party needs to know about the issuer.
func addIssuer(ctx context.Context, service operations, view *clientView) error {
	directory, err := service.Directory(ctx, view.Directory)
	if err != nil {
		return err
	}
	view.Issuer = service.IssuerOf(directory.Record)
	view.Discovery = view.Issuer + "/.well-known/openid-configuration"
	return nil
}

// addConfiguration adds the configuration text of the relying party. A secret of the operator's choice is not in it.
func (f *partyFlags) addConfiguration(party relyingparty.Party, chosen bool, view *clientView) (err error) {
	values := relyingparty.Values{Issuer: view.Issuer, ClientID: view.ID, Secret: view.Secret, Address: f.address}
	if chosen {
		values.Secret = ""
	}
	if len(view.RedirectURIs) > 0 {
		values.RedirectURI = view.RedirectURIs[0]
	}
	view.Configuration, err = party.Configuration(values)
	return err
}

// printConfiguration prints the configuration text of the relying party, and the notes about it.
func (d *operatorEnv) printConfiguration(party relyingparty.Party, view clientView) {
	d.Printf("\n%s, %s:\n\n%s", party.Title, party.File, view.Configuration)
	if note := party.Note.In(d.Texts.Tag()); note != "" {
		d.Printf("\n%s\n", note)
	}
	if party.NeedsEmail && view.PlaceholderEmailDomain == "" {
		d.Printf("\n%s\n", d.Texts.Render(locale.Text("client.needs_email", view.ID)))
	}
}
