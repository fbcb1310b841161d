package sqlite

import (
	"bytes"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// A page of SQLite (https://www.sqlite.org/fileformat2.html).
const (
	// fileHeader is the length of the header in the first page.
	fileHeader = 100
	// reservedAt is the offset of the number of reserved bytes at the end of each page, and trunkAt that of the first trunk page of
	// the free list, both in the header of the file.
	reservedAt = 20
	trunkAt    = 32
	// leafHeader and innerHeader are the lengths of the header of a page of a B-tree.
	leafHeader  = 8
	innerHeader = 12
	// blockHeader is the length of the header of a free block.
	blockHeader = 4
	// maxPages is the first page number whose first byte looks like the type of a page of a B-tree. Larger files are left as they are.
	maxPages = 1 << 25
)

// unusedSpace returns the bytes of a page of a B-tree that SQLite never reads: between its cell pointers and its cells, where copies of
// cells remain that it moved to other pages, and in free blocks, where cells remain that an earlier version of minifed deleted. It is
// empty for pages of other types. The first page begins with the header of the file.
func unusedSpace(page []byte, first bool, reserved int) (unused [][]byte) {
	header := 0
	if first {
		header = fileHeader
	}
	usable := len(page) - reserved
	if usable < header+innerHeader || len(page) > 1<<16 {
		return nil
	}
	begin := header
	switch page[header] {
	case 10, 13: // leaves of an index and of a table
		begin += leafHeader
	case 2, 5: // inner pages of both
		begin += innerHeader
	default:
		return nil
	}
	begin += 2 * int(binary.BigEndian.Uint16(page[header+3:]))
	end := int(binary.BigEndian.Uint16(page[header+5:]))
	if end == 0 {
		end = 1 << 16
	}
	if begin > end || end > usable {
		return nil
	}
	unused = append(unused, page[begin:end])
	for block := int(binary.BigEndian.Uint16(page[header+1:])); block >= end && block+blockHeader <= usable; {
		next, size := int(binary.BigEndian.Uint16(page[block:])), int(binary.BigEndian.Uint16(page[block+2:]))
		if size < blockHeader || block+size > usable || next != 0 && next < block+size {
			return unused
		}
		unused = append(unused, page[block+blockHeader:block+size])
		block = next
	}
	return unused
}

// freePages returns the free pages that a trunk page of the free list names, the unused rest of the trunk page, and the next trunk page.
func freePages(trunk []byte, reserved int) (pages []int64, rest []byte, next int64) {
	usable := len(trunk) - reserved
	count := int(binary.BigEndian.Uint32(trunk[4:]))
	if usable < 8 || count < 0 || 8+4*count > usable {
		return nil, nil, 0
	}
	for n := range count {
		pages = append(pages, int64(binary.BigEndian.Uint32(trunk[8+4*n:])))
	}
	return pages, trunk[8+4*count : usable], int64(binary.BigEndian.Uint32(trunk))
}

// hasData reports whether a byte is not zero.
func hasData(space []byte) bool { return len(bytes.TrimLeft(space, "\x00")) > 0 }

const (
	// overwritePages bounds the pages that one transaction reads, and overwriteWrites those that it writes.
	overwritePages  = 256
	overwriteWrites = 64
)

// overwriting overwrites the unused space of a file with zeros, a few pages at a time: free pages first, and then all pages in their
// order. secure_delete overwrites what is deleted, but not the copies of cells that SQLite moved between pages.
type overwriting struct {
	conn *connection
	// trunks is how many trunk pages of the free list are done, and page is the next page after that.
	trunks int
	free   []int64 // free pages of the current trunk page that are not done
	listed bool    // the free list is done
	page   int64
	writes int // of this transaction
}

// step executes one transaction. It reports whether more is to be done.
func (o *overwriting) step() (more bool, writes int, err error) {
	if _, err := o.conn.exec("BEGIN IMMEDIATE"); err != nil {
		return false, 0, err
	}
	o.writes = 0
	more, err = o.overwrite()
	if err != nil {
		_, rollback := o.conn.exec("ROLLBACK")
		return false, 0, errors.Join(err, rollback)
	}
	_, err = o.conn.exec("COMMIT")
	return more, o.writes, err
}

func (o *overwriting) overwrite() (more bool, err error) {
	head, err := o.read(1)
	if err != nil {
		return false, err
	}
	reserved := int(head[reservedAt])
	var last int64
	if err := o.conn.value(&last, "PRAGMA page_count"); err != nil || last >= maxPages {
		return false, err
	}
	if !o.listed {
		return true, o.overwriteFree(int64(binary.BigEndian.Uint32(head[trunkAt:])), reserved)
	}
	for n := 0; n < overwritePages && o.writes < overwriteWrites && o.page < last; n++ {
		o.page++
		page, err := o.read(o.page)
		if err != nil {
			return false, err
		}
		if err := o.clear(o.page, page, unusedSpace(page, o.page == 1, reserved)...); err != nil {
			return false, err
		}
	}
	return o.page < last, nil
}

// overwriteFree overwrites free pages of one trunk page. Pages that become free in the meantime are overwritten by secure_delete.
func (o *overwriting) overwriteFree(trunk int64, reserved int) error {
	for n := 0; trunk != 0; n++ {
		page, err := o.read(trunk)
		if err != nil {
			return err
		}
		pages, rest, next := freePages(page, reserved)
		if n < o.trunks {
			trunk = next
			continue
		}
		if len(o.free) == 0 {
			o.free = pages
		}
		for len(o.free) > 0 && o.writes < overwriteWrites {
			number := o.free[0]
			o.free = o.free[1:]
			if !slices.Contains(pages, number) {
				continue // It is used again.
			}
			free, err := o.read(number)
			if err != nil {
				return err
			}
			if err := o.clear(number, free, free); err != nil {
				return err
			}
		}
		if len(o.free) == 0 {
			o.trunks++
			return o.clear(trunk, page, rest)
		}
		return nil
	}
	o.listed = true
	return nil
}

// read reads a page.
func (o *overwriting) read(number int64) ([]byte, error) {
	row := make([]driver.Value, 1)
	found, err := o.conn.row(row, "SELECT data FROM sqlite_dbpage('main') WHERE pgno = ?", number)
	if err != nil {
		return nil, err
	}
	page, ok := row[0].([]byte)
	if !found || !ok || len(page) < fileHeader+innerHeader {
		return nil, fmt.Errorf("storage/sqlite: page %d cannot be read", number)
	}
	return page, nil
}

// clear overwrites parts of a page with zeros, and writes the page unless they had zeros alone.
func (o *overwriting) clear(number int64, page []byte, parts ...[]byte) error {
	if !slices.ContainsFunc(parts, hasData) {
		return nil
	}
	for _, part := range parts {
		clear(part)
	}
	o.writes++
	_, err := o.conn.exec("UPDATE sqlite_dbpage SET data = ? WHERE pgno = ?", page, number)
	return err
}
