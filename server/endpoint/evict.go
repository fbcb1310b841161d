package endpoint

// Evict makes room for one more entry in a map that is full: it drops those that are over, or else any one.
func Evict[K comparable, V any](entries map[K]V, limit int, over func(V) bool) {
	for key, value := range entries {
		if over(value) {
			delete(entries, key)
		}
	}
	for key := range entries {
		if len(entries) < limit {
			return
		}
		delete(entries, key)
	}
}
