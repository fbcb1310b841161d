package clientdocument

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/internal/uri"
	"github.com/minifed/minifed/server/clientmetadata"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/outbound"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

const (
	// maxAge is the maximum age of a document that a new authorization uses, and maxAgeAny that of a document at a host that no
	// operator named.
	maxAge    = 24 * time.Hour
	maxAgeAny = time.Hour
	// maxAway is how long a stored copy serves the token endpoint while the document cannot be fetched.
	maxAway = 7 * 24 * time.Hour
)

// The reasons of errors about documents.
const (
	ReasonNotAdmitted = "client_document_not_admitted"
	ReasonUnusable    = "client_document_unusable"
)

// Config configures Clients.
type Config struct {
	Catalog *endpoint.Catalog
	Engine  storage.Engine
	// Outgoing fetches the documents. It must call no private address, except in networks that an operator named.
	Outgoing *outbound.Client
	// Logos draws a logo again, or returns an error for a file that is no picture.
	Logos func(ctx context.Context, file []byte) ([]byte, error)
	// Limit returns an error if the directory has too many new clients today.
	Limit  func(ctx context.Context, directory storage.Directory) error
	Now    func() time.Time
	Random io.Reader
	Logger *slog.Logger
}

// Clients finds clients for the token endpoint: a client with a document must be stored. It is an oauth2.Clients.
type Clients struct {
	config  Config
	fetcher *fetcher
}

var _ oauth2.Clients = (*Clients)(nil)

// New returns clients of a catalog.
func New(config Config) *Clients { return &Clients{config, newFetcher(config)} }

// Authorizing finds clients for new authorizations: a client with a document need not be stored, and its document is fresh.
type Authorizing struct{ *Clients }

var _ oauth2.Clients = Authorizing{}

// FreshClient implements oauth2.Clients.
func (c *Clients) FreshClient(ctx context.Context, directory, id string) (*oauth2.Client, error) {
	return c.config.Catalog.FreshClient(ctx, directory, id)
}

// Client implements oauth2.Clients. The stored copy serves while the document is away, for maxAway.
func (c *Clients) Client(ctx context.Context, directory, id string) (*oauth2.Client, error) {
	stored, err := c.config.Catalog.Client(ctx, directory, id)
	if err != nil || stored.Record().Origin != storage.OriginDocument {
		return stored, err
	}
	age := c.config.Now().Sub(stored.Record().Copy.FetchedAt).Abs()
	if age < maxAge {
		return stored, nil
	}
	if c.fetcher.mayRetry(id) {
		if current, err := c.refresh(ctx, stored); err == nil {
			return current, nil
		}
	}
	if age >= maxAway {
		return nil, storage.ErrNotFound
	}
	return stored, nil
}

// refresh fetches the document of a stored client.
func (c *Clients) refresh(ctx context.Context, stored *oauth2.Client) (*oauth2.Client, error) {
	record := stored.Record()
	issuer, err := c.config.Catalog.Directories.Get(ctx, record.Directory)
	if err != nil {
		return nil, err
	}
	address, err := c.admitted(ctx, issuer.Directory, record.ID)
	if err != nil {
		return nil, err
	}
	return c.fetchStored(ctx, issuer, address, record.ID)
}

// Client implements oauth2.Clients. Errors of documents are for the page of an error.
func (c Authorizing) Client(ctx context.Context, directory, id string) (*oauth2.Client, error) {
	stored, err := c.config.Catalog.Client(ctx, directory, id)
	if err != nil && !errors.Is(err, storage.ErrNotFound) || !IsID(id) {
		return stored, err
	}
	if err == nil && (stored.Record().Origin != storage.OriginDocument || stored.Record().Disabled) {
		return stored, nil // An operator registered the URL, or disabled the client.
	}
	issuer, failed := c.config.Catalog.Directories.Get(ctx, directory)
	if failed != nil {
		return nil, failed
	}
	address, failed := c.admitted(ctx, issuer.Directory, id)
	if failed != nil {
		return nil, failed
	}
	if err == nil {
		return c.current(ctx, issuer, address, stored)
	}
	return c.unstored(ctx, issuer, address, id)
}

// current returns a stored client with a document that is fresh enough.
func (c *Clients) current(ctx context.Context, issuer *oauth2.Issuer, address *url.URL, stored *oauth2.Client) (*oauth2.Client, error) {
	record, now := stored.Record(), c.config.Now()
	age, limit := now.Sub(record.Copy.FetchedAt).Abs(), maxAgeOf(issuer.Directory, address)
	if age < limit && now.Before(record.Copy.FreshUntil) {
		return stored, nil
	}
	current, err := c.fetchStored(ctx, issuer, address, record.ID)
	if err != nil && age < limit && !errors.Is(err, errInvalid) {
		c.config.Logger.WarnContext(ctx, "a client's metadata document cannot be fetched: the copy is used", "client", record.ID, "age", age.String(), "cause", err.Error())
		return stored, nil
	}
	return current, unusable(err)
}

// unstored returns a client that no user has consented to yet.
func (c *Clients) unstored(ctx context.Context, issuer *oauth2.Issuer, address *url.URL, id string) (*oauth2.Client, error) {
	now, listed := c.config.Now(), isListed(issuer.Directory, address)
	doc, found := c.fetcher.cached(id)
	if !found || !now.Before(doc.until) || now.Sub(doc.at).Abs() >= maxAgeOf(issuer.Directory, address) || listed && !doc.withLogo {
		var err error
		if doc, err = c.fetcher.fetch(ctx, address, id, listed); err != nil {
			return nil, unusable(err)
		}
	}
	record, err := recordOf(doc, issuer.Directory, address, id)
	if err != nil {
		return nil, unusable(err)
	}
	return oauth2.NewClient(record, issuer)
}

