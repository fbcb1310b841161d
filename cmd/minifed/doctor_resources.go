package main

import (
	"context"
	"slices"

	"github.com/minifed/minifed/cmd/minifed/internal/deployment"
	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// resourcesOf returns the resources of a directory. If the store cannot be read, that is a finding.
func (e *examination) resourcesOf(ctx context.Context, opened *deployment.Deployment, directory string) []storage.Resource {
	resources, _, err := collect(paging{limit: storage.MaxPage, all: true}, func(page admin.Page) ([]storage.Resource, string, error) {
		return opened.Admin.Resources(ctx, directory, page)
	})
	if err != nil {
		e.failBy(locale.Text("doctor.resources", directory), err, locale.Text("doctor.look_at_store"))
	}
	return resources
}

// checkResources warns about resources that no client can use, and about texts that the consent page lacks.
func (e *examination) checkResources(directory storage.Directory, resources []storage.Resource, clients []storage.Client) {
	for _, resource := range resources {
		if resource.Disabled {
			continue
		}
		e.checkAskers(directory, resource, clients)
		e.checkIntrospectors(resource, clients)
		e.checkScopeTexts(resource)
	}
}

func resourceCheck(resource storage.Resource) locale.Message {
	return locale.Text("doctor.resource", resource.Identifier, resource.Directory)
}

// checkAskers warns about a resource that no client may ask for, or that asks for clients which the directory does not admit.
func (e *examination) checkAskers(directory storage.Directory, resource storage.Resource, clients []storage.Client) {
	lists := func(client storage.Client) bool {
		same := func(name string) bool { return storage.SameResource(name, resource.Identifier) }
		return !client.Disabled && (slices.ContainsFunc(client.Resources, same) || slices.ContainsFunc(client.Audiences, same) || slices.ContainsFunc(client.DefaultAudience, same))
	}
	switch {
	case resource.Asked() == storage.AskedByListed && !slices.ContainsFunc(clients, lists):
		e.warn(resourceCheck(resource), locale.Text("doctor.resource.unlisted"), locale.Text("doctor.resource.unlisted.remedy", resource.Directory, resource.Identifier))
	case resource.Asked() == storage.AskedByAny && !admitsUnknown(directory.Policy):
		e.warn(resourceCheck(resource), locale.Text("doctor.resource.any"), locale.Text("doctor.resource.any.remedy", resource.Directory, resource.Identifier))
	}
}

// admitsUnknown reports whether clients that no operator registered may sign users in.
func admitsUnknown(policy storage.Policy) bool {
	documents := policy.Documents != "" && policy.Documents != storage.DocumentsOff
	registration := policy.Registration != "" && policy.Registration != storage.RegistrationOff
	return documents || registration
}

// checkIntrospectors warns about clients that do not exist, and about opaque tokens that no client can read.
func (e *examination) checkIntrospectors(resource storage.Resource, clients []storage.Client) {
	check, readable := resourceCheck(resource), false
	for _, client := range clients {
		listed := slices.Contains(resource.IntrospectedBy, client.ID)
		readable = readable || !client.Disabled && (listed || client.Introspection)
	}
	for _, id := range resource.IntrospectedBy {
		if !slices.ContainsFunc(clients, func(client storage.Client) bool { return client.ID == id }) {
			e.warn(check, locale.Text("doctor.resource.introspector", id), locale.Text("doctor.resource.introspector.remedy", id, resource.Directory, resource.Identifier))
		}
	}
	if resource.TokenFormat == storage.TokenOpaque && !readable {
		e.warn(check, locale.Text("doctor.resource.opaque"), locale.Text("doctor.resource.opaque.remedy", resource.Identifier, resource.Directory))
	}
}

// checkScopeTexts warns about scopes whose text is missing in a language: the consent page then shows the other one, or the bare name.
func (e *examination) checkScopeTexts(resource storage.Resource) {
	var missing locale.List
	for _, scope := range resource.Scopes {
		if scope.TextEN == "" || scope.TextZH == "" {
			missing = append(missing, scope.Name)
		}
	}
	if len(missing) > 0 {
		e.warn(resourceCheck(resource), locale.Text("doctor.resource.texts", missing), locale.Text("doctor.resource.texts.remedy", resource.Identifier, resource.Directory))
	}
}
