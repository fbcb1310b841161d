// Package audittest tests package audit on a storage engine: what it writes verifies, and what is changed is found.
package audittest
