// Package clientmetadata reads client metadata (RFC 7591 §2) that no operator has checked, and converts it to the record of a
// client. Metadata documents and dynamic registration use it.
package clientmetadata
