package main

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"

	"github.com/dgraph-io/badger/v4"
	compression "github.com/dgraph-io/badger/v4/options"
	"github.com/dgraph-io/badger/v4/pb"
	"github.com/dgraph-io/ristretto/v2/z"
)

const (
	// What one call of a stream's Write is handed: it's copied more than once.
	badgerBatch = 1 << 20
	// The least that Badger takes is 1 MiB; this one holds nothing, as streams go past it.
	badgerMemory = 1 << 20
	// Of a stream's tables, of which up to 16 are in memory where the disk is slow.
	badgerTable = 1 << 20
	// At most what one value takes beside its bytes, and what a store takes beside its values.
	badgerValueBytes, badgerStoreBytes = 80, 1 << 20
)

func badgerOptions(path string) badger.Options {
	chosen := badger.DefaultOptions(path).
		WithLogger(nil).
		WithMetricsEnabled(false).
		WithDetectConflicts(false).
		WithNumCompactors(0).
		WithMemTableSize(badgerMemory).
		WithBaseTableSize(badgerTable).
		WithValueThreshold(0).
		WithBloomFalsePositive(0).
		WithCompression(compression.None).
		WithBlockCacheSize(0)
	chosen.TableSizeMultiplier = 1
	return chosen
}

type badgerWriter struct {
	path   string
	db     *badger.DB
	stream *badger.StreamWriter
	handed int64
}

func createBadger(path string, _ options) (writer, error) {
	made := &badgerWriter{path: path, handed: badgerStoreBytes}
	if err := made.checkRoom(); err != nil {
		return nil, err
	}
	db, err := badger.Open(badgerOptions(path))
	if err != nil {
		return nil, err
	}
	made.db, made.stream = db, db.NewStreamWriter()
	if err := made.stream.Prepare(); err != nil {
		made.close(false)
		return nil, err
	}
	return made, nil
}

func (w *badgerWriter) put(first uint64, values [][]byte) error {
	total := 0
	for _, value := range values {
		total += len(value) + badgerValueBytes
	}
	w.handed += int64(total)
	if err := w.checkRoom(); err != nil {
		return err
	}
	buffer := z.NewBuffer(badgerBatch, "values")
	defer buffer.Release()
	for row, value := range values {
		badger.KVToBuffer(&pb.KV{Key: key(first + uint64(row)), Value: value, Version: 1}, buffer)
		if buffer.LenNoPadding() >= badgerBatch || row == len(values)-1 {
			if err := w.stream.Write(buffer); err != nil {
				return err
			}
			buffer.Reset()
		}
	}
	return nil
}

func (w *badgerWriter) close(whole bool) error {
	var err error
	if whole {
		err = w.stream.Flush()
	} else {
		w.stream.Cancel()
	}
	if closing := w.db.Close(); err == nil {
		err = closing
	}
	return err
}

// checkRoom says whether what was handed over and isn't on the disk yet has room there. Badger writes through maps of
// files that have holes, in goroutines of its own: without room the process would be killed.
func (w *badgerWriter) checkRoom() error {
	var disk syscall.Statfs_t
	if err := syscall.Statfs(w.path, &disk); err != nil {
		return err
	}
	entries, err := os.ReadDir(w.path)
	if err != nil {
		return err
	}
	missing := w.handed
	for _, entry := range entries {
		var status syscall.Stat_t
		if syscall.Stat(filepath.Join(w.path, entry.Name()), &status) == nil {
			missing -= int64(status.Blocks) * 512
		}
	}
	if int64(disk.Bavail)*int64(disk.Bsize) < missing {
		return syscall.ENOSPC
	}
	return nil
}

type badgerReader struct {
	db  *badger.DB
	txn *badger.Txn
}

func openBadger(path string, _ options) (reader, error) {
	db, err := badger.Open(badgerOptions(path).WithReadOnly(true))
	if err != nil {
		return nil, err
	}
	return badgerReader{db, db.NewTransaction(false)}, nil
}

func (r badgerReader) get(numbers []uint64, _ int, take func(value []byte) error) error {
	for _, number := range numbers {
		item, err := r.txn.Get(key(number))
		if errors.Is(err, badger.ErrKeyNotFound) {
			return missing(number)
		}
		if err != nil {
			return err
		}
		if err := item.Value(take); err != nil {
			return err
		}
	}
	return nil
}

func (r badgerReader) scan(first uint64, count int, take func(value []byte) error) error {
	chosen := badger.DefaultIteratorOptions
	chosen.PrefetchValues = false
	iterator := r.txn.NewIterator(chosen)
	defer iterator.Close()
	iterator.Seek(key(first))
	for number := first; number < first+uint64(count); number++ {
		if !iterator.Valid() || !isKey(iterator.Item().Key(), number) {
			return missing(number)
		}
		if err := iterator.Item().Value(take); err != nil {
			return err
		}
		iterator.Next()
	}
	return nil
}

func (r badgerReader) close() error {
	r.txn.Discard()
	return r.db.Close()
}
