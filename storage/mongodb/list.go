package mongodb

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/minifed/minifed/storage"
)

// List implements storage.Engine: one indexed query, one document more than the page to know whether there is a next one.
func (e *Engine) List(ctx context.Context, query storage.Query) (storage.Page, error) {
	if err := query.Validate(); err != nil {
		return storage.Page{}, err
	}
	c, err := e.collection(query.Kind)
	if err != nil {
		return storage.Page{}, err
	}
	start, err := query.Start()
	if err != nil {
		return storage.Page{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, e.options.Timeout)
	defer cancel()
	o := orderOf(query)
	size := query.PageSize()
	find := findAll(size + 1).SetSort(o.sort())
	cursor, err := c.Find(ctx, o.filter(e.options.Now(), start), find)
	if err != nil {
		return storage.Page{}, e.unavailable("list", err)
	}
	var found []record
	if err := cursor.All(ctx, &found); err != nil {
		return storage.Page{}, e.unavailable("list", err)
	}
	return page(query, found, size)
}

// findAll are the options of a find that returns up to limit documents in its own reply. Without a batch size a server
// puts 101 into it and waits for a getMore; with one that equals the limit it may keep the cursor open.
func findAll(limit int) *options.FindOptionsBuilder {
	return options.Find().SetLimit(int64(limit)).SetBatchSize(int32(limit + 1))
}

func page(query storage.Query, found []record, size int) (storage.Page, error) {
	var result storage.Page
	for _, stored := range found[:min(len(found), size)] {
		doc, err := stored.document(query.Kind)
		if err != nil {
			return storage.Page{}, err
		}
		result.Documents = append(result.Documents, doc)
	}
	if len(found) > size {
		last := result.Documents[size-1]
		result.Next = query.Order.Cursor(query.Order.PositionOf(last))
	}
	return result, nil
}

// order is the index that a query follows: a field before _id, or none, and the direction.
type order struct {
	query     storage.Query
	field     string
	direction int
}

func orderOf(query storage.Query) order {
	o := order{query: query, direction: 1}
	switch query.Order {
	case storage.ByCreated:
		o.field = "created_at"
	case storage.ByCreatedDescending:
		o.field, o.direction = "created_at", -1
	case storage.ByName:
		o.field = "name"
	case storage.ByDue:
		o.field = "due_at"
	case storage.ByID:
	}
	return o
}

func (o order) sort() bson.D {
	sort := bson.D{}
	if o.field != "" {
		sort = append(sort, bson.E{Key: o.field, Value: o.direction})
	}
	return append(sort, bson.E{Key: "_id", Value: o.direction})
}

func (o order) filter(now time.Time, start *storage.Position) bson.D {
	conditions := bson.A{live(now)}
	switch o.query.Order {
	case storage.ByCreated, storage.ByCreatedDescending:
		conditions = append(conditions, bson.D{{Key: "owner", Value: o.query.Owner}})
	case storage.ByName:
		conditions = append(conditions, bson.D{{Key: "owner", Value: o.query.Owner}}, prefixed(o.query.Prefix))
	case storage.ByDue:
		conditions = append(conditions, bson.D{{Key: "due_at", Value: bson.D{{Key: "$lte", Value: o.query.DueBefore}}}})
	case storage.ByID:
	}
	if start != nil {
		conditions = append(conditions, o.after(*start))
	}
	return bson.D{{Key: "$and", Value: conditions}}
}

// after is the keyset condition: (field, _id) beyond the start. Its first part bounds the scan of the index. DocumentDB 0.106
// loses documents when the second repeats the field together with _id.
func (o order) after(start storage.Position) bson.D {
	beyond := "$gt"
	if o.direction < 0 {
		beyond = "$lt"
	}
	id := bson.D{{Key: "_id", Value: bson.D{{Key: beyond, Value: start.ID}}}}
	if o.field == "" {
		return id
	}
	var value any = start.Time
	if o.query.Order == storage.ByName {
		value = start.Name
	}
	return bson.D{
		{Key: o.field, Value: bson.D{{Key: beyond + "e", Value: value}}},
		{Key: "$or", Value: bson.A{bson.D{{Key: o.field, Value: bson.D{{Key: beyond, Value: value}}}}, id}},
	}
}

// prefixed is the range of names that start with prefix; a range uses the index, and takes no character for a pattern.
func prefixed(prefix string) bson.D {
	if prefix == "" {
		return bson.D{}
	}
	return bson.D{{Key: "name", Value: bson.D{{Key: "$gte", Value: prefix}, {Key: "$lt", Value: prefix + "\U0010FFFF"}}}}
}
