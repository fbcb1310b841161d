package endpoint

// The reasons of errors that pages explain, and the query parameter of pages that holds an interaction.
const (
	InteractionParameter   = "interaction"
	ReasonInteractionOver  = "interaction_over"
	ReasonInteractionOther = "interaction_of_another_browser"
	// ReasonAnswered is the reason when a pushed request already has its code.
	ReasonAnswered    = "request_answered"
	ReasonRateLimited = "rate_limited"
	// ReasonWrongHost and ReasonPlainHTTP are the reasons of the admin listener for a request to another host, and for one that
	// does not arrive by https.
	ReasonWrongHost = "wrong_host"
	ReasonPlainHTTP = "plain_http"
)
