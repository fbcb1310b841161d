package templates

import (
	"html/template"
	"io/fs"
	"path"
	"strings"
	"sync"
)

// Template parses the template of a page when it is called first.
type Template func() (*template.Template, error)

// Read returns the template of each file pages/NAME.html by its name. They share pages/frame.html and pages/parts.html, which are parsed
// once.
func Read(files fs.FS) (map[string]Template, error) {
	names, err := fs.Glob(files, "pages/*.html")
	if err != nil {
		return nil, err
	}
	frame := sync.OnceValues(func() (*template.Template, error) {
		return template.New("frame.html").Option("missingkey=error").ParseFS(files, "pages/frame.html", "pages/parts.html")
	})
	pages := map[string]Template{}
	for _, file := range names {
		name := strings.TrimSuffix(path.Base(file), ".html")
		if name != "frame" && name != "parts" {
			pages[name] = sync.OnceValues(func() (*template.Template, error) { return parseIn(frame, files, file) })
		}
	}
	return pages, nil
}

// parseIn parses the template of a page in the frame.
func parseIn(frame Template, files fs.FS, file string) (*template.Template, error) {
	shared, err := frame()
	if err != nil {
		return nil, err
	}
	own, err := shared.Clone()
	if err != nil {
		return nil, err
	}
	return own.ParseFS(files, file)
}
