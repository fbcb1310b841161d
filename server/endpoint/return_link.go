package endpoint

// ReturnLink is what a page of a failure offers people to go on with.
type ReturnLink struct {
	// Client is the name of the application that led here; empty for none.
	Client string
	// URL begins the same again; empty where only the application can.
	URL string
	// Text is the key of what the link says.
	Text string
}

// The keys of what return links say.
const (
	TextBeginAgain = "failure.again"
	TextReload     = "failure.reload"
)
