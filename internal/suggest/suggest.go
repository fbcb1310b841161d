package suggest

import "strings"

// Nearest returns the candidate that name is most likely a slip of. Names are paths: the last part counts most, because a
// key in the wrong section is as common a slip as a wrong letter. There is at least one candidate.
func Nearest(name string, candidates []string) string {
	best, bestDistance := candidates[0], slipDistance(name, candidates[0])
	for _, candidate := range candidates[1:] {
		if distance := slipDistance(name, candidate); distance < bestDistance {
			best, bestDistance = candidate, distance
		}
	}
	return best
}

// slipDistance counts letters twice, so that the wrong section loses against one wrong letter in the right one.
func slipDistance(a, b string) int {
	parentA, keyA := splitPath(a)
	parentB, keyB := splitPath(b)
	elsewhere := 2 * editDistance(keyA, keyB)
	if parentA != parentB {
		elsewhere += 3
	}
	return min(2*editDistance(a, b), elsewhere)
}

func splitPath(path string) (parent, key string) {
	dot := strings.LastIndexByte(path, '.')
	if dot < 0 {
		return "", path
	}
	return path[:dot], path[dot+1:]
}

// editDistance is the number of letters to insert, delete or replace to get from a to b (Levenshtein).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
