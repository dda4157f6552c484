package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"unsafe"

	"go.etcd.io/bbolt"
)

const (
	boltFile = "images.bolt"
	// The map of a store that grows is made again each time it's full; this is address space only.
	boltFirstMap = 1 << 30
	// Larger values are announced to the kernel, all of a batch before the first is copied.
	announcedBytes = 8 << 10
)

var boltBucket = []byte("images")

type boltWriter struct{ db *bbolt.DB }

func createBolt(path string, given options) (writer, error) {
	db, err := bbolt.Open(filepath.Join(path, boltFile), 0o666, &bbolt.Options{
		PageSize: given.PageBytes, InitialMmapSize: boltFirstMap, NoSync: true, NoGrowSync: true, NoStatistics: true,
	})
	return boltWriter{db}, err
}

func (w boltWriter) put(first uint64, values [][]byte) error {
	return w.db.Update(func(tx *bbolt.Tx) error {
		bucket, err := tx.CreateBucketIfNotExists(boltBucket)
		if err != nil {
			return err
		}
		bucket.FillPercent = 1
		for row, value := range values {
			if err := bucket.Put(key(first+uint64(row)), value); err != nil {
				return err
			}
		}
		return nil
	})
}

func (w boltWriter) close(bool) error { return w.db.Close() }

type boltReader struct {
	db     *bbolt.DB
	tx     *bbolt.Tx
	cursor *bbolt.Cursor
	advice uintptr
}

func openBolt(path string, _ options) (opened reader, err error) {
	db, err := bbolt.Open(filepath.Join(path, boltFile), 0, &bbolt.Options{ReadOnly: true, NoStatistics: true})
	if err != nil {
		return nil, err
	}
	tx, err := db.Begin(false)
	if err != nil {
		db.Close()
		return nil, err
	}
	made := &boltReader{db: db, tx: tx, advice: syscall.MADV_RANDOM}
	defer func() {
		if opened == nil { // so that of a damaged file, which can end in a panic, nothing stays open
			made.close()
		}
	}()
	bucket := tx.Bucket(boltBucket)
	if bucket == nil {
		return nil, fmt.Errorf("%s holds no images", path)
	}
	made.cursor = bucket.Cursor()
	return made, nil
}

func (r *boltReader) get(numbers []uint64, room int, take func(value []byte) error) error {
	r.advise(syscall.MADV_RANDOM)
	values := make([][]byte, 0, len(numbers))
	for _, number := range numbers {
		found, value := r.cursor.Seek(key(number))
		if !isKey(found, number) {
			return missing(number)
		}
		values = append(values, value)
		if room -= len(value); room < 0 {
			break
		}
		if len(value) > announcedBytes {
			announce(value)
		}
	}
	for _, value := range values {
		if err := take(value); err != nil {
			return err
		}
	}
	return nil
}

func (r *boltReader) scan(first uint64, count int, take func(value []byte) error) error {
	r.advise(syscall.MADV_NORMAL)
	found, value := r.cursor.Seek(key(first))
	for number := first; number < first+uint64(count); number++ {
		if !isKey(found, number) {
			return missing(number)
		}
		if err := take(value); err != nil {
			return err
		}
		found, value = r.cursor.Next()
	}
	return nil
}

func (r *boltReader) close() error {
	r.tx.Rollback()
	return r.db.Close()
}

// advise tells the kernel how the map will be read; Bolt itself says at random. Advice needn't be taken.
func (r *boltReader) advise(advice uintptr) {
	if r.advice != advice {
		syscall.Syscall(syscall.SYS_MADVISE, r.db.Info().Data, uintptr(r.tx.Size()), advice)
		r.advice = advice
	}
}

// announce lets the kernel fetch all pages of a value at a time.
func announce(value []byte) {
	start := uintptr(unsafe.Pointer(&value[0]))
	aligned := start &^ uintptr(os.Getpagesize()-1)
	syscall.Syscall(syscall.SYS_MADVISE, aligned, start-aligned+uintptr(len(value)), syscall.MADV_WILLNEED)
}
