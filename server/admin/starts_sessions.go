package admin

// StartsSessionsGivesAway says what a client's backend can do with starts_sessions, for the operator who is asked to allow it.
const StartsSessionsGivesAway = "with a login code of a user, the backend can sign that user in to any browser, at every client of this " +
	"directory, without the user's consent"
