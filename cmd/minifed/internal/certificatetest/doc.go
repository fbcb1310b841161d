// Package certificatetest writes TLS certificates for tests.
package certificatetest
