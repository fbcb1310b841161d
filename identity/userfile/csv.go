package userfile

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/minifed/minifed/identity"
)

// The columns of CSV whose header names more than the member.
const (
	attributeColumn = "attribute:"
	openIDColumn    = "openid:"
	unionIDColumn   = "unionid:"
	// separator is between several groups or values of an attribute.
	separator = ";"
)

// rowLimit returns an error for a row that is too long, before it fills the memory.
type rowLimit struct {
	in   io.Reader
	left int
}

var errRowTooLong = errors.New("userfile: row too long")

func (l *rowLimit) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, errRowTooLong
	}
	n, err := l.in.Read(p[:min(len(p), l.left)])
	l.left -= n
	return n, err
}

func newCSVReader(in *bufio.Reader) (*Reader, error) {
	limit := &rowLimit{in: in, left: MaxRow}
	parser := csv.NewReader(limit)
	parser.ReuseRecord = true
	header, err := parser.Read()
	if err != nil {
		return nil, csvError(err, 1)
	}
	header = slices.Clone(header)
	if err := checkHeader(header); err != nil {
		return nil, err
	}
	line := 1
	return &Reader{next: func() (record, error) {
		limit.left = MaxRow
		cells, err := parser.Read()
		if err != nil {
			return record{}, csvError(err, line+1)
		}
		line, _ = parser.FieldPos(0)
		for n, cell := range cells {
			if err := checkUTF8(line, []byte(cell)); err != nil {
				line, column := parser.FieldPos(n)
				return record{}, &Error{Line: line, Column: column, Problem: "is not UTF-8: save the file as UTF-8"}
			}
		}
		return record{line, csvFields(header, cells)}, nil
	}}, nil
}

// csvError names the place of a problem.
func csvError(err error, line int) error {
	parse := (*csv.ParseError)(nil)
	switch {
	case errors.Is(err, io.EOF) && line == 1:
		return &Error{Line: 1, Problem: "is empty: the first line names the columns"}
	case errors.Is(err, io.EOF):
		return io.EOF
	case errors.Is(err, errRowTooLong):
		return &Error{Line: line, Problem: fmt.Sprintf("has a row of more than %d bytes; a quotation mark may be missing", MaxRow)}
	case !errors.As(err, &parse):
		return err
	case errors.Is(err, csv.ErrFieldCount):
		return &Error{Line: parse.StartLine, Column: parse.Column, Problem: "has another number of columns than the first line"}
	default:
		return &Error{Line: parse.Line, Column: parse.Column, Problem: "has a quotation mark that is not CSV (RFC 4180)"}
	}
}

func checkHeader(header []string) error {
	if len(header) > maxColumns {
		return &Error{Line: 1, Problem: fmt.Sprintf("has more than %d columns", maxColumns)}
	}
	for n, name := range header {
		if err := checkUTF8(1, []byte(name)); err != nil {
			return err
		}
		if slices.Contains(header[:n], name) {
			return &Error{Line: 1, Column: n + 1, Problem: "names a column twice"}
		}
		if !knownColumn(name) {
			return &Error{Line: 1, Column: n + 1, Problem: "names an unknown column; the columns are " + strings.Join(columns(), ", ")}
		}
	}
	return nil
}

func columns() []string {
	return append(texts(), "groups", "disabled", "email_verified", "phone_number_verified", attributeColumn+"NAME", openIDColumn+"APP_ID", unionIDColumn+"OPEN_PLATFORM")
}

func knownColumn(name string) bool {
	for _, prefix := range []string{attributeColumn, openIDColumn, unionIDColumn} {
		if rest, found := strings.CutPrefix(name, prefix); found {
			return rest != ""
		}
	}
	return slices.Contains(columns(), name)
}

// csvFields turns the cells of a row into fields. An empty cell is a missing value.
func csvFields(header, cells []string) fields {
	f := fields{texts: map[string]string{}, flags: map[string]string{}, attributes: map[string][]string{}}
	for n, name := range header {
		cell := cells[n]
		if cell == "" {
			continue
		}
		prefix, rest, _ := strings.Cut(name, ":")
		switch prefix + ":" {
		case attributeColumn:
			f.attributes[rest] = split(cell)
			continue
		case openIDColumn:
			f.wechat = append(f.wechat, identity.WeChatIdentity{AppID: rest, OpenID: cell})
			continue
		case unionIDColumn:
			f.wechat = append(f.wechat, identity.WeChatIdentity{OpenPlatform: rest, UnionID: cell})
			continue
		}
		switch {
		case name == "groups":
			f.groups = split(cell)
		case slices.Contains(flagNames(), name):
			f.flags[name] = cell
		default:
			f.texts[name] = strings.Clone(cell)
		}
	}
	return f
}

func split(cell string) []string {
	return slices.DeleteFunc(strings.Split(strings.Clone(cell), separator), func(part string) bool { return strings.TrimSpace(part) == "" })
}

func flagNames() []string { return []string{"disabled", "email_verified", "phone_number_verified"} }
