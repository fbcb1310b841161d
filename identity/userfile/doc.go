// Package userfile reads and writes files of users: CSV with a header, or one JSON object a line (https://jsonlines.org).
//
// Both have the same members, which docs/operations.md describes. A Reader checks every row and returns it in the stored form of
// package identity. Everything is bounded, and an Error names line and column. Its text never contains a value of the file.
package userfile
