// Package page renders what end-users see: HTML without scripts, in their language and in the directory's colours. It
// also has the forms and their CSRF protection, the page of errors, and the texts of mail.
package page
