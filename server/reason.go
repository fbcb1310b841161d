package server

// The reasons of errors that pages explain, and the parameter that holds an interaction in the URLs of pages.
const (
	interactionParameter   = "interaction"
	reasonInteractionOver  = "interaction_over"
	reasonInteractionOther = "interaction_of_another_browser"
	reasonRateLimited      = "rate_limited"
)
