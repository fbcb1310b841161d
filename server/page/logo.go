package page

import (
	"bytes"
	"image/color"
	"image/png"
	"math"

	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
)

// LogoView is a logo on a page. Its measures stand in the page, so that nothing moves when it arrives.
type LogoView struct {
	URL string
	// Width and Height are in CSS pixels.
	Width, Height int
	// Clear says that the ground is seen through it: in the dark it is put on a light one, which logos are drawn for.
	Clear bool
	// Wide means that the logo contains the name, so that the page does not repeat it.
	Wide bool
}

const (
	// logoHeight and logoWidth are what a logo is given room for, in CSS pixels.
	logoHeight, logoWidth = 40, 176
	// wideLogo is the ratio of width to height from which a logo is taken for a name.
	wideLogo = 2
)

// logoOf shows the logo that a file of the assets holds; nil without one.
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

// ClientView is how a page shows an application.
type ClientView struct {
	Name string
	Logo *LogoView
	// PolicyURL and TermsURL are the links to the application's policies.
	PolicyURL, TermsURL string
}

// ViewClient is how the pages of the issuer that r is for show a client of it.
func ViewClient(r *endpoint.Request, client storage.Client) ClientView {
	return ClientView{
		Name: endpoint.ClientName(client), Logo: LinksOf(r.Request, r.Issuer).logoOf(clientPrefix+client.ID+pictureSuffix, client.Logo),
		PolicyURL: client.PolicyURL, TermsURL: client.TermsURL,
	}
}
