package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/minifed/minifed/cmd/minifed/internal/deployment"
	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/outbound"
	"github.com/minifed/minifed/storage"
)

// published is what an API publishes of itself (RFC 9728 §2), as far as its record can be compared with it.
type published struct {
	Resource          string   `json:"resource"`
	Servers           []string `json:"authorization_servers"`
	Scopes            []string `json:"scopes_supported"`
	Methods           []string `json:"bearer_methods_supported"`
	SigningAlgorithms []string `json:"resource_signing_alg_values_supported"`
	DPoP              bool     `json:"dpop_bound_access_tokens_required"`
	Certificate       bool     `json:"tls_client_certificate_bound_access_tokens"`
}

// maxPublished bounds the metadata of an API, in bytes.
const maxPublished = 64 << 10

// comparison compares what one API publishes with its record.
type comparison struct {
	*examination
	record   storage.Resource
	issuer   string
	check    locale.Message
	calls    *outbound.Client
	address  string
	document published
}

// comparePublished compares an API with its record in each directory that has one.
func (e *examination) comparePublished(ctx context.Context, opened *deployment.Deployment, identifier string) {
	check := locale.Text("doctor.api", identifier)
	parsed, err := url.Parse(identifier)
	if err != nil || parsed.Host == "" {
		e.fail(check, locale.Text("doctor.api.no_url"), locale.Text("doctor.api.no_url.remedy"))
		return
	}
	directories, _, err := collect(paging{limit: storage.MaxPage, all: true}, func(page admin.Page) ([]storage.Directory, string, error) {
		return opened.Admin.Directories(ctx, page)
	})
	if err != nil {
		e.failBy(check, err, locale.Text("doctor.look_at_store"))
		return
	}
	found, near := false, locale.List{}
	for _, directory := range directories {
		for _, resource := range e.resourcesOf(ctx, opened, directory.ID) {
			switch other, err := url.Parse(resource.Identifier); {
			case storage.SameResource(resource.Identifier, identifier):
				found = true
				e.compare(ctx, resource, e.config.IssuerOf(directory))
			case err == nil && strings.EqualFold(other.Host, parsed.Host):
				near = append(near, resource.Identifier)
			}
		}
	}
	switch {
	case found:
	case len(near) > 0:
		e.fail(check, locale.Text("doctor.api.unknown"), locale.Text("doctor.api.near", near))
	default:
		e.fail(check, locale.Text("doctor.api.unknown"), locale.Text("doctor.api.unknown.remedy", identifier))
	}
}

// compare compares one record with what its API publishes.
func (e *examination) compare(ctx context.Context, record storage.Resource, issuer string) {
	c := &comparison{
		examination: e, record: record, issuer: issuer, check: resourceCheck(record),
		calls:   outbound.NewClient(outbound.Config{AllowPrivate: true}), // The operator names the address.
		address: metadataAddress(record.Identifier),
	}
	before := len(e.findings)
	if record.Disabled {
		e.warn(c.check, locale.Text("doctor.api.disabled"), locale.Text("doctor.api.disabled.remedy", record.Identifier, record.Directory))
	}
	c.checkChallenge(ctx)
	if c.readMetadata(ctx) {
		c.checkIdentity()
		c.checkScopes()
		c.checkTokens()
	}
	if len(e.findings) == before {
		e.ok(c.check, locale.Text("doctor.api.ok", c.address))
	}
}

// metadataAddress returns where the metadata of a resource is: the well-known path between host and path (RFC 9728 §3.1).
func metadataAddress(identifier string) string {
	parsed, err := url.Parse(identifier)
	if err != nil {
		return ""
	}
	address := parsed.Scheme + "://" + parsed.Host + "/.well-known/oauth-protected-resource" + strings.TrimSuffix(parsed.EscapedPath(), "/")
	if parsed.RawQuery != "" {
		address += "?" + parsed.RawQuery
	}
	return address
}

// readMetadata reads the metadata, and reports whether there is one.
func (c *comparison) readMetadata(ctx context.Context) bool {
	body, header, err := c.calls.GetJSON(ctx, c.address, maxPublished)
	if err == nil {
		err = json.Unmarshal(body, &c.document)
	}
	if err != nil {
		c.fail(c.check, locale.Text("doctor.api.metadata", c.address, err), locale.Text("doctor.api.metadata.remedy"))
		return false
	}
	c.document.Resource = shownOf(c.document.Resource)
	c.document.Servers, c.document.Scopes, c.document.Methods = allShown(c.document.Servers), allShown(c.document.Scopes), allShown(c.document.Methods)
	if header.Get("Access-Control-Allow-Origin") == "" {
		c.warn(c.check, locale.Text("doctor.api.cors"), locale.Text("doctor.api.cors.remedy"))
	}
	return true
}

const (
	// maxShown bounds a text of an API in a finding, in bytes, and maxListed a list.
	maxShown  = 512
	maxListed = 64
)

// shownOf returns a text of an API for the terminal: without control characters, and not too long.
func shownOf(text string) string {
	printed := func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}
	return strings.Map(printed, strings.ToValidUTF8(text[:min(len(text), maxShown)], ""))
}

// allShown is shownOf for a list; nil remains nil.
func allShown(texts []string) []string {
	texts = texts[:min(len(texts), maxListed)]
	for i := range texts {
		texts[i] = shownOf(texts[i])
	}
	return texts
}

