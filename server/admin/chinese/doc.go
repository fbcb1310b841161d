// Package chinese translates what is wrong with a record into Simplified Chinese, from the English text that package admin and the
// packages below it return. One table has all texts, for the console and for the command line, which also gets texts from another
// server. A test compares the table with the source.
package chinese
