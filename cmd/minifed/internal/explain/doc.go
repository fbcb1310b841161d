// Package explain turns errors into texts for the person at the terminal, with the remedy.
package explain
