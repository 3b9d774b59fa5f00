"""Where the columns of a Parquet file are, so that who reads one in one row group has it fetched in the next ones too.

A reader of some columns jumps from chunk to chunk, with gaps of any size between them: no stride tells what comes next,
but the footer does, and it was read before anything else. It is only looked into when it is kept on this machine. What
it says decides what is fetched early and nothing else: a broken one costs a fetch in vain, never a wrong byte.

The format: https://parquet.apache.org/docs/file-format/ and the Thrift compact protocol.
"""

from __future__ import annotations

import bisect
import threading
from collections import OrderedDict
from typing import Any, Dict, FrozenSet, List, Optional, Sequence, Tuple

__all__ = ["Columns", "Recent", "chunks_of", "footer_at"]

_MAGIC = b"PAR1"
_LARGEST_FOOTER = 64 * 2**10  # bytes: some 500 chunks; of larger ones the looking costs more than it saves
_MOST = 8  # chunks of a column that are fetched early, at a time
_GAP = 128 * 2**10  # bytes between chunks that are fetched along with them: less than a request costs
_WIDE_GAP = 256 * 2**10  # the same, where a good part of what is fetched is wanted
_WANTED = 3  # this part: one third
_PLACES = 256

Chunk = Tuple[int, int]

_FALSE, _STRUCT, _LIST, _SET = 2, 12, 9, 10
_ROW_GROUPS, _COLUMNS, _META_DATA = 4, 1, 3  # field numbers of parquet.thrift
_COMPRESSED_SIZE, _DATA_PAGE, _DICTIONARY_PAGE = 7, 9, 11


class Columns:
    """The chunks of the columns of one file. Used by any number of threads.

    Parameters
    ----------
    chunks:
        For each row group, of each column where its bytes begin and end.
    """

    def __init__(self, chunks: Sequence[Sequence[Chunk]]) -> None:
        places = [
            (begin, end, column, group)
            for group, columns in enumerate(chunks)
            for column, (begin, end) in enumerate(columns)
        ]
        self._places = sorted(places)
        self._begins = [place[0] for place in self._places]
        self._chunks = chunks
        self.read: FrozenSet[int] = frozenset()
        """The columns that were read, as far as that was seen here."""
        self.before: FrozenSet[int] = frozenset()
        """Those of the file before it that had been read when this one was begun: files are read side by side, and
        what was read of the last one may not be all that will be."""

    def __bool__(self) -> bool:
        return bool(self._places)

    @property
    def width(self) -> int:
        """How many columns there are."""
        return len(self._chunks[0]) if self._chunks else 0

    def beside(self, offset: int, end: int, others: FrozenSet[int] = frozenset()) -> List[Chunk]:
        """The chunks that a reader of these bytes will want: those of the same columns in other row groups, the nearest
        first, and those of ``others``. What lies near each other is one."""
        at = bisect.bisect_right(self._begins, offset)
        near = self._places[max(0, at - 1) : bisect.bisect_left(self._begins, end)]
        read = [(column, group) for _, stop, column, group in near if stop > offset]
        if not read:
            return []
        self.read = self.read.union(column for column, _ in read)
        group = read[0][1]
        found: List[Chunk] = []
        for column in self.read | others:
            there = [number for number, columns in enumerate(self._chunks) if column < len(columns)]
            nearest = sorted(there, key=lambda number: abs(number - group))[: _MOST + 1]
            found += [self._chunks[number][column] for number in nearest if (column, number) not in read]
        return sorted(_joined(sorted(found)), key=lambda chunk: abs(chunk[0] - offset))


def _joined(chunks: List[Chunk]) -> List[Chunk]:
    joined: List[Chunk] = []
    wanted = 0  # bytes of the last one that somebody will want
    for begin, end in chunks:
        first, last = joined[-1] if joined else (begin, begin)
        after, gap = max(end, last), begin - last
        if joined and (gap <= _GAP or (gap <= _WIDE_GAP and (wanted + end - begin) * _WANTED >= after - first)):
            joined[-1] = first, after
            wanted += end - begin
        else:
            joined.append((begin, end))
            wanted = end - begin
    return joined


