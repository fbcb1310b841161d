package apply

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

func (p *planner) resource(ctx context.Context, d described) error {
	directory, err := p.directoryOf(ctx, d.resource.Directory)
	if errors.Is(err, admin.ErrNotFound) {
		p.problem = append(p.problem, Problem{d.Source, "directory", err.Error() + "; describe it in a document too"})
		return nil
	}
	if err != nil {
		return p.invalid(d.Source, err)
	}
	asked := *d.resource
	current, err := p.service.Resource(ctx, asked.Directory, asked.Identifier)
	if errors.Is(err, admin.ErrNotFound) {
		return p.newResource(d, asked, directory)
	}
	if err != nil {
		return p.invalid(d.Source, err)
	}
	change, err := p.resourceChange(d, current, directory)
	if err != nil {
		return p.invalid(d.Source, err)
	}
	p.add(change)
	return nil
}

func (p *planner) newResource(d described, asked storage.Resource, directory storage.Directory) error {
	created := Change{Action: ActionCreate, Kind: d.Kind, Directory: directory.ID, ID: asked.Identifier, Source: d.Source}
	if p.recorded {
		p.add(created)
		return nil
	}
	after, err := p.service.PreviewResource(directory, asked)
	if err != nil {
		return p.invalid(d.Source, err)
	}
	created.Members = differences(explicitResource(storage.Resource{Directory: after.Directory, Identifier: after.Identifier}), explicitResource(after))
	created.do = func(ctx context.Context) error {
		if _, err := p.service.CreateResource(ctx, asked); err != nil || !asked.Disabled {
			return err
		}
		_, err := p.service.DisableResource(ctx, asked.Directory, asked.Identifier)
		return err
	}
	p.add(created)
	return nil
}

// resourceChange returns the change of a resource that exists.
func (p *planner) resourceChange(d described, current *storage.Entry[storage.Resource], directory storage.Directory) (Change, error) {
	asked, before := *d.resource, current.Record
	edit := func(resource *storage.Resource) { *resource = asked }
	after, err := p.service.PreviewResourceUpdate(before, directory, edit)
	if err != nil {
		return Change{}, err
	}
	changesSettings := len(differences(explicitResource(before), explicitResource(after))) > 0
	after.Disabled = asked.Disabled
	change := Change{
		Kind: d.Kind, Directory: before.Directory, ID: before.Identifier, Source: d.Source,
		Members: differences(explicitResource(before), explicitResource(after)), state: current.Revision(),
	}
	change.do = func(ctx context.Context) (err error) {
		if changesSettings {
			if _, err := p.service.UpdateResource(ctx, before.Directory, before.Identifier, current.Revision(), edit); err != nil {
				return err
			}
		}
		switch {
		case after.Disabled && !before.Disabled:
			_, err = p.service.DisableResource(ctx, before.Directory, before.Identifier)
		case !after.Disabled && before.Disabled:
			_, err = p.service.EnableResource(ctx, before.Directory, before.Identifier)
		}
		return err
	}
	return change, nil
}

// otherResources adds the resources of a directory that no document describes.
func (p *planner) otherResources(ctx context.Context, directory string, describes map[string]bool, prune bool) error {
	resources, err := allResources(ctx, p.service, directory)
	if err != nil {
		return err
	}
	for _, resource := range resources {
		if describes[resourceKey(resource)] {
			continue
		}
		change := Change{Action: ActionIgnore, Kind: KindResource, Directory: directory, ID: resource.Identifier, state: stateOf(resource)}
		if prune {
			change.Action, change.fresh = ActionDelete, admin.ActResourceDelete
			change.do = func(ctx context.Context) error { return p.deleteResource(ctx, resource) }
		}
		p.add(change)
	}
	return nil
}

// deleteResource deletes a resource that is still as the plan found it.
func (p *planner) deleteResource(ctx context.Context, resource storage.Resource) error {
	current, err := p.service.Resource(ctx, resource.Directory, resource.Identifier)
	if err != nil {
		return err
	}
	if len(differences(explicitResource(resource), explicitResource(current.Record))) > 0 {
		return admin.ErrChanged
	}
	return p.service.DeleteResource(ctx, resource.Directory, resource.Identifier)
}

func allResources(ctx context.Context, service *admin.Service, directory string) ([]storage.Resource, error) {
	var all []storage.Resource
	for page := (admin.Page{Limit: storage.MaxPage}); ; {
		resources, next, err := service.Resources(ctx, directory, page)
		if err != nil {
			return nil, err
		}
		all = append(all, resources...)
		if next == "" {
			return all, nil
		}
		page.After = next
	}
}

// resourceKey identifies a resource among all records that documents describe.
func resourceKey(resource storage.Resource) string {
	return "resource " + storage.ResourceKey(resource.Directory, resource.Identifier)
}

// explicitResource returns the members of a resource, defaults written out.
func explicitResource(resource storage.Resource) map[string]json.RawMessage {
	resource.AskedBy, resource.ID = resource.Asked(), ""
	return members(resource)
}

// exportResources returns the documents that describe the resources of a directory.
func exportResources(ctx context.Context, service *admin.Service, directory string) ([]Document, error) {
	resources, err := allResources(ctx, service, directory)
	if err != nil {
		return nil, err
	}
	var documents []Document
	for _, resource := range resources {
		var managed storage.Resource
		resource.ID, resource.Incarnation, resource.DirectoryIncarnation = "", "", ""
		resource.CreatedAt, resource.UpdatedAt = managed.CreatedAt, managed.UpdatedAt
		body, err := json.Marshal(resource)
		if err != nil {
			return nil, err
		}
		documents = append(documents, Document{Kind: KindResource, Body: body})
	}
	return documents, nil
}
