// Package archive reads and writes a whole store as one file.
//
// An archive moves a store to another engine. It is sealed by the master key and compressed; inside it is a sequence of JSON lines,
// one for each document. The last line has the number of documents and their digest, so a cut or changed file is rejected.
package archive