// checkChallenge sends a request without a token: its response names the metadata (RFC 9728 §5.1).
func (c *comparison) checkChallenge(ctx context.Context) {
	status, header, err := c.calls.Probe(ctx, c.record.Identifier)
	if err != nil {
		c.fail(c.check, locale.Text("doctor.unreachable", c.record.Identifier, err), locale.Text("doctor.api.unreachable.remedy"))
		return
	}
	if status != http.StatusUnauthorized {
		c.warn(c.check, locale.Text("doctor.api.status", status), locale.Text("doctor.api.status.remedy"))
		return
	}
	challenge := bearerChallenge(header)
	named := shownOf(parameterOf(challenge, "resource_metadata"))
	switch {
	case challenge == "":
		c.fail(c.check, locale.Text("doctor.api.no_challenge"), locale.Text("doctor.api.challenge.remedy", c.address))
	case named == "":
		c.warn(c.check, locale.Text("doctor.api.no_address"), locale.Text("doctor.api.challenge.remedy", c.address))
	case !sameAddress(named, c.address):
		c.warn(c.check, locale.Text("doctor.api.other_address", named, c.address), locale.Text("doctor.api.challenge.remedy", c.address))
	}
	if unknown := c.unknownScopes(allShown(strings.Fields(parameterOf(challenge, "scope")))); len(unknown) > 0 {
		c.fail(c.check, locale.Text("doctor.api.challenge_scopes", unknown), c.scopesRemedy())
	}
}

// bearerChallenge returns the parameters of the challenge of scheme Bearer; empty if there is none.
func bearerChallenge(header http.Header) string {
	const scheme = "bearer "
	for _, value := range header.Values("WWW-Authenticate") {
		lower := strings.ToLower(value)
		at := strings.Index(lower, scheme)
		if at == 0 || at > 0 && strings.HasSuffix(strings.TrimSpace(lower[:at]), ",") {
			return value[at:]
		}
		if strings.TrimSpace(lower) == strings.TrimSpace(scheme) {
			return value
		}
	}
	return ""
}

// parameterOf returns a parameter of a challenge.
func parameterOf(challenge, name string) string {
	match := regexp.MustCompile(`(?i)[\s,]` + name + `\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))`).FindStringSubmatch(challenge)
	if match == nil {
		return ""
	}
	return strings.ReplaceAll(match[1], `\`, "") + match[2]
}

// sameAddress compares addresses of metadata, without a slash at the end.
func sameAddress(a, b string) bool {
	return storage.SameResource(strings.TrimSuffix(a, "/"), strings.TrimSuffix(b, "/"))
}

// checkIdentity compares who the API is, and whose tokens it accepts. Clients compare both letter by letter.
func (c *comparison) checkIdentity() {
	if c.document.Resource != c.record.Identifier {
		c.fail(c.check, locale.Text("doctor.api.identifier", c.document.Resource), locale.Text("doctor.api.identifier.remedy", c.record.Identifier))
	}
	if !slices.Contains(c.document.Servers, c.issuer) {
		c.fail(c.check, locale.Text("doctor.api.issuer", locale.List(c.document.Servers), c.issuer), locale.Text("doctor.api.issuer.remedy", c.issuer))
	}
}

// checkScopes compares the scopes.
func (c *comparison) checkScopes() {
	if unknown := c.unknownScopes(c.document.Scopes); len(unknown) > 0 {
		c.fail(c.check, locale.Text("doctor.api.scopes", unknown), c.scopesRemedy())
	}
	var hidden locale.List
	for _, name := range c.record.ScopeNames() {
		if !slices.Contains(c.document.Scopes, name) {
			hidden = append(hidden, name)
		}
	}
	if len(hidden) > 0 {
		c.warn(c.check, locale.Text("doctor.api.hidden", hidden), locale.Text("doctor.api.hidden.remedy"))
	}
}

// unknownScopes returns the scopes that neither the record nor the issuer has.
func (c *comparison) unknownScopes(named []string) (unknown locale.List) {
	for _, name := range named {
		_, has := c.record.Scope(name)
		if !has && !slices.Contains(endpoint.ScopesSupported(), name) {
			unknown = append(unknown, name)
		}
	}
	return unknown
}

func (c *comparison) scopesRemedy() locale.Message {
	return locale.Text("doctor.api.scopes.remedy", c.record.Identifier, c.record.Directory)
}

// checkTokens finds demands on tokens that no token of this issuer meets.
func (c *comparison) checkTokens() {
	methods := c.document.Methods
	if methods != nil && !slices.Contains(methods, "header") {
		c.fail(c.check, locale.Text("doctor.api.methods", locale.List(methods)), locale.Text("doctor.api.methods.remedy"))
	}
	if slices.Contains(methods, "query") {
		c.warn(c.check, locale.Text("doctor.api.query"), locale.Text("doctor.api.query.remedy"))
	}
	if c.document.DPoP || c.document.Certificate {
		c.fail(c.check, locale.Text("doctor.api.bound"), locale.Text("doctor.api.bound.remedy"))
	}
	if slices.Contains(c.document.SigningAlgorithms, "none") {
		c.fail(c.check, locale.Text("doctor.api.unsigned"), locale.Text("doctor.api.unsigned.remedy"))
	}
}
