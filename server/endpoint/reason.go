package endpoint

// The reasons of errors that pages explain, and the parameter that holds an interaction in the URLs of pages.
const (
	InteractionParameter   = "interaction"
	ReasonInteractionOver  = "interaction_over"
	ReasonInteractionOther = "interaction_of_another_browser"
	// ReasonAnswered is that of a pushed request which got its code.
	ReasonAnswered    = "request_answered"
	ReasonRateLimited = "rate_limited"
)
