// Package setting is the table of the settings of directories, clients and profiles that an operator can change. The command line creates
// its options from it, and the console its forms, so that a new setting appears on both.
package setting
