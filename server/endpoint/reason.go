package endpoint

// The reasons of errors that pages explain, and the query parameter of pages that holds an interaction.
const (
	InteractionParameter   = "interaction"
	ReasonInteractionOver  = "interaction_over"
	ReasonInteractionOther = "interaction_of_another_browser"
	// ReasonAnswered is the reason when a pushed request already has its code.
	ReasonAnswered    = "request_answered"
	ReasonRateLimited = "rate_limited"
)
