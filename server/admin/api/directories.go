package api

import (
	"context"
	"net/http"
	"reflect"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// listOf is one page of a list.
type listOf[T any] struct {
	Items []T `json:"items"`
	// Next is the parameter after of the next page; absent on the last one.
	Next string `json:"next,omitempty"`
}

// listReply is a page of a list as a response.
func listReply[T any](items []T, next string, err error) (reply, error) {
	if items == nil {
		items = []T{}
	}
	return reply{body: listOf[T]{items, next}}, err
}

// typeOf is the type of a body.
func typeOf[T any]() reflect.Type { return reflect.TypeFor[T]() }

// directoryRoutes are the operations on directories.
func directoryRoutes() []route {
	const tag = "Directories"
	return []route{
		{
			id: "listDirectories", method: http.MethodGet, path: "/directories", tag: tag, status: http.StatusOK,
			summary: "List the directories", text: "The list has the directories in which the actor has a role, by ID.",
			query: pageParameters(), reply: typeOf[listOf[Directory]](),
			serve: listDirectories,
		},
		{
			id: "createDirectory", method: http.MethodPost, path: "/directories", tag: tag, status: http.StatusCreated,
			summary: "Create a directory", text: "The directory gets signing keys and token secrets. Without an ID, one is generated.",
			act: admin.ActDirectoryCreate, body: typeOf[Directory](), reply: typeOf[Directory](), tagged: true, replay: replayDirectory,
			serve: createDirectory,
		},
		{
			id: "getDirectory", method: http.MethodGet, path: "/directories/{directory}", tag: tag, status: http.StatusOK,
			summary: "Read a directory", text: "Policy, look, lifetimes and mapped claims are members of the directory.",
			act: admin.ActDirectoryRead, reply: typeOf[Directory](), tagged: true, serve: getDirectory,
		},
		{
			id: "changeDirectory", method: http.MethodPatch, path: "/directories/{directory}", tag: tag, status: http.StatusOK,
			summary: "Change a directory", text: "Members that the patch does not have stay as they are; null restores the default.",
			act: admin.ActDirectoryUpdate, body: typeOf[Directory](), patch: true, reply: typeOf[Directory](), tagged: true,
			serve: changeDirectory,
		},
		{
			id: "disableDirectory", method: http.MethodPost, path: "/directories/{directory}/disable", tag: tag, status: http.StatusOK,
			summary: "Disable a directory", text: "No client and no user of the directory gets anything until it is enabled again. The default directory cannot be disabled.",
			act: admin.ActDirectoryDisable, reply: typeOf[Directory](), tagged: true,
			serve: func(c *call) (reply, error) {
				return directoryReply(c, c.service.DisableDirectory)
			},
		},
		{
			id: "enableDirectory", method: http.MethodPost, path: "/directories/{directory}/enable", tag: tag, status: http.StatusOK,
			summary: "Enable a directory", text: "The directory works again.",
			act: admin.ActDirectoryEnable, reply: typeOf[Directory](), tagged: true,
			serve: func(c *call) (reply, error) { return directoryReply(c, c.service.EnableDirectory) },
		},
		directoryKeyRoute("setSMSKey", "/sms-key", "Set the key of the SMS provider", admin.SMSKey),
		directoryKeyRoute("setCaptchaKey", "/captcha-key", "Set the key of the captcha", admin.CaptchaKey),
		{
			id: "deleteDirectory", method: http.MethodDelete, path: "/directories/{directory}", tag: tag, status: http.StatusNoContent,
			summary: "Delete a directory", text: "The directory must be disabled and have no clients and users. Its keys are deleted too.",
			act: admin.ActDirectoryDelete, serve: deleteDirectory,
		},
	}
}

// DirectoryKey is the body of the replacement of a key.
type DirectoryKey struct {
	Key string `json:"key"`
}

// directoryKeyRoute is the operation that replaces a key.
func directoryKeyRoute(id, path, summary string, which admin.DirectoryKey) route {
	return route{
		id: id, method: http.MethodPut, path: "/directories/{directory}" + path, tag: "Directories", status: http.StatusNoContent,
		summary: summary, text: "The key is sealed and never shown. An empty key removes it. It has effect within five seconds.",
		act: admin.ActDirectoryKey, body: typeOf[DirectoryKey](),
		serve: func(c *call) (reply, error) {
			asked, err := decode[DirectoryKey](c)
			if err != nil {
				return reply{}, err
			}
			return reply{}, c.service.SetDirectoryKey(c.Context(), c.directory(), which, asked.Key)
		},
	}
}

// Directory is a directory as the API shows it.
type Directory struct {
	storage.Directory
	IssuerURL string `json:"issuer_url"`
	// SMSKeySet and CaptchaKeySet say that the directory has these keys.
	SMSKeySet     bool `json:"sms_key_set"`
	CaptchaKeySet bool `json:"captcha_key_set"`
}

func viewDirectory(c *call, directory storage.Directory) Directory {
	return Directory{directory, c.service.IssuerOf(directory), directory.SMSKey != "", directory.CaptchaKey != ""}
}

// directoryReply is the result of an act as a response.
func directoryReply(c *call, act func(context.Context, string) (*storage.Entry[storage.Directory], error)) (reply, error) {
	entry, err := act(c.Context(), c.directory())
	return directoryEntry(c, entry, err)
}

func directoryEntry(c *call, entry *storage.Entry[storage.Directory], err error) (reply, error) {
	if err != nil {
		return reply{}, err
	}
	return reply{body: viewDirectory(c, entry.Record), revision: entry.Revision()}, nil
}

func listDirectories(c *call) (reply, error) {
	directories, next, err := c.service.Directories(c.Context(), c.page())
	views := make([]Directory, len(directories))
	for i, directory := range directories {
		views[i] = viewDirectory(c, directory)
	}
	return listReply(views, next, err)
}

func createDirectory(c *call) (reply, error) {
	asked, err := decode[Directory](c)
	if err != nil {
		return reply{}, err
	}
	if asked.ID == "" {
		asked.ID = c.reserved
	}
	entry, err := c.service.CreateDirectory(c.Context(), asked.Directory)
	done, err := directoryEntry(c, entry, err)
	if err == nil {
		done.resource, done.location = entry.Record.ID, "/directories/"+entry.Record.ID
	}
	return done, err
}

func getDirectory(c *call) (reply, error) {
	return directoryReply(c, c.service.Directory)
}

func changeDirectory(c *call) (reply, error) {
	current, err := c.service.Directory(c.Context(), c.directory())
	if err != nil {
		return reply{}, err
	}
	if err := c.requireMatch(current.Revision()); err != nil {
		return reply{}, err
	}
	next, err := changed(c, viewDirectory(c, current.Record))
	if err != nil {
		return reply{}, err
	}
	entry, err := c.service.UpdateDirectory(c.Context(), c.directory(), current.Revision(), func(d *storage.Directory) { *d = next.Directory })
	return directoryEntry(c, entry, err)
}

func deleteDirectory(c *call) (reply, error) {
	current, err := c.service.Directory(c.Context(), c.directory())
	if err != nil {
		return reply{}, err
	}
	if err := c.allowMatch(current.Revision()); err != nil {
		return reply{}, err
	}
	return reply{}, c.service.DeleteDirectory(c.Context(), c.directory())
}
