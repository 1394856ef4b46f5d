package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"go.etcd.io/bbolt"
)

// recordSize is that of a chat message with its envelope, in bytes.
const recordSize = 300

// writers share b.N writes and report them by the second.
func writers(b *testing.B, n int, write func(i uint64) error) {
	b.Helper()
	var next atomic.Uint64
	var running sync.WaitGroup
	b.ResetTimer()
	for range n {
		running.Go(func() {
			for i := next.Add(1); i <= uint64(b.N); i = next.Add(1) {
				if err := write(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	running.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
}

// BenchmarkUpdate is writes of a record each, on disk when they are counted.
func BenchmarkUpdate(b *testing.B) {
	record := make([]byte, recordSize)
	for _, n := range []int{1, 32, 256} {
		b.Run(fmt.Sprint("writers=", n), func(b *testing.B) {
			db := open(b)
			rows := NewTable("rows", Uint64[uint64](), Bytes())
			writers(b, n, func(i uint64) error {
				return db.Update(context.Background(), func(tx *Tx) error { return rows.Put(tx, i, record) })
			})
			s := db.Stats()
			b.ReportMetric(float64(s.Operations)/float64(s.Commits), "writes/fsync")
		})
	}
}

// BenchmarkPlain is the same with a transaction for each write, and with bbolt's own batches: what Update is compared with.
func BenchmarkPlain(b *testing.B) {
	record := make([]byte, recordSize)
	bucket := []byte("rows")
	for name, of := range map[string]func(*bbolt.DB) func(func(*bbolt.Tx) error) error{
		"update": func(db *bbolt.DB) func(func(*bbolt.Tx) error) error { return db.Update },
		"batch":  func(db *bbolt.DB) func(func(*bbolt.Tx) error) error { return db.Batch },
	} {
		for _, n := range []int{1, 32, 256} {
			b.Run(fmt.Sprintf("%s/writers=%d", name, n), func(b *testing.B) {
				db, err := bbolt.Open(filepath.Join(b.TempDir(), "plain.db"), 0o600, nil)
				if err != nil {
					b.Fatal(err)
				}
				b.Cleanup(func() { _ = db.Close() })
				if err := db.Update(func(tx *bbolt.Tx) error { _, err := tx.CreateBucket(bucket); return err }); err != nil {
					b.Fatal(err)
				}
				update := of(db)
				writers(b, n, func(i uint64) error {
					return update(func(tx *bbolt.Tx) error {
						return tx.Bucket(bucket).Put(binary.BigEndian.AppendUint64(nil, i), record)
					})
				})
			})
		}
	}
}
