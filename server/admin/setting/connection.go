package setting

import "github.com/minifed/minifed/storage"

// Connection returns the settings of a connection that can change.
func Connection() []Setting[storage.Connection] {
	type connection = storage.Connection
	provisioning := []string{string(storage.ProvisionAuto), string(storage.ProvisionBind)}
	return []Setting[connection]{
		{"name", "name", General, nil, Text[connection](func(c *connection) *string { return &c.Name })},
		{"open-platform", "open_platform", General, nil, Text[connection](func(c *connection) *string { return &c.OpenPlatform })},
		{"provisioning", "provisioning", General, provisioning, Text[connection](func(c *connection) *string { return (*string)(&c.Provisioning) })},
	}
}
