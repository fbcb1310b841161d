// Package clientdocument finds the clients whose client_id is the URL of their metadata document (OAuth Client ID Metadata
// Document). A document is fetched when a user is to sign in, and is stored when the first user consents.
package clientdocument
