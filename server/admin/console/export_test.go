package console

// Address is what the console serves at a path, for tests that visit all paths.
type Address struct {
	// Path is relative to Base, with {names} of its variables.
	Path              string
	Get, Post, IsOpen bool
}

// Addresses returns all addresses of the console.
func Addresses() []Address {
	var all []Address
	for _, route := range new(Console).routes() {
		all = append(all, Address{route.path, route.get != nil, route.post != nil, route.open})
	}
	return all
}
