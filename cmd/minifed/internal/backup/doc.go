// Package backup takes backups of an SQLite store into a folder, checks them, and removes the oldest.
//
// A name in the folder is that of a finished and checked backup. What a killed process left has another name, and is removed later.
package backup
