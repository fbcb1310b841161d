package api

import (
	"net/url"
	"slices"
	"strings"
)

// etagOf is the entity tag of a revision (RFC 9110 §8.8.3).
func etagOf(revision string) string { return `"` + revision + `"` }

// matches reports whether one of the entity tags of a header is that of a revision, or *.
func matches(header []string, revision string) bool {
	for _, value := range header {
		tags := strings.Split(value, ",")
		if slices.ContainsFunc(tags, func(tag string) bool {
			tag = strings.TrimSpace(tag)
			return tag == "*" || strings.TrimPrefix(tag, "W/") == etagOf(revision)
		}) {
			return true
		}
	}
	return false
}

// requireMatch requires that If-Match names the revision that is there, so that no change is lost that the caller has not seen.
func (c *call) requireMatch(revision string) error {
	if len(c.Header.Values("If-Match")) == 0 {
		return newProblem(problemNeedsIfMatch, "send the header ETag of the last response as If-Match")
	}
	return c.allowMatch(revision)
}

// allowMatch is requireMatch for operations where If-Match may be absent.
func (c *call) allowMatch(revision string) error {
	if tags := c.Header.Values("If-Match"); len(tags) > 0 && !matches(tags, revision) {
		return newProblem(problemPrecondition, "it was changed since it was read; read it again and decide again").with("ETag", etagOf(revision))
	}
	return nil
}

func mustPath(path string) *url.URL { return &url.URL{Path: path} }
