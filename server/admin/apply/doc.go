// Package apply brings directories and clients to the state that files describe. It first computes a plan, which an operator
// reads: what is created, changed, left or deleted. It then does exactly that plan: a record that changed in between stops it.
// The command line, the API and the console share it. It reads no file: the caller reads them and resolves references to secrets.
package apply
