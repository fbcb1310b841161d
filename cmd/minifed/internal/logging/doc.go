// Package logging creates the logger that the configuration describes.
package logging
