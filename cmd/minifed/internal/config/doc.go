// Package config reads the configuration: defaults, config.yaml and environment variables, in this order.
//
// It reports all problems at once, each with its file, line and key. Secrets come from files or variables and never print.
package config
