package page

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"image/color"
	"image/png"
	"math"
	"net/url"
	"strings"

	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
)

// LogoView is a logo on a page. The page contains its size, so that nothing moves when the image loads.
type LogoView struct {
	URL string
	// Width and Height are in CSS pixels.
	Width, Height int
	// Clear means that the logo is transparent. In dark mode it gets a light background.
	Clear bool
	// Wide means that the logo contains the name, so that the page does not repeat it.
	Wide bool
}

const (
	// logoHeight and logoWidth bound the size of a logo, in CSS pixels.
	logoHeight, logoWidth = 40, 176
	// wideLogo is the ratio of width to height above which a logo is assumed to contain the name.
	wideLogo = 2
)

// logoOf returns the logo of an asset; nil without one.
func (l Links) logoOf(file string, content []byte) *LogoView {
	config, err := png.DecodeConfig(bytes.NewReader(content))
	if err != nil || config.Width == 0 || config.Height == 0 {
		return nil
	}
	width, height := float64(config.Width), float64(config.Height)
	scale := min(logoHeight/height, logoWidth/width)
	side := func(length float64) int { return max(1, int(math.Round(length*scale))) }
	return &LogoView{
		URL: l.Path(AssetsPath + hashed(file, content)), Width: side(width), Height: side(height),
		Clear: config.ColorModel == color.NRGBAModel, Wide: width >= wideLogo*height,
	}
}

// ClientView is an application as pages show it.
type ClientView struct {
	Name string
	Logo *LogoView
	// PolicyURL and TermsURL are the links to the application's policies.
	PolicyURL, TermsURL string
}

// ViewClient returns a client as the pages of its issuer show it.
func ViewClient(r *endpoint.Request, client storage.Client) ClientView {
	return ClientView{
		Name: endpoint.ClientName(client), Logo: LinksOf(r.Request, r.Issuer).logoOf(clientFile(client.ID), client.Logo),
		PolicyURL: client.PolicyURL, TermsURL: client.TermsURL,
	}
}

// clientFile is the name of the logo of a client. The ID of a client with a metadata document is a URL, and is encoded.
func clientFile(id string) string {
	if strings.Contains(id, "/") {
		return documentPrefix + base64.RawURLEncoding.EncodeToString([]byte(id)) + pictureSuffix
	}
	return clientPrefix + id + pictureSuffix
}

// clientOf returns the client of a logo's file; empty if the name is another one.
func clientOf(name string) string {
	stem := strings.TrimSuffix(name, pictureSuffix)
	if id, found := strings.CutPrefix(stem, clientPrefix); found {
		return id
	}
	encoded, found := strings.CutPrefix(stem, documentPrefix)
	id, err := base64.RawURLEncoding.DecodeString(encoded)
	if !found || err != nil {
		return ""
	}
	return string(id)
}

// ResourceView is an API as pages show it.
type ResourceView struct {
	Name string
	// Host is that of its identifier; the whole identifier if it has none.
	Host string
	Logo *LogoView
}

// ViewResource returns a resource as the pages of its issuer show it.
func ViewResource(r *endpoint.Request, resource *storage.Resource) ResourceView {
	host := resource.Identifier
	if parsed, err := url.Parse(resource.Identifier); err == nil && parsed.Host != "" {
		host = parsed.Host
	}
	return ResourceView{
		Name: cmp.Or(resource.Name, host), Host: host,
		Logo: LinksOf(r.Request, r.Issuer).logoOf(resourcePrefix+storage.ResourceID(resource.Identifier)+pictureSuffix, resource.Logo),
	}
}
