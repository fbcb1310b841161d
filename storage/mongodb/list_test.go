package mongodb

import (
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/minifed/minifed/storage"
)

// The field stands together with the bound of the _id only outside the $or: DocumentDB 0.106 loses documents otherwise.
func TestList_NextPageFilterBoundsTheIndexOnce(t *testing.T) {
	at := time.UnixMilli(1700000000123).UTC()
	for name, c := range map[string]struct {
		order storage.Order
		start storage.Position
		want  bson.D
	}{
		"by due": {storage.ByDue, storage.Position{Time: at, ID: "id"}, bson.D{
			{Key: "due_at", Value: bson.D{{Key: "$gte", Value: at}}},
			{Key: "$or", Value: bson.A{
				bson.D{{Key: "due_at", Value: bson.D{{Key: "$gt", Value: at}}}}, bson.D{{Key: "_id", Value: bson.D{{Key: "$gt", Value: "id"}}}},
			}},
		}},
		"newest first": {storage.ByCreatedDescending, storage.Position{Time: at, ID: "id"}, bson.D{
			{Key: "created_at", Value: bson.D{{Key: "$lte", Value: at}}},
			{Key: "$or", Value: bson.A{
				bson.D{{Key: "created_at", Value: bson.D{{Key: "$lt", Value: at}}}}, bson.D{{Key: "_id", Value: bson.D{{Key: "$lt", Value: "id"}}}},
			}},
		}},
		"by name": {storage.ByName, storage.Position{Name: "n", ID: "id"}, bson.D{
			{Key: "name", Value: bson.D{{Key: "$gte", Value: "n"}}},
			{Key: "$or", Value: bson.A{
				bson.D{{Key: "name", Value: bson.D{{Key: "$gt", Value: "n"}}}}, bson.D{{Key: "_id", Value: bson.D{{Key: "$gt", Value: "id"}}}},
			}},
		}},
		"by ID": {storage.ByID, storage.Position{ID: "id"}, bson.D{{Key: "_id", Value: bson.D{{Key: "$gt", Value: "id"}}}}},
	} {
		got, _ := bson.MarshalExtJSON(orderOf(storage.Query{Order: c.order}).after(c.start), false, false)
		want, _ := bson.MarshalExtJSON(c.want, false, false)
		if string(got) != string(want) {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}