// admitted returns the URL of a document if the policy of the directory admits it and it is not at one of the own hosts.
func (c *Clients) admitted(ctx context.Context, directory storage.Directory, id string) (*url.URL, error) {
	if !Offered(directory) {
		return nil, storage.ErrNotFound
	}
	address, valid := uri.ParseDocument(id)
	if !valid {
		return nil, notAdmitted("The client_id is not the URL of a metadata document: https with a host name and a path, without user, fragment, percent-encoding and dot segments.", "the client_id is no URL of a metadata document")
	}
	if directory.Policy.Documents == storage.DocumentsHosts && !isListed(directory, address) {
		return nil, notAdmitted("This issuer does not accept metadata documents of this host.", "the host of the client_id is not among document_hosts: add it by minifed directory update --document-host, if you trust it")
	}
	own, err := c.config.Catalog.IsOwnHost(ctx, address)
	if err != nil {
		return nil, err
	}
	if own {
		return nil, notAdmitted("This issuer does not accept metadata documents of this host.", "the client_id is a URL of this server itself")
	}
	return address, nil
}

// Offered reports whether a directory admits clients with a metadata document.
func Offered(directory storage.Directory) bool {
	return directory.Policy.Documents == storage.DocumentsHosts || directory.Policy.Documents == storage.DocumentsAny
}

// isListed reports whether an operator named the host of a document.
func isListed(directory storage.Directory, address *url.URL) bool {
	return slices.Contains(directory.Policy.DocumentHosts, hostOf(address))
}

func maxAgeOf(directory storage.Directory, address *url.URL) time.Duration {
	if isListed(directory, address) {
		return maxAge
	}
	return maxAgeAny
}

// recordOf returns the record of the client that a document describes, without incarnation. The logo is for directories that list its
// host: the document may have been fetched for another one.
func recordOf(doc document, directory storage.Directory, address *url.URL, id string) (storage.Client, error) {
	record, err := doc.metadata.Client(directory)
	if err != nil {
		return record, errors.Join(errInvalid, err)
	}
	record.ID, record.Origin = id, storage.OriginDocument
	if isListed(directory, address) {
		record.Logo = doc.logo
	}
	record.Copy = storage.DocumentCopy{
		FetchedAt: storage.Instant(doc.at), FreshUntil: storage.Instant(doc.until), ConsentDigest: doc.metadata.ConsentDigest(record),
	}
	return record, nil
}

// replaceAttempts bounds the attempts to store a newer copy.
const replaceAttempts = 4

// fetchStored fetches the document of a stored client, and stores it unless another instance stored a newer one.
func (c *Clients) fetchStored(ctx context.Context, issuer *oauth2.Issuer, address *url.URL, id string) (*oauth2.Client, error) {
	doc, err := c.fetcher.fetch(ctx, address, id, isListed(issuer.Directory, address))
	if err != nil {
		return nil, err
	}
	next, err := recordOf(doc, issuer.Directory, address, id)
	if err != nil {
		return nil, err
	}
	for range replaceAttempts {
		entry, err := storage.Get[storage.Client](ctx, c.config.Engine, storage.Key(issuer.Directory.ID, id))
		if err != nil {
			return nil, err
		}
		before := entry.Record
		if before.Origin != storage.OriginDocument || !before.Copy.FetchedAt.Before(next.Copy.FetchedAt) {
			break
		}
		_, err = entry.Replace(ctx, c.config.Engine, merged(before, next, c.config.Now()))
		if err == nil {
			break
		}
		if !errors.Is(err, storage.ErrConflict) {
			return nil, err
		}
	}
	return c.FreshClient(ctx, issuer.Directory.ID, id)
}

// merged returns the record of a newer document. What operators set, and what identifies the client, stays.
func merged(before, next storage.Client, now time.Time) storage.Client {
	next.Incarnation, next.DirectoryIncarnation, next.Disabled = before.Incarnation, before.DirectoryIncarnation, before.Disabled
	next.CreatedAt, next.UpdatedAt = before.CreatedAt, before.UpdatedAt
	if before.Copy.ConsentDigest != next.Copy.ConsentDigest || !bytes.Equal(before.Logo, next.Logo) || !slices.Equal(before.RedirectURIs, next.RedirectURIs) {
		next.UpdatedAt = storage.Instant(now)
	}
	return next
}

// notAdmitted is the error of a document that is not fetched.
func notAdmitted(description string, cause endpoint.OperatorCause) error {
	problem := endpoint.NewErrorStatus(fosite.ErrInvalidClient, http.StatusBadRequest, description)
	problem.Reason = ReasonNotAdmitted
	return endpoint.CausedBy(problem, cause)
}

// unusable is the error of a document that cannot be fetched or is invalid. The description names what is wrong with a public
// document, and nothing of a failed fetch, which could be a look into another network.
func unusable(err error) error {
	if err == nil || endpoint.IsUnavailable(err) || errors.Is(err, storage.ErrNotFound) {
		return err
	}
	description := "The metadata document of the client cannot be fetched. It must be JSON of at most 5 KB, at its URL without a redirect."
	if problem, ok := errors.AsType[*clientmetadata.Problem](err); ok {
		description = "The metadata document of the client is invalid: " + problem.Error() + "."
	} else if errors.Is(err, errInvalid) {
		description = "The metadata document of the client is invalid: it needs client_id, which is its own URL, client_name and redirect_uris, and has no secret."
	}
	problem := &grants.Error{
		Protocol: endpoint.Describe(fosite.ErrInvalidClient, description, endpoint.OperatorCause("the metadata document of the client cannot be used: "+err.Error())),
		Reason:   ReasonUnusable,
	}
	problem.Protocol.CodeField = http.StatusBadRequest
	return problem
}
