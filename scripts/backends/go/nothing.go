//go:build border

package main

// A store that keeps only what it says of itself: what a call takes then is the crossing from Python into Go.
// tests/yardsticks/border.py builds it in.
func init() {
	kinds["nothing"] = kind{
		func(string, options) (writer, error) { return nothingWriter{}, nil },
		func(string, options) (reader, error) { return nothingReader{}, nil },
	}
}

var nothingMetadata []byte

type nothingWriter struct{}

func (nothingWriter) put(first uint64, values [][]byte) error {
	if first == metadata {
		nothingMetadata = append([]byte(nil), values[0]...)
	}
	return nil
}

func (nothingWriter) close(bool) error { return nil }

type nothingReader struct{}

func (nothingReader) get(numbers []uint64, _ int, take func([]byte) error) error {
	if numbers[0] == metadata {
		return take(nothingMetadata)
	}
	return nil
}

func (nothingReader) scan(uint64, int, func([]byte) error) error { return nil }
func (nothingReader) close() error                               { return nil }
