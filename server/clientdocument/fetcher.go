package clientdocument

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/minifed/minifed/internal/bounded"
	"github.com/minifed/minifed/server/clientmetadata"
	"github.com/minifed/minifed/server/outbound"
)

const (
	// maxDocument bounds a document, in bytes.
	maxDocument = 5 << 10
	// fetchesPerHost bounds the fetches from one host in fetchWindow, and fetchesInAll those from all hosts.
	fetchesPerHost = 10
	fetchesInAll   = 240
	fetchWindow    = time.Minute
	// maxHosts and maxRecent bound the hosts and the documents in memory.
	maxHosts  = 4096
	maxRecent = 1024
	// minFresh and maxFresh bound the time until the next fetch; without a header of the document it is usualFresh.
	minFresh   = 5 * time.Minute
	usualFresh = time.Hour
	maxFresh   = 24 * time.Hour
)

// document is a fetched document.
type document struct {
	metadata clientmetadata.Metadata
	// logo is the drawn logo, if withLogo is true and the client has one.
	logo     []byte
	withLogo bool
	// at is the time of the fetch, and until that from which it is fetched again.
	at, until time.Time
}

var (
	// errBusy means that too many documents were fetched from the host.
	errBusy = errors.New("too many documents were fetched from this host within a minute")
	// errInvalid means that the response is no valid document.
	errInvalid = errors.New("the document is invalid")
)

// fetcher fetches documents: at any time one from each host, and not too many. It stores no failure.
type fetcher struct {
	outgoing *outbound.Client
	logos    func(ctx context.Context, file []byte) ([]byte, error)
	now      func() time.Time

	flights singleflight.Group
	mu      sync.Mutex
	recent  *bounded.Map[string, document]    // by URL; guarded by mu
	fetches *bounded.Map[string, []time.Time] // the last fetches by host; guarded by mu
}

func newFetcher(config Config) *fetcher {
	return &fetcher{
		outgoing: config.Outgoing, logos: config.Logos, now: config.Now,
		recent: bounded.New[string, document](maxRecent), fetches: bounded.New[string, []time.Time](maxHosts),
	}
}

// cached returns a document that was fetched recently.
func (f *fetcher) cached(id string) (document, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.recent.Get(id)
}

// flight is the result of a fetch, and the URL that it was for.
type flight struct {
	id  string
	doc document
	err error
}

// fetch fetches a document. Callers of the same document share one fetch, and those of others at the same host wait for it. A
// directory that lists the host gets the logo too.
func (f *fetcher) fetch(ctx context.Context, address *url.URL, id string, withLogo bool) (document, error) {
	for ctx.Err() == nil {
		done := f.flights.DoChan(address.Hostname(), func() (any, error) {
			doc, err := f.load(context.WithoutCancel(ctx), address, id, withLogo)
			return flight{id, doc, err}, nil
		})
		select {
		case result := <-done:
			if shared, _ := result.Val.(flight); shared.id == id && (shared.err != nil || shared.doc.withLogo || !withLogo) {
				return shared.doc, shared.err
			}
		case <-ctx.Done():
		}
	}
	return document{}, ctx.Err()
}

// load fetches a document and stores it in memory.
func (f *fetcher) load(ctx context.Context, address *url.URL, id string, withLogo bool) (document, error) {
	if !f.take(address.Hostname(), fetchesPerHost) || !f.take("", fetchesInAll) {
		return document{}, errBusy
	}
	doc := document{at: f.now()}
	body, header, err := f.outgoing.GetJSON(ctx, id, maxDocument)
	if err != nil {
		return document{}, err
	}
	if doc.metadata, err = parse(body, id); err != nil {
		return document{}, err
	}
	doc.until = doc.at.Add(freshness(header))
	if doc.withLogo = withLogo; withLogo {
		doc.logo = f.logo(ctx, doc.metadata.LogoURI)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.recent.Put(id, doc, doc.at, doc.until)
	return doc, nil
}

// logo fetches and draws a logo. A client can be used without one, so an error counts as none.
func (f *fetcher) logo(ctx context.Context, address string) []byte {
	parsed, err := url.Parse(address)
	if err != nil || address == "" || !f.take(parsed.Hostname(), fetchesPerHost) {
		return nil
	}
	file, err := f.outgoing.Get(ctx, address, "image/png, image/jpeg, image/gif")
	if err != nil {
		return nil
	}
	drawn, err := f.logos(ctx, file)
	if err != nil {
		return nil
	}
	return drawn
}

// take counts a fetch; false means that there were too many in the last fetchWindow.
func (f *fetcher) take(host string, limit int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	before, _ := f.fetches.Get(host)
	if len(before) == limit {
		if now.Sub(before[0]).Abs() < fetchWindow {
			return false
		}
		before = before[1:]
	}
	f.fetches.Put(host, append(before, now), now, now.Add(fetchWindow))
	return true
}

// mayRetry reports whether the last attempt to fetch a document for the token endpoint is fetchWindow ago.
func (f *fetcher) mayRetry(id string) bool { return f.take("token endpoint "+id, 1) }

// parse reads a document, which names its own URL and has no secret.
func parse(body []byte, id string) (clientmetadata.Metadata, error) {
	metadata, err := clientmetadata.Parse(body)
	switch {
	case err != nil:
		return metadata, fmt.Errorf("%w: %w", errInvalid, err)
	case metadata.ClientID != id:
		return metadata, fmt.Errorf("%w: its client_id is not its URL", errInvalid)
	case metadata.ClientName == "":
		return metadata, fmt.Errorf("%w: client_name is missing", errInvalid)
	case metadata.HasSecret || strings.HasPrefix(metadata.AuthMethod, "client_secret_"):
		return metadata, fmt.Errorf("%w: a client with a public document cannot have a secret", errInvalid)
	}
	return metadata, nil
}

// freshness is how long a document need not be fetched again, by its header (RFC 9111 §5.2.2).
func freshness(header http.Header) time.Duration {
	fresh := usualFresh
	for directive := range strings.SplitSeq(strings.Join(header.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.ToLower(strings.TrimSpace(directive)), "=")
		switch name {
		case "no-store", "no-cache", "must-understand":
			return minFresh
		case "max-age":
			seconds, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31)
			if err == nil {
				fresh = time.Duration(seconds) * time.Second
			}
		}
	}
	return min(max(fresh, minFresh), maxFresh)
}
