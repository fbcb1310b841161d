//go:build unix

package sqlite

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
)

// benchmarkDocument is the grant of a mini-program login.
func benchmarkDocument(n int) storage.Document {
	now := time.Now()
	id, user := storage.Digest(fmt.Sprint(n)), storage.Digest("user", fmt.Sprint(n/2))[:26]
	body := strings.NewReplacer(
		"NxqtRN3_DGPJZRwIdAJNm7HU6Izi8tZUZG6aAYep3A8", id, "u7v4pzpaucoszlyrggax5hxyyy", user,
		"T1Tc57wt3j6k6DTH5pd9RA", storage.Digest("sid", id)[:22], "bLRYBPalK1NsU4_TD3JrHRmfVjgoduNjiXgeScRbcr8", storage.Digest("asked", id),
	).Replace(grantBody)
	return storage.Document{
		Kind: storage.KindGrant, ID: "default/" + id, Owner: "default/" + user, CreatedAt: now, ExpiresAt: now.Add(time.Hour), Body: []byte(body),
	}
}

func openBenchmark(b *testing.B, documents int) *Engine {
	b.Helper()
	e, err := Open(b.Context(), Options{Path: filepath.Join(b.TempDir(), "minifed.db"), Serve: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = e.Close() })
	inParallel(64, documents, func(n int) {
		if _, err := e.Insert(context.Background(), benchmarkDocument(n)); err != nil {
			b.Error(err)
		}
	})
	return e
}

// inParallel calls work for 0 to n-1 from several goroutines.
func inParallel(workers, n int, work func(int)) {
	var next atomic.Int64
	done := make(chan struct{})
	for range workers {
		go func() {
			defer func() { done <- struct{}{} }()
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				work(int(i - 1))
			}
		}()
	}
	for range workers {
		<-done
	}
}

// processorTime is what this process has used so far.
func processorTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// measure runs the timed part of a benchmark and reports the processor time of one operation.
func measure(b *testing.B, workers int, work func(n int)) {
	b.Helper()
	b.ReportAllocs()
	b.ResetTimer()
	start := processorTime()
	inParallel(workers, b.N, work)
	b.ReportMetric(float64(processorTime()-start)/float64(b.N)/1e3, "cpu-µs/op")
}

func BenchmarkGet(b *testing.B) {
	const documents = 10_000
	e := openBenchmark(b, documents)
	ids := make([]string, documents)
	for i := range ids {
		ids[i] = benchmarkDocument(i).ID
	}
	for _, workers := range []int{1, 64} {
		b.Run(fmt.Sprint(workers, " callers"), func(b *testing.B) {
			ctx := b.Context()
			measure(b, workers, func(n int) {
				if _, err := e.Get(ctx, storage.KindGrant, ids[n%documents]); err != nil {
					b.Error(err)
				}
			})
		})
	}
}

func BenchmarkInsert(b *testing.B) {
	for _, workers := range []int{1, 16, 64} {
		b.Run(fmt.Sprint(workers, " callers"), func(b *testing.B) {
			e := openBenchmark(b, 0)
			ctx := b.Context()
			measure(b, workers, func(n int) {
				if _, err := e.Insert(ctx, benchmarkDocument(n)); err != nil {
					b.Error(err)
				}
			})
		})
	}
}

func BenchmarkReplace(b *testing.B) {
	for _, workers := range []int{1, 16, 64} {
		b.Run(fmt.Sprint(workers, " callers"), func(b *testing.B) {
			const documents = 1000
			e := openBenchmark(b, documents)
			docs := make([]storage.Document, documents)
			for i := range docs {
				doc, err := e.Get(b.Context(), storage.KindGrant, benchmarkDocument(i).ID)
				if err != nil {
					b.Fatal(err)
				}
				docs[i] = doc
			}
			ctx := b.Context()
			measure(b, workers, func(n int) {
				doc := docs[n%documents] // each is written by one caller at a time: there are more of them than callers
				rev, err := e.Replace(ctx, doc)
				if err != nil {
					b.Error(err)
				}
				docs[n%documents].Rev = rev
			})
		})
	}
}

func BenchmarkOpenToFirstAnswer(b *testing.B) {
	e := openBenchmark(b, 1000)
	if err := e.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		e, err := Open(b.Context(), Options{Path: e.path, Serve: true})
		if err != nil {
			b.Fatal(err)
		}
		if err := e.Ping(b.Context()); err != nil {
			b.Fatal(err)
		}
		if err := e.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
