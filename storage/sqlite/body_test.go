package sqlite

import (
	"testing"

	"github.com/minifed/minifed/storage"
)

// grantBody is the body of a mini-program login.
const grantBody = `{"v":1,"directory":"default","id":"NxqtRN3_DGPJZRwIdAJNm7HU6Izi8tZUZG6aAYep3A8","client":"mini","user":"u7v4pzpaucoszlyrggax5hxyyy","state":"active",` +
	`"grant_type":"urn:ietf:params:oauth:grant-type:token-exchange","secret_generation":1,"user_epoch":0,"sid":"T1Tc57wt3j6k6DTH5pd9RA",` +
	`"scopes":["openid","profile","offline_access"],"audience":["https://id.example.com"],"auth_time":"2026-11-30T08:54:55.09Z","amr":["wechat_miniapp"],` +
	`"asked":"bLRYBPalK1NsU4_TD3JrHRmfVjgoduNjiXgeScRbcr8","repeat_until":"2026-11-30T08:55:55.104Z","refresh":{"generation":1,"idle_until":"2026-12-07T08:54:55.105Z"},` +
	`"attempt":"d0Cu6quXqtRV","created_at":"2026-11-30T08:54:55.104Z","expires_at":"2026-12-07T08:54:55.105Z"}`

func grantDocument() storage.Document {
	return storage.Document{
		ID: "default/NxqtRN3_DGPJZRwIdAJNm7HU6Izi8tZUZG6aAYep3A8", Owner: "default/u7v4pzpaucoszlyrggax5hxyyy", Body: []byte(grantBody),
	}
}

func BenchmarkPack(b *testing.B) {
	bodies, doc := newBodies(), grantDocument()
	b.ReportMetric(float64(len(bodies.pack(&doc))), "bytes")
	for b.Loop() {
		bodies.pack(&doc)
	}
}

func BenchmarkUnpack(b *testing.B) {
	bodies, doc := newBodies(), grantDocument()
	p := bodies.pack(&doc)
	b.ReportMetric(float64(len(p)), "bytes")
	for b.Loop() {
		if x, err := bodies.unpack(p, doc.ID, doc.Owner); err != nil || string(x) != grantBody {
			b.Fatal(string(x), err)
		}
	}
}
