package api

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/minifed/minifed/server/admin"
)

// Reference is the document of the API for people: the console shows it, and docs/admin-api.md is written from it.
type Reference struct {
	// Intro are paragraphs in Markdown without links.
	Intro    []string
	Sections []Section
	Objects  []Object
	Problems []ProblemKind
}

// Section is the operations on one thing.
type Section struct {
	Title, Text string
	Operations  []Operation
}

// Operation is one method of a path.
type Operation struct {
	ID, Method, Path, Summary, Text string
	// Role is the weakest role that may; empty for all tokens, or with Public for no token.
	Role   string
	Public bool
	// Fresh says that an operator needs a sign-in within five minutes.
	Fresh bool
	// IfMatch says that the header If-Match is required, and Once that Idempotency-Key is recognized.
	IfMatch, Once bool
	Parameters    []Member
	// Body and Reply are names of Objects; empty for none. BodyMedia and ReplyMedia are their media types.
	Body, BodyMedia   string
	Optional          bool
	Status            int
	StatusText        string
	Reply, ReplyMedia string
}

// Object is the JSON form of a body, or of a part of one.
type Object struct {
	Name, Text string
	Members    []Member
}

// Member is a member of an object, or a query parameter.
type Member struct {
	Name, Text string
	// Type is its JSON type, and Object the name of the Object that it is or that its items are.
	Type, Object string
	Values       []string
	// Needed says that a creation must have it, ReadOnly that the server sets it, Fixed that it cannot be changed later.
	Needed, ReadOnly, Fixed bool
}

// ProblemKind is a kind of error.
type ProblemKind struct {
	Type, Title string
	Status      int
}

// intro returns the first paragraphs of the document.
func intro() []string {
	return []string{
		"The admin API does for programs what the console does for operators and `minifed` does on the command line. It is below `/admin/v1` at the admin address.",
		"**Authentication.** Every request has an access token in the header `Authorization: Bearer`. A service client gets one by client_credentials at `/oauth2/token` of the admin address, with the resource `/admin/v1` of that address. Its roles are read at each request. A directory in which the caller has no role does not exist for it: the status is 404.",
		"**Bodies** are JSON objects in UTF-8 of at most 2 MB, and of 16 MB for documents. Unknown members, repeated members and wrong types are rejected, with the JSON pointer of each. Absent members of a response have their default. Ignore members of responses that you do not know.",
		"**Changes** are merge patches (RFC 7396): members that the patch does not have stay, null restores the default, and lists are replaced as a whole. A patch needs the header `If-Match` with the ETag of the last response; without it the status is 428, and 412 after another change. Members that the server sets may stay in the patch if they are unchanged.",
		"**Repeats.** A creation with a header `Idempotency-Key` of at most 255 characters is done once. The same request within 24 hours gets what was created as it is now, with the same secret, and the header `Idempotent-Replayed`. Results are sealed by the master key. The same key with another body is status 422, and 409 while the first request runs.",
		"**Lists** come in pages: send `next` of a page as the parameter `after`. It is opaque.",
		"**Secrets** are returned once, by the request that creates them. Phone numbers, OpenIDs and UnionIDs are masked; only reveal returns them, and each call is in the audit trail.",
	}
}

// NewReference returns the document in the language of translate.
func NewReference(translate func(string) string) Reference {
	a := &api{types: newTypes()}
	a.routes = a.allRoutes()
	a.describeRoutes()
	r := Reference{}
	for _, text := range intro() {
		r.Intro = append(r.Intro, translate(text))
	}
	for _, tag := range tags() {
		section := Section{Title: translate(tag.name), Text: translate(tag.text)}
		for _, route := range a.routes {
			if route.tag == tag.name {
				section.Operations = append(section.Operations, a.operation(route, translate))
			}
		}
		r.Sections = append(r.Sections, section)
	}
	for _, o := range a.types.sorted() {
		object := Object{Name: o.name, Text: translate(o.doc)}
		for _, m := range o.members {
			object.Members = append(object.Members, memberOf(m, translate))
		}
		r.Objects = append(r.Objects, object)
	}
	for _, kind := range problemTypes() {
		r.Problems = append(r.Problems, ProblemKind{problemPrefix + kind.name, translate(kind.title), kind.status})
	}
	return r
}

func (a *api) operation(r route, translate func(string) string) Operation {
	o := Operation{
		ID: r.id, Method: r.method, Path: Path + r.path, Summary: translate(r.summary), Text: translate(r.text), Public: r.public,
		IfMatch: r.patch || r.planned, Once: r.replay != nil, Optional: r.optional, Status: r.status, StatusText: http.StatusText(r.status),
	}
	if r.act != "" {
		role, fresh := r.act.Requirement()
		o.Role, o.Fresh = string(role), fresh
	}
	for _, p := range r.query {
		m := Member{Name: p.name, Text: translate(p.text), Type: "string", Values: p.enum}
		switch {
		case p.integer:
			m.Type = "integer"
		case p.boolean:
			m.Type = "boolean"
		}
		o.Parameters = append(o.Parameters, m)
	}
	if r.body != nil {
		o.Body, o.BodyMedia = a.types.object(r.body).name, mediaJSON
	}
	if r.patch {
		o.BodyMedia = mediaPatch
	}
	if len(r.media) > 0 {
		o.BodyMedia = strings.Join(r.media, ", ")
	}
	if r.reply != nil {
		o.Reply, o.ReplyMedia = a.types.object(r.reply).name, mediaJSON
	}
	if len(r.replyMedia) > 0 {
		o.ReplyMedia = strings.Join(r.replyMedia, ", ")
	}
	return o
}

func memberOf(m member, translate func(string) string) Member {
	view := Member{
		Name: m.name, Text: translate(m.doc), Type: typeText(m.shape), Values: m.shape.enum, Needed: m.needed,
		ReadOnly: m.access == readOnly, Fixed: m.access == created,
	}
	for s := m.shape; s != nil; s = s.elem {
		if s.object != nil {
			view.Object = s.object.name
		}
	}
	return view
}

// typeText names the type of a value.
func typeText(s *shape) string {
	switch s.kind {
	case kindArray:
		return "array of " + typeText(s.elem)
	case kindMap:
		return "map of " + typeText(s.elem)
	default:
		return cmp.Or(s.format, string(s.kind))
	}
}

// sorted returns the objects by name. List objects have a description in common, so that the first stands for all.
func (t *types) sorted() []*object {
	var all []*object
	for _, o := range t.objects {
		all = append(all, o)
	}
	slices.SortFunc(all, func(a, b *object) int { return cmp.Compare(a.name, b.name) })
	return slices.CompactFunc(all, func(a, b *object) bool { return a.name == b.name })
}

// roleText is the role of an operation for the OpenAPI document.
func roleText(r route) string {
	if r.public {
		return "No access token is needed."
	}
	if r.act == "" {
		return "Every role may."
	}
	role, fresh := r.act.Requirement()
	text := "The weakest role that may is " + string(role) + "."
	if fresh {
		text += " An operator needs a sign-in within " + strconv.Itoa(int(admin.FreshSignIn.Minutes())) + " minutes."
	}
	return text
}
