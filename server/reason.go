package server

// The reasons of errors that pages explain, and the parameter that holds an interaction in the URLs of pages.
const (
	interactionParameter   = "interaction"
	reasonInteractionOver  = "interaction_over"
	reasonInteractionOther = "interaction_of_another_browser"
	// reasonAnswered is that of a pushed request which got its code.
	reasonAnswered    = "request_answered"
	reasonRateLimited = "rate_limited"
)
