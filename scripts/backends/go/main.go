// Stores of Go libraries, as a C library: many values to a call, so that crossing from Python into Go costs little.
//
// A store keeps values under the numbers 0, 1, 2 ... and one under `metadata`. Calls return nil, or a text that says
// what went wrong, an errno (0 where there is none) before it; the caller frees it. Nothing of Go's memory is handed out.
package main

/*
#include <stdint.h>
#include <stdlib.h>
*/
import "C"

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"runtime/cgo"
	"runtime/debug"
	"syscall"
	"unsafe"
)

const (
	labelBytes = 8
	// The number of the value that says what the store holds.
	metadata uint64 = math.MaxUint64
)

// options of all stores; which of them a store uses its own file says.
type options struct {
	PageBytes int `json:"page_bytes"`
}

// A writer makes a new store.
type writer interface {
	// put keeps values under numbers from first on, higher than all before; it keeps none of the slices.
	put(first uint64, values [][]byte) error
	// close ends the store; one that isn't whole will be deleted.
	close(whole bool) error
}

// A reader reads a store.
type reader interface {
	// get hands the value of each number to take, in that order; the slice is valid until take returns. take fails
	// where all values together have more than room bytes. A number without a value is an error.
	get(numbers []uint64, room int, take func(value []byte) error) error
	// scan hands the values of count numbers from first on to take, in their order. A number without one is an error.
	scan(first uint64, count int, take func(value []byte) error) error
	close() error
}

type kind struct {
	create func(path string, given options) (writer, error)
	open   func(path string, given options) (reader, error)
}

var kinds = map[string]kind{"bolt": {createBolt, openBolt}, "badger": {createBadger, openBadger}}

// errRoom ends a reading of values whose next one has no room in the caller's buffer.
var errRoom = errors.New("no room")

//export store_create
func store_create(name, path, given *C.char, handle *C.uintptr_t) *C.char {
	return guarded(func() error {
		chosen, parsed, err := choice(name, given)
		if err != nil {
			return err
		}
		made, err := chosen.create(C.GoString(path), parsed)
		if err == nil {
			*handle = C.uintptr_t(cgo.NewHandle(made))
		}
		return err
	})
}

//export store_put
func store_put(handle C.uintptr_t, first C.uint64_t, count C.int64_t, packed *C.uint8_t, lengths *C.int64_t) *C.char {
	return guarded(func() error {
		values := make([][]byte, count)
		rest := unsafe.Pointer(packed)
		for row, length := range unsafe.Slice((*int64)(lengths), count) {
			values[row] = unsafe.Slice((*byte)(rest), length)
			rest = unsafe.Add(rest, length)
		}
		return cgo.Handle(handle).Value().(writer).put(uint64(first), values)
	})
}

//export store_finish
func store_finish(handle C.uintptr_t, whole C.int) *C.char {
	return guarded(func() error {
		defer cgo.Handle(handle).Delete()
		return cgo.Handle(handle).Value().(writer).close(whole != 0)
	})
}

//export store_open
func store_open(name, path, given *C.char, handle *C.uintptr_t) *C.char {
	return guarded(func() error {
		chosen, parsed, err := choice(name, given)
		if err != nil {
			return err
		}
		opened, err := chosen.open(C.GoString(path), parsed)
		if err == nil {
			*handle = C.uintptr_t(cgo.NewHandle(opened))
		}
		return err
	})
}

// store_images fills images and labels from values that are a label and pixels: of `numbers` or, where that is nil, of
// count numbers from first on.
//
//export store_images
func store_images(
	handle C.uintptr_t, numbers *C.uint64_t, first C.uint64_t, count, imageBytes C.int64_t, images *C.uint8_t, labels *C.int64_t,
) *C.char {
	return guarded(func() error {
		size := int(imageBytes)
		pixels := unsafe.Slice((*byte)(images), int(count)*size)
		places := unsafe.Slice((*byte)(unsafe.Pointer(labels)), int(count)*labelBytes)
		return read(handle, numbers, first, count, len(pixels)+len(places), func(value []byte) error {
			if len(value) != labelBytes+size {
				return fmt.Errorf("a value has %d bytes and not %d", len(value), labelBytes+size)
			}
			copy(places, value[:labelBytes])
			copy(pixels, value[labelBytes:])
			places, pixels = places[labelBytes:], pixels[size:]
			return nil
		})
	})
}

// store_values fills a buffer of `room` bytes with values, one after the other, and says in `done` how many it took; of
// the first that has no room, its length is the last that is told.
//
//export store_values
func store_values(
	handle C.uintptr_t, numbers *C.uint64_t, first C.uint64_t, count C.int64_t, buffer *C.uint8_t, room C.int64_t,
	lengths, done *C.int64_t,
) *C.char {
	return guarded(func() error {
		free := unsafe.Slice((*byte)(buffer), room)
		told := unsafe.Slice((*int64)(lengths), count)
		*done = 0
		err := read(handle, numbers, first, count, int(room), func(value []byte) error {
			told[*done] = int64(len(value))
			if len(value) > len(free) {
				return errRoom
			}
			free = free[copy(free, value):]
			*done++
			return nil
		})
		if errors.Is(err, errRoom) {
			return nil
		}
		return err
	})
}

//export store_close
func store_close(handle C.uintptr_t) *C.char {
	return guarded(func() error {
		defer cgo.Handle(handle).Delete()
		return cgo.Handle(handle).Value().(reader).close()
	})
}

//export store_free
func store_free(text *C.char) {
	C.free(unsafe.Pointer(text))
}

func main() {}

func choice(name, given *C.char) (chosen kind, parsed options, err error) {
	chosen, known := kinds[C.GoString(name)]
	if !known {
		return chosen, parsed, fmt.Errorf("there is no store %s", C.GoString(name))
	}
	return chosen, parsed, json.Unmarshal([]byte(C.GoString(given)), &parsed)
}

func read(
	handle C.uintptr_t, numbers *C.uint64_t, first C.uint64_t, count C.int64_t, room int, take func(value []byte) error,
) error {
	opened := cgo.Handle(handle).Value().(reader)
	if numbers == nil && count == 1 {
		return opened.get([]uint64{uint64(first)}, room, take)
	}
	if numbers == nil {
		return opened.scan(uint64(first), int(count), take)
	}
	return opened.get(unsafe.Slice((*uint64)(numbers), count), room, take)
}

// guarded calls work and returns its error, or the panic it ends in, as a text for the caller. A page of a mapped file
// that can't be read is such a panic too.
func guarded(work func() error) (text *C.char) {
	defer func() {
		if cause := recover(); cause != nil {
			text = described(fmt.Errorf("panic: %v", cause))
		}
	}()
	debug.SetPanicOnFault(true)
	if err := work(); err != nil {
		return described(err)
	}
	return nil
}

func described(err error) *C.char {
	var number syscall.Errno
	errors.As(err, &number)
	return C.CString(fmt.Sprintf("%d %v", int(number), err))
}

// key makes the order of bytes the order of numbers.
func key(number uint64) []byte {
	return binary.BigEndian.AppendUint64(make([]byte, 0, 8), number)
}

// isKey says whether this is the key of that number.
func isKey(found []byte, number uint64) bool {
	return len(found) == 8 && binary.BigEndian.Uint64(found) == number
}

func missing(number uint64) error {
	return fmt.Errorf("there is no value of number %d", number)
}
