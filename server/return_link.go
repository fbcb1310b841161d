package server

// returnLink is what a page of a failure offers people to go on with.
type returnLink struct {
	// client is the name of the application that led here; empty for none.
	client string
	// url begins the same again; empty where only the application can.
	url string
	// text is the key of what the link says.
	text string
}

// The keys of what return links say.
const (
	textBeginAgain = "failure.again"
	textReload     = "failure.reload"
)
