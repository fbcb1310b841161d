package userfile

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/minifed/minifed/identity"
)

const (
	// MaxRow bounds a row of a file, in bytes.
	MaxRow = 64 << 10
	// maxColumns bounds the columns of a CSV file.
	maxColumns = 64
)

// Format is how a file is written.
type Format string

// The formats of files.
const (
	CSV       Format = "csv"
	JSONLines Format = "jsonl"
)

// FormatOf returns the format that the name of a file ends with.
func FormatOf(name string) (Format, bool) {
	switch lower := strings.ToLower(name); {
	case strings.HasSuffix(lower, ".csv"):
		return CSV, true
	case strings.HasSuffix(lower, ".jsonl"), strings.HasSuffix(lower, ".ndjson"):
		return JSONLines, true
	default:
		return "", false
	}
}

// Error is a problem of a file. Its text contains no value of the file.
type Error struct {
	// Line is the line, from 1, in which the row begins or in which the syntax is wrong.
	Line int
	// Column is the byte in the line, from 1; 0 if Member says it.
	Column int
	// Member is the member or the column of the header; empty if the syntax is wrong.
	Member string
	// Problem says what is wrong.
	Problem string
}

// Error implements error: "line 3, email: must be …".
func (e *Error) Error() string {
	text := fmt.Sprintf("line %d", e.Line)
	if e.Column > 0 {
		text += fmt.Sprintf(", column %d", e.Column)
	}
	if e.Member != "" {
		text += ", " + e.Member
	}
	return text + ": " + e.Problem
}

// Row is one user of a file.
type Row struct {
	// Line is the line in which the row begins.
	Line int
	// User is in the stored form of package identity.
	User identity.Import
	// Dropped are members that were left out, because the file says that the value is not verified.
	Dropped []string
}

// Reader reads rows.
type Reader struct{ next func() (record, error) }

// record is a row as its format has it.
type record struct {
	line   int
	fields fields
}

// NewReader returns a reader of a file. A file that does not begin as its format says is an *Error.
func NewReader(in io.Reader, format Format) (*Reader, error) {
	buffered := bufio.NewReaderSize(in, MaxRow)
	if mark, err := buffered.Peek(3); err == nil && bytes.Equal(mark, []byte("\xef\xbb\xbf")) {
		_, _ = buffered.Discard(len(mark)) // It was peeked at.
	}
	switch format {
	case CSV:
		return newCSVReader(buffered)
	case JSONLines:
		return newJSONReader(buffered), nil
	default:
		return nil, fmt.Errorf("userfile: unknown format %q", string(format))
	}
}

// Read returns the next row, or io.EOF. After an *Error about a value of a row, Read continues with the next row; Broken
// distinguishes the two kinds.
func (r *Reader) Read() (Row, error) {
	read, err := r.next()
	if err != nil {
		return Row{}, err
	}
	row, err := read.fields.row()
	row.Line = read.line
	if problem := (*Error)(nil); errors.As(err, &problem) && problem.Line == 0 {
		problem.Line = read.line
	}
	return row, err
}

// Broken reports whether the syntax of the file is wrong, so that nothing can be read after it.
func Broken(err error) bool {
	problem := (*Error)(nil)
	return err != nil && (!errors.As(err, &problem) || problem.Member == "")
}

func checkUTF8(line int, text []byte) error {
	if utf8.Valid(text) {
		return nil
	}
	column := 1
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		if r == utf8.RuneError && size == 1 {
			break
		}
		column, text = column+size, text[size:]
	}
	return &Error{Line: line, Column: column, Problem: "is not UTF-8: save the file as UTF-8"}
}
