package storage

import (
	"encoding/json"
	"time"
)

// Described is the document by which an operator's files describe a record, as `minifed apply` applied it last. The difference
// between the two is drift: a change that the files do not have.
type Described struct {
	Directory string `json:"directory"`
	// Kind and ID identify the described record: a directory, an operator by the username, a resource by the identifier, or the kind of a client or of a connection.
	Kind string `json:"kind"`
	ID   string `json:"id"`
	// Body has the members of the record, without secrets.
	Body json.RawMessage `json:"body"`
	// Source is where the document was: a file and a line.
	Source string `json:"source,omitempty"`
	// Actor applied it.
	Actor     string    `json:"actor"`
	CreatedAt time.Time `json:"created_at,omitzero"`
}

// Document implements Record. A directory is described once, and so is each of its clients.
func (d Described) Document() Document {
	return Document{Kind: KindDescribed, ID: Key(d.Directory, d.key()), Owner: d.Directory, CreatedAt: d.CreatedAt}
}

func (d Described) key() string {
	switch d.Kind {
	case DescribedDirectory:
		return DescribedDirectory
	case DescribedOperator:
		return DescribedOperator + "/" + d.ID
	case string(ConnectionWebsite), string(ConnectionOfficialAccount), string(ConnectionNativeApp):
		return "connection/" + d.ID
	case DescribedResource:
		return DescribedResource + "/" + ResourceID(d.ID)
	default:
		return "client/" + d.ID
	}
}

// The kinds of a Described that describes no client.
const (
	DescribedDirectory = "directory"
	DescribedOperator  = "operator"
	DescribedResource  = "resource"
)
