package wechattest

import (
	"bytes"
	"cmp"
	"errors"
	"image"
	_ "image/jpeg" // registers the formats that a phone reads
	_ "image/png"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/minifed/minifed/wechat"
)

// Opened is what a phone opens after it read a picture or followed a link: a page of a mini-program.
type Opened struct {
	AppID   wechat.AppID `json:"appid"`
	Page    string       `json:"page,omitempty"`
	Version string       `json:"env_version,omitempty"`
	// Scene is query.scene of the page, after decodeURIComponent.
	Scene string `json:"scene,omitempty"`
	// Query is the whole query of the page.
	Query string `json:"query,omitempty"`
	// Link is query.q of the page, after decodeURIComponent: the ordinary link of a QR code.
	Link string `json:"link,omitempty"`
}

// maxOpened bounds the pictures and links that are remembered.
const maxOpened = 10_000

// codeModules is the number of squares on each side of a picture.
const codeModules = 16

var errUnreadable = errors.New("wechattest: this is no picture of getwxacodeunlimit of this simulator, and no QR code of an ordinary link")

// ReadPicture reads a mini-program code, or the QR code of an ordinary link for which a mini-program has a rule (AddLinkRule), as the camera
// of a phone does. It needs the picture itself, in JPEG or PNG.
func (s *Server) ReadPicture(picture []byte) (Opened, error) {
	s.init()
	shown, _, err := image.Decode(bytes.NewReader(picture))
	if err != nil {
		return Opened{}, errUnreadable
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if opened, known := s.pictures[readModules(shown)]; known {
		return opened, nil
	}
	link, err := readQR(shown)
	if err != nil {
		return Opened{}, errUnreadable
	}
	return s.ordinaryLink(link)
}

// readModules returns the bits of a picture: whether the middle of each square is dark.
func readModules(shown image.Image) [codeModules * codeModules / 8]byte {
	var bits [codeModules * codeModules / 8]byte
	area := shown.Bounds()
	for bit := range codeModules * codeModules {
		x := area.Min.X + (2*(bit%codeModules)+1)*area.Dx()/(2*codeModules)
		y := area.Min.Y + (2*(bit/codeModules)+1)*area.Dy()/(2*codeModules)
		red, _, _, alpha := shown.At(x, y).RGBA()
		if alpha > 1<<15 && red < 1<<15 {
			bits[bit/8] |= 1 << (bit % 8)
		}
	}
	return bits
}

// OpenLink opens a link of generate_urllink as the browser of a phone does. The link ends as requested.
func (s *Server) OpenLink(link string) (Opened, error) {
	s.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	target, known := s.links[link]
	if !known || !s.now().Before(target.until) {
		return Opened{}, errors.New("wechattest: the link is not of this simulator, or has ended")
	}
	return target.Opened, nil
}

// drawn remembers the code of a picture. It is called with s.mu held.
func (s *Server) drawn(bits [codeModules * codeModules / 8]byte, opened Opened) {
	if len(s.pictures) >= maxOpened {
		clear(s.pictures)
	}
	s.pictures[bits] = opened
}

// openedLink is what a link opens, until it ends.
type openedLink struct {
	Opened
	until time.Time
}

// linked remembers a link. It is called with s.mu held.
func (s *Server) linked(link string, target linkTarget, app wechat.AppID, until time.Time) {
	if len(s.links) >= maxOpened {
		clear(s.links)
	}
	query, _ := url.ParseQuery(target.Query) // WeChat passes on any query; one that does not parse has no scene
	s.links[link] = openedLink{
		Opened{AppID: app, Page: target.Path, Version: cmp.Or(target.Version, "release"), Query: target.Query, Scene: query.Get("scene")}, until,
	}
}

func controlScan(s *Server) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var opened Opened
		var err error
		if link := r.FormValue("link"); link != "" {
			opened, err = s.OpenLink(link)
		} else {
			opened, err = s.readUpload(w, r)
		}
		if err != nil {
			http.Error(w, strings.TrimPrefix(err.Error(), "wechattest: "), http.StatusBadRequest)
			return
		}
		controlAnswer{opened.Scene, opened}.write(w, r)
	}
}

// readUpload reads the picture in the field "picture" of a multipart form.
func (s *Server) readUpload(w http.ResponseWriter, r *http.Request) (Opened, error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	file, _, err := r.FormFile("picture")
	if err != nil {
		return Opened{}, errors.New("wechattest: send link, or a file named picture in multipart/form-data")
	}
	defer file.Close()
	var content bytes.Buffer
	if _, err := content.ReadFrom(file); err != nil {
		return Opened{}, err
	}
	return s.ReadPicture(content.Bytes())
}
