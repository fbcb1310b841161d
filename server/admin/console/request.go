package console

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"

	"github.com/minifed/minifed/server/admin"
)

const (
	// maxForm bounds a form without its files.
	maxForm = 256 << 10
	// maxParts bounds the fields and files of a form.
	maxParts = 500
)

// request is a request with the operator who sent it.
type request struct {
	*http.Request
	vars    map[string]string
	actor   admin.Actor
	service *admin.Service
	locale  *locale
	// form are the values of a posted form, and files the contents of its files by field.
	form  url.Values
	files map[string][]upload
	// input is what the operator typed before the sign-in; nil for nothing.
	input *input
}

// upload is a file of a form.
type upload struct {
	name    string
	content []byte
}

func (c *Console) request(r *http.Request, vars map[string]string) *request {
	return &request{Request: r, vars: vars, locale: c.renderer.locales.choose(r), form: url.Values{}, files: map[string][]upload{}}
}

// readForm reads a posted form. files bounds its files.
func (r *request) readForm(w http.ResponseWriter, files int64) error {
	mediaType, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return errBadForm
	}
	switch mediaType {
	case "application/x-www-form-urlencoded":
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
		if err != nil {
			return formError(err)
		}
		if r.form, err = url.ParseQuery(strings.ReplaceAll(string(body), "%0D%0A", "%0A")); err != nil {
			return errBadForm
		}
		return nil
	case "multipart/form-data":
		return r.readParts(multipart.NewReader(http.MaxBytesReader(w, r.Body, files+maxForm), parameters["boundary"]))
	default:
		return errBadForm
	}
}

// readParts reads a form with files into memory.
func (r *request) readParts(parts *multipart.Reader) error {
	for range maxParts {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return formError(err)
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return formError(err)
		}
		name := part.FormName()
		switch {
		case part.FileName() == "" && !strings.HasPrefix(part.Header.Get("Content-Disposition"), `form-data; name="`+name+`"; filename=`):
			r.form.Add(name, strings.ReplaceAll(string(content), "\r\n", "\n"))
		case len(content) > 0:
			r.files[name] = append(r.files[name], upload{part.FileName(), content})
		}
	}
	return errBadForm
}

func formError(err error) error {
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		return errTooLarge
	}
	return fmt.Errorf("%w: %w", errBadForm, err)
}

// directoryPath returns the path of a page of a directory.
func directoryPath(directory, page string) string {
	return Base + "d/" + url.PathEscape(directory) + "/" + page
}
