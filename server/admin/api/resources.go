package api

import (
	"net/http"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// resourceRoutes are the operations on resources.
func resourceRoutes() []route {
	const tag, list, item = "Resources", "/directories/{directory}/resources", "/directories/{directory}/resources/{resource}"
	return []route{
		{
			id: "listResources", method: http.MethodGet, path: list, tag: tag, status: http.StatusOK,
			summary: "List the resources", text: "The oldest resources come first.",
			act: admin.ActResourceRead, query: pageParameters(), reply: typeOf[listOf[storage.Resource]](), serve: listResources,
		},
		{
			id: "createResource", method: http.MethodPost, path: list, tag: tag, status: http.StatusCreated,
			summary: "Create a resource", text: "Clients can ask for its tokens within five seconds. Its ID for paths is in the response.",
			act: admin.ActResourceCreate, body: typeOf[storage.Resource](), reply: typeOf[storage.Resource](), tagged: true, replay: replayResource, serve: createResource,
		},
		{
			id: "getResource", method: http.MethodGet, path: item, tag: tag, status: http.StatusOK,
			summary: "Read a resource", text: "The path has its ID, not its identifier.",
			act: admin.ActResourceRead, reply: typeOf[storage.Resource](), tagged: true,
			serve: func(c *call) (reply, error) {
				return resourceReply(c.service.Resource(c.Context(), c.directory(), c.param("resource")))
			},
		},
		{
			id: "changeResource", method: http.MethodPatch, path: item, tag: tag, status: http.StatusOK,
			summary: "Change a resource", text: "Members that the patch does not have stay as they are; null restores the default. The list of scopes is replaced as a whole.",
			act: admin.ActResourceUpdate, body: typeOf[storage.Resource](), patch: true, reply: typeOf[storage.Resource](), tagged: true, serve: changeResource,
		},
		{
			id: "disableResource", method: http.MethodPost, path: item + "/disable", tag: tag, status: http.StatusOK,
			summary: "Disable a resource", text: "No token is issued for it until it is enabled again, and introspection returns its tokens as inactive.",
			act: admin.ActResourceDisable, reply: typeOf[storage.Resource](), tagged: true,
			serve: func(c *call) (reply, error) {
				return resourceReply(c.service.DisableResource(c.Context(), c.directory(), c.param("resource")))
			},
		},
		{
			id: "enableResource", method: http.MethodPost, path: item + "/enable", tag: tag, status: http.StatusOK,
			summary: "Enable a resource", text: "Tokens are issued for it again.",
			act: admin.ActResourceEnable, reply: typeOf[storage.Resource](), tagged: true,
			serve: func(c *call) (reply, error) {
				return resourceReply(c.service.EnableResource(c.Context(), c.directory(), c.param("resource")))
			},
		},
		{
			id: "deleteResource", method: http.MethodDelete, path: item, tag: tag, status: http.StatusNoContent,
			summary: "Delete a resource", text: "Grants for it get no further tokens, unless their client is registered for its audience.",
			act: admin.ActResourceDelete, serve: deleteResource,
		},
	}
}

func listResources(c *call) (reply, error) {
	resources, next, err := c.service.Resources(c.Context(), c.directory(), c.page())
	return listReply(resources, next, err)
}

func resourceReply(entry *storage.Entry[storage.Resource], err error) (reply, error) {
	if err != nil {
		return reply{}, err
	}
	return reply{body: entry.Record, revision: entry.Revision()}, nil
}

func createResource(c *call) (reply, error) {
	asked, err := decode[storage.Resource](c)
	if err != nil {
		return reply{}, err
	}
	asked.Directory = c.directory()
	return createdResource(c.service.CreateResource(c.Context(), asked))
}

func createdResource(entry *storage.Entry[storage.Resource], err error) (reply, error) {
	if err != nil {
		return reply{}, err
	}
	resource := entry.Record
	return reply{
		body: resource, revision: entry.Revision(), resource: resource.ID, location: "/directories/" + resource.Directory + "/resources/" + resource.ID,
	}, nil
}

func replayResource(c *call, earlier result) (reply, error) {
	return createdResource(c.service.Resource(c.Context(), c.directory(), earlier.Resource))
}

func changeResource(c *call) (reply, error) {
	id := c.param("resource")
	current, err := c.service.Resource(c.Context(), c.directory(), id)
	if err != nil {
		return reply{}, err
	}
	if err := c.requireMatch(current.Revision()); err != nil {
		return reply{}, err
	}
	next, err := changed(c, current.Record)
	if err != nil {
		return reply{}, err
	}
	return resourceReply(c.service.UpdateResource(c.Context(), c.directory(), id, current.Revision(), func(resource *storage.Resource) { *resource = next }))
}

func deleteResource(c *call) (reply, error) {
	current, err := c.service.Resource(c.Context(), c.directory(), c.param("resource"))
	if err != nil {
		return reply{}, err
	}
	if err := c.allowMatch(current.Revision()); err != nil {
		return reply{}, err
	}
	return reply{}, c.service.DeleteResource(c.Context(), c.directory(), c.param("resource"))
}
