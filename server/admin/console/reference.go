package console

import (
	"net/http"
	"strings"

	"github.com/minifed/minifed/server/admin/api"
)

// reference shows the document of the admin API.
func (c *Console) reference(w http.ResponseWriter, r *request) error {
	translate := func(text string) string { return text }
	if strings.HasPrefix(r.locale.Tag, "zh") {
		var err error
		if translate, err = api.Chinese(); err != nil {
			return err
		}
	}
	return c.render(w, r, page{
		Template: "reference", Title: text("nav.api"), Tab: "nav.api",
		Data: struct {
			api.Reference
			Base string
		}{api.NewReference(translate), c.config.AdminURL + api.Path},
	})
}
