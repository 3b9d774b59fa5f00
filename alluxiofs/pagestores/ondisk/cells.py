"""The pages of one size class: a file of cells, and a file with a descriptor for each."""

from __future__ import annotations

import errno
import os
from typing import List, Optional, Tuple

from alluxiofs.pagestores.ondisk import layout
from alluxiofs.pagestores.ondisk.layout import DESCRIPTOR_BYTES, NOTE, PINNED, Descriptor
from alluxiofs.pagestores.ondisk.mapped import Handle, Mapped, not_ours, open_regular
from alluxiofs.pagestores.ondisk.section import Section, write_fully

__all__ = ["Cells"]

_WORDS = DESCRIPTOR_BYTES // 8
_INDEX_STEP = 4096
_LOOKS = 2  # at a descriptor that may be being written


class Cells:
    """The cells of one size class, as a process sees them. Cell ``n`` begins at byte ``first + n * size`` of
    ``NN.pages``, its descriptor at byte ``64 * (n + 1)`` of ``NN.index``: no two descriptors can ever mean the same
    bytes.

    Parameters
    ----------
    folder:
        Where the files are.
    size_class:
        Which.
    """

    def __init__(self, folder: str, size_class: int) -> None:
        self.size_class = size_class
        self.size = layout.cell_bytes(size_class)
        self._first = layout.first_cell_at(size_class)
        self.path = f"{folder}/{size_class}.pages"
        self.index = Mapped(f"{folder}/{size_class}.index")
        magic, version, number = layout.INDEX_HEADER.unpack_from(self.index.raw[: layout.INDEX_HEADER.size])
        if magic != layout.INDEX_MAGIC or version != layout.VERSION or number != size_class:
            raise not_ours(self.index.path)
        self.data: Handle = open_regular(self.path)

    @classmethod
    def create(cls, folder: str, size_class: int) -> Cells:
        """Make the files where there are none. Something else in their place stays, and is an error."""
        for name in ("pages", "index"):
            path = f"{folder}/{size_class}.{name}"
            handle = open_regular(path, os.O_RDWR | os.O_CREAT)
            if not os.fstat(handle.fd).st_size and name == "index":
                header = layout.INDEX_HEADER.pack(layout.INDEX_MAGIC, layout.VERSION, size_class)
                write_fully(handle.fd, header + bytes(_INDEX_STEP - len(header)), 0)
            elif os.fstat(handle.fd).st_size and name == "pages" and not os.path.exists(f"{folder}/{size_class}.index"):
                raise OSError(
                    errno.EEXIST, "this is in the place of a file of the page store; move it out of the way", path
                )
        return cls(folder, size_class)

    @property
    def described(self) -> int:
        """Cells that have a descriptor in the mapping."""
        return self.index.size // DESCRIPTOR_BYTES - 1

    def word_at(self, cell: int) -> int:
        """Which word of the index is the first one of a descriptor."""
        return (cell + 1) * _WORDS

    def word(self, cell: int) -> int:
        """The first word of a descriptor."""
        return self.index.words[(cell + 1) * _WORDS]

    def is_described(self, cell: int) -> bool:
        """Whether there is such a cell; the mapping is made anew where another process has added cells."""
        if cell < self.described:
            return cell >= 0
        self.index.grown()
        return cell < self.described

    def descriptor(self, cell: int) -> Optional[Descriptor]:
        """What a cell holds; ``None`` if that cannot be said."""
        if not self.is_described(cell):
            return None
        at = (cell + 1) * DESCRIPTOR_BYTES
        for _ in range(_LOOKS):
            found, whole = Descriptor.unpack(self.index.raw[at : at + DESCRIPTOR_BYTES])
            if whole:
                return found
        return None

    def is_pinned(self, cell: int) -> bool:
        """Whether a cell is said to stay."""
        return bool(self.index.words[(cell + 1) * _WORDS + layout.LENGTH_AT // 8] >> layout.FLAGS_SHIFT & PINNED)

    def is_note(self, cell: int) -> bool:
        """Whether a cell is said to hold a note."""
        return self.index.words[(cell + 1) * _WORDS + layout.NEXT_AT // 8] == NOTE

    def columns(self, begin: int, end: int) -> Tuple[List[int], List[int], List[int]]:
        """Of the descriptors of cells: the words, the indices, the lengths with what else is said of the pages."""
        first, last, words = self.word_at(begin), self.word_at(end), self.index.words
        return (
            words[first:last:_WORDS].tolist(),
            words[first + layout.NEXT_AT // 8 : last : _WORDS].tolist(),
            words[first + layout.LENGTH_AT // 8 : last : _WORDS].tolist(),
        )

    def base(self, cell: int) -> int:
        """Where a cell begins in its file."""
        return self._first + cell * self.size

    def file_bytes(self, cells: int) -> int:
        """Bytes of the file for so many cells."""
        return self._first + cells * self.size if cells else 0

    def cells_in_file(self) -> int:
        """How many cells the file has room for."""
        try:
            return max(0, os.stat(self.path).st_size - self._first) // self.size
        except FileNotFoundError:
            return 0

    def next_free(self, cell: int) -> int:
        """The free cell after this one, plus one; in the place of the page's index."""
        return self.index.words[(cell + 1) * _WORDS + layout.NEXT_AT // 8]

    def cut(self, cells: int) -> None:
        """Have the file be as long as so many cells, if it is longer."""
        if self.file_bytes(cells) < os.stat(self.path).st_size:
            os.truncate(self.path, self.file_bytes(cells))

    def put(self, section: Section, cell: int, *descriptors: Descriptor) -> None:
        """Say what a cell holds, and those after it."""
        data = b"".join(descriptor.pack() for descriptor in descriptors)
        section.put(self.index, (cell + 1) * DESCRIPTOR_BYTES, data)

    def put_flags(self, section: Section, cell: int, descriptor: Descriptor, flags: int) -> None:
        """Say something else of the page in a cell. Its word stays, for readers go by it; nobody else writes the parts
        that are written here, but for the use."""
        data = descriptor._replace(flags=flags).pack()[layout.LENGTH_AT :]
        section.put(self.index, (cell + 1) * DESCRIPTOR_BYTES + layout.LENGTH_AT, data)

    def put_free(self, section: Section, cell: int, following: int) -> None:
        """Say that a cell holds nothing, and which free one comes after it."""
        data = b"\0" * layout.NEXT_AT + following.to_bytes(8, "little") + b"\0" * 32
        section.put(self.index, (cell + 1) * DESCRIPTOR_BYTES, data)

    def put_use(self, section: Section, cell: int, use: int) -> None:
        """Say when and how often a cell was used."""
        section.put_word(self.index, (cell + 1) * DESCRIPTOR_BYTES + layout.USE_AT, use)

    def index_bytes(self, cells: int) -> int:
        """Bytes of the index for so many cells. It grows by an eighth at least, so that it is seldom mapped anew."""
        needed = (cells + 1) * DESCRIPTOR_BYTES
        if needed <= self.index.size:
            return self.index.size
        return -(-max(needed, self.index.size * 9 // 8) // _INDEX_STEP) * _INDEX_STEP

    def write(self, cell: int, page: memoryview | bytes) -> None:
        """Write the bytes of a page into its cell."""
        handle = open_regular(self.path, os.O_RDWR)
        if handle.identity != self.data.identity:
            raise OSError(errno.ESTALE, "the file was replaced", self.path)
        write_fully(handle.fd, page, self.base(cell))

    def put_bytes(self, section: Section, cell: int, page: memoryview | bytes) -> None:
        """The same, under the lock; bytes that are longer than a cell go on in the next one."""
        section.put(self.data, self.base(cell), page)
