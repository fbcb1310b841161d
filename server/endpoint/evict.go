package endpoint

// Evict removes entries of a full map, so that one more fits: the expired ones, or any one if none has expired.
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
