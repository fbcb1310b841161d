// Package relyingparty is the table of relying parties and frameworks that minifed has the settings of: the kind of client, the
// redirect URIs, and the configuration text of each. The command line, the console and the documents read this one table, so
// that all of them propose the same client.
package relyingparty
