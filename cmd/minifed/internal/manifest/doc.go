// Package manifest reads and writes the YAML files of `minifed apply`. It resolves references to secrets and to other files on
// the machine of the operator, so that no file has a secret in it.
package manifest
