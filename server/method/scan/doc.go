// Package scan is the sign-in of a browser that the user confirms in a mini-program: by scanning a picture with a phone (scan), or by
// a link on the same phone (link). The picture or link has a scene, which identifies the sign-in. The browser waits for the decision,
// and the backend of the mini-program sends it.
package scan
