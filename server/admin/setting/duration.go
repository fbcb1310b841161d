package setting

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

var (
	// ErrDuration says that a text is not a duration.
	ErrDuration = errors.New("must be a duration such as 10m, 12h or 30d")
	// ErrPartOfSecond says that a duration is negative or not a number of seconds.
	ErrPartOfSecond = errors.New("must be a positive number of whole seconds")
)

// ParseSeconds reads a duration as Go writes it, such as 90m, or as a number of days, such as 30d, and returns its seconds.
func ParseSeconds(text string) (int64, error) {
	if number, found := strings.CutSuffix(text, "d"); found {
		count, err := strconv.ParseUint(number, 10, 16)
		if err != nil {
			return 0, ErrDuration
		}
		return int64(count) * 24 * 60 * 60, nil
	}
	duration, err := time.ParseDuration(text)
	if err != nil {
		return 0, ErrDuration
	}
	if duration < 0 || duration%time.Second != 0 {
		return 0, ErrPartOfSecond
	}
	return int64(duration / time.Second), nil
}

// SecondsText writes a number of seconds in the form that ParseSeconds reads; 0, the default, is empty.
func SecondsText(seconds int64) string {
	const day = 24 * 60 * 60
	switch {
	case seconds == 0:
		return ""
	case seconds%day == 0:
		return fmt.Sprintf("%dd", seconds/day)
	default:
		return (time.Duration(seconds) * time.Second).String()
	}
}
