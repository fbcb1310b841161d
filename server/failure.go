package server

import (
	"html"
	"io"
	"net/http"

	"github.com/minifed/minifed/grants"
)

// pageErrors writes errors as a page for people: what happened, and the ID under which the operator finds it.
func pageErrors(w http.ResponseWriter, r *http.Request, problem *grants.Error) {
	description, _ := problem.Members()["error_description"].(string)
	problem.WriteHeader(htmlWriter{w})
	page := `<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Sign-in failed</title></head>
<body><main>
<h1>This sign-in cannot go on</h1>
<p id="description">` + html.EscapeString(description) + `</p>
<p>Error: <code id="error">` + html.EscapeString(problem.Protocol.ErrorField) + `</code></p>
<p>Request: <code>` + html.EscapeString(callOf(r.Context()).id) + `</code></p>
</main></body>
</html>
`
	_, _ = io.WriteString(w, page) // The connection is gone when this fails.
}

// htmlWriter makes the answer a page, whatever type it was to be of.
type htmlWriter struct{ http.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (w htmlWriter) WriteHeader(status int) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.ResponseWriter.WriteHeader(status)
}
