package authorize

import (
	"maps"
	"slices"
	"strings"

	"github.com/minifed/minifed/storage"
)

// A decision is a set of values. The value of a scope of OpenID Connect or of the client is its name. The value of a resource is
// resourceValue, which has a space, and that of a scope of a resource has the name of the scope behind it.

// resourceValue returns the value of a resource.
func resourceValue(identifier, incarnation string) string {
	return identifier + "#" + incarnation + " "
}

// cutValue returns the value of the resource of a value, which is empty if it has none, and the name of the scope.
func cutValue(value string) (resource, scope string) {
	at := strings.IndexByte(value, ' ') + 1
	return value[:at], value[at:]
}

// values returns the values of scopes of a request: each counts for every requested resource that has it. All requested resources
// are among them.
func (a *Request) values(scopes []string) []string {
	var values []string
	resources := a.target.Resources()
	for _, resource := range resources {
		values = append(values, resourceValue(resource.Identifier, resource.Incarnation))
	}
	for _, scope := range scopes {
		owned := false
		for _, resource := range resources {
			if _, has := resource.Scope(scope); has {
				owned = true
				values = append(values, resourceValue(resource.Identifier, resource.Incarnation)+scope)
			}
		}
		if !owned {
			values = append(values, scope)
		}
	}
	slices.Sort(values)
	return values
}

// within returns the scopes of which all values are among those of a decision.
func (a *Request) within(scopes, decided []string) []string {
	allowed := []string{}
	for _, scope := range scopes {
		if !missing(decided, a.values([]string{scope})) {
			allowed = append(allowed, scope)
		}
	}
	return allowed
}

// names returns the scopes of values that are of no resource, or of a requested one.
func (a *Request) names(values []string) []string {
	var names []string
	requested := a.values(nil)
	for _, value := range values {
		resource, scope := cutValue(value)
		if scope != "" && (resource == "" || slices.Contains(requested, resource)) {
			names = append(names, scope)
		}
	}
	return names
}

// decisionOf returns the values of a stored consent.
func decisionOf(consent storage.Consent) decision {
	d := decision{allowed: slices.Clone(consent.Scopes), declined: slices.Clone(consent.Declined), asked: consent.Asked}
	for _, resource := range consent.Resources {
		prefix := resourceValue(resource.Identifier, resource.Incarnation)
		d.allowed = append(d.allowed, prefix)
		for _, scope := range resource.Scopes {
			d.allowed = append(d.allowed, prefix+scope)
		}
		for _, scope := range resource.Declined {
			d.declined = append(d.declined, prefix+scope)
		}
	}
	return d
}

// consented adds a decision to a consent, and reports whether it fits.
func (d decision) consented(consent storage.Consent) (storage.Consent, bool) {
	resources, size := map[string]*storage.ConsentResource{}, 0
	of := func(value string) (*storage.ConsentResource, string) {
		prefix, scope := cutValue(value)
		if prefix == "" {
			return nil, scope
		}
		if resources[prefix] == nil {
			identifier, incarnation, _ := strings.Cut(strings.TrimSuffix(prefix, " "), "#")
			resources[prefix] = &storage.ConsentResource{Identifier: identifier, Incarnation: incarnation}
			size += len(prefix)
		}
		size += len(scope)
		return resources[prefix], scope
	}
	for _, value := range d.allowed {
		switch resource, scope := of(value); {
		case resource == nil:
			consent.Scopes = append(consent.Scopes, scope)
		case scope != "":
			resource.Scopes = append(resource.Scopes, scope)
		}
	}
	for _, value := range d.declined {
		if resource, scope := of(value); resource == nil {
			consent.Declined = append(consent.Declined, scope)
		} else {
			resource.Declined = append(resource.Declined, scope)
		}
	}
	for _, prefix := range slices.Sorted(maps.Keys(resources)) {
		consent.Resources = append(consent.Resources, *resources[prefix])
	}
	consent.Asked = d.asked
	fits := len(consent.Scopes) <= storage.ConsentScopes && len(consent.Declined) <= storage.ConsentScopes &&
		len(consent.Resources) <= storage.ConsentResources && size <= storage.ConsentResourcesSize &&
		len(strings.Join(consent.Asked, " ")) <= storage.MaxAskedScopes
	return consent, fits
}
