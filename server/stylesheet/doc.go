// Package stylesheet has the part of the style sheets that the pages for users and the console for operators share.
package stylesheet
