package endpoint

// ReturnLink is the link of an error page that lets the user continue.
type ReturnLink struct {
	// Client is the name of the application that started the flow; empty for none.
	Client string
	// URL starts the flow again; empty if only the application can do that.
	URL string
	// Text is the key of the link's text.
	Text string
}

// The keys of the texts of return links.
const (
	TextBeginAgain = "failure.again"
	TextReload     = "failure.reload"
	TextConsole    = "failure.console"
)
