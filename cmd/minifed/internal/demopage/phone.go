package demopage

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"
)

// use takes the phone of another person.
func (s *Site) use(w http.ResponseWriter, r *http.Request, v *visitor) {
	var asked struct {
		Person string `json:"person"`
	}
	if !readJSON(w, r, &asked) {
		return
	}
	if !slices.Contains(people(), asked.Person) {
		http.Error(w, "no such person", http.StatusBadRequest)
		return
	}
	v.change(func() { v.person, v.phone = asked.Person, screen{} })
	writeJSON(w, struct{}{})
}

// login is wx.login on the phone.
func (s *Site) login(w http.ResponseWriter, _ *http.Request, v *visitor) {
	v.mu.Lock()
	person := v.person
	v.mu.Unlock()
	writeJSON(w, map[string]string{"code": s.MiniProgram.Login(person)})
}

// people are the users of the simulated WeChat who have a phone on the page.
func people() []string { return []string{"alice", "bob", "chen"} }

// scan reads a picture: what the camera sees on the computer's screen, the last one in the album, or the one in a message.
func (s *Site) scan(w http.ResponseWriter, r *http.Request, v *visitor) {
	var asked struct {
		From string `json:"from"`
	}
	if !readJSON(w, r, &asked) {
		return
	}
	shown := v.pictureOf(asked.From)
	opened, err := s.WeChat.ReadPicture(shown.content)
	if err != nil {
		http.Error(w, "no code in view", http.StatusNotFound)
		return
	}
	if asked.From == fromCamera {
		v.change(func() { v.album = shown })
	}
	writeJSON(w, opened)
}

// Sources of a picture.
const (
	fromCamera  = "camera"
	fromAlbum   = "album"
	fromMessage = "message"
)

// pictureOf returns the picture of a source.
func (v *visitor) pictureOf(source string) screen {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch source {
	case fromCamera:
		return v.computer
	case fromAlbum:
		return v.album
	case fromMessage:
		return v.received
	default:
		return screen{}
	}
}

// picture is the picture of a source as a person sees it.
func (s *Site) picture(w http.ResponseWriter, r *http.Request, v *visitor) {
	shown := v.pictureOf(r.URL.Query().Get("from"))
	if shown.content == nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", http.DetectContentType(shown.content))
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(shown.content) // The browser has gone.
}

// open opens a link of generate_urllink in WeChat.
func (s *Site) open(w http.ResponseWriter, r *http.Request, _ *visitor) {
	var asked struct {
		Link string `json:"link"`
	}
	if !readJSON(w, r, &asked) {
		return
	}
	opened, err := s.WeChat.OpenLink(asked.Link)
	if err != nil {
		http.Error(w, "the link has ended", http.StatusNotFound)
		return
	}
	writeJSON(w, opened)
}

// events is the stream of the visitor's state (server-sent events). The page opens it again when it ends.
func (s *Site) events(w http.ResponseWriter, r *http.Request) {
	v := s.of(r)
	if v == nil {
		http.Error(w, "open the page first", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	controller := http.NewResponseController(w)
	for {
		shown, changed := v.state()
		content, err := json.Marshal(shown)
		if err != nil {
			return
		}
		if _, err := w.Write(append(append([]byte("data: "), content...), "\n\n"...)); err != nil {
			return
		}
		_ = controller.Flush() // The next write fails.
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		case <-time.After(beat):
		}
	}
}

// beat is how often the stream sends the state without a change, so that it notices that the page has gone.
const beat = 20 * time.Second

func readJSON(w http.ResponseWriter, r *http.Request, into any) bool {
	if err := json.NewDecoder(r.Body).Decode(into); err != nil {
		http.Error(w, "send a JSON object", http.StatusBadRequest)
		return false
	}
	return true
}

func writeJSON(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(value) // The browser has gone.
}