class Recent:
    """The files of columns that were read last, by where they are: the next one beside them is read alike."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: OrderedDict[Tuple[str, int], Columns] = OrderedDict()

    def before(self, url: str, columns: Columns) -> Optional[Columns]:
        """Take a file to the others. Returns the one of as many columns before it in the same directory, or in the same
        one but for partitions (``year=2013``)."""
        place = url.partition("=")[0].rpartition("/")[0], columns.width
        with self._lock:
            last = self._files.pop(place, None)
            self._files[place] = columns
            if last is not None:
                columns.before = last.read
            if len(self._files) > _PLACES:
                self._files.popitem(last=False)
        return last


def chunks_of(footer: bytes, size: int) -> List[List[Chunk]]:
    """Of each row group and column where its bytes begin and end; nothing where the footer cannot be understood.

    Parameters
    ----------
    footer:
        The file's metadata, without its length and the magic number.
    size:
        Of the file; what lies outside of it is not believed.
    """
    try:
        groups = _Reader(footer).struct()[_ROW_GROUPS]
        chunks = [[_chunk(column[_META_DATA]) for column in group[_COLUMNS]] for group in groups]
    except (LookupError, TypeError, ValueError, RecursionError):
        return []
    inside = all(0 < begin < end <= size for columns in chunks for begin, end in columns)
    return chunks if inside else []


def _chunk(column: Dict[int, Any]) -> Chunk:
    begin = min(column[_DATA_PAGE], column.get(_DICTIONARY_PAGE) or column[_DATA_PAGE])
    return begin, begin + column[_COMPRESSED_SIZE]


class _Reader:
    """Structures in the Thrift compact protocol, as dicts by field number; texts are passed over."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def struct(self) -> Dict[int, Any]:
        fields: Dict[int, Any] = {}
        number = 0
        while True:
            head = self._byte()
            if not head:
                return fields
            kind = head & 15
            number = number + (head >> 4) if head >> 4 else self._signed()
            fields[number] = kind if kind <= _FALSE else self._value(kind)

    def _value(self, kind: int) -> Any:
        if kind in (4, 5, 6):  # whole numbers of 16, 32 and 64 bits
            return self._signed()
        if kind == 8:  # bytes, texts
            self._skip(self._unsigned())
            return None
        if kind == _STRUCT:
            return self.struct()
        if kind in (_LIST, _SET):
            return self._list()
        if kind in (1, 2, 3):  # in lists a truth value has a byte
            return self._byte()
        if kind == 7:  # a floating-point number
            self._skip(8)
            return None
        raise ValueError(f"no type {kind} is in a footer")  # maps are not in Parquet's

    def _list(self) -> List[Any]:
        head = self._byte()
        count = head >> 4 if head >> 4 < 15 else self._unsigned()
        if count > len(self._data) - self._at:  # each has a byte at least
            raise ValueError("a list that is longer than the footer")
        return [self._value(head & 15) for _ in range(count)]

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _unsigned(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7

    def _signed(self) -> int:
        value = self._unsigned()
        return value >> 1 ^ -(value & 1)

    def _skip(self, count: int) -> None:
        self._at += count
        if self._at > len(self._data):
            raise ValueError("a text that goes on beyond the footer")


def footer_at(tail: bytes, size: int) -> Optional[Chunk]:
    """Where the footer of a file begins and ends, told by its last 8 bytes; ``None`` if there is none, or a large
    one."""
    length = int.from_bytes(tail[:4], "little")
    if len(tail) != 8 or tail[4:] != _MAGIC or not 0 < length <= min(_LARGEST_FOOTER, size - 12):
        return None
    return size - 8 - length, size - 8
