"""What a reader of columns will want next, told by the footer of its file."""

from __future__ import annotations

from typing import TYPE_CHECKING, List, Optional, Sequence, Set, Tuple

from alluxiofs.gateway.columns import Columns, chunks_of, footer_at

if TYPE_CHECKING:
    from alluxiofs.gateway.columns import Chunk
    from alluxiofs.gateway.pages import PinnedFile

__all__ = ["Foresight", "groups_of"]

_ENOUGH = 2  # who has this part of a file at once, a half, has not much more of it to wait for


class Foresight:
    """Looks at the footer of a columnar file once it is kept. Used by any number of threads."""

    def __init__(self) -> None:
        # Where the columns are; unknown until the footer is kept, none of a file that has no such footer.
        self._columns: Optional[Columns] = None
        self._like: Optional[Columns] = None  # those of the file that was read before it, beside it
        self._sent: Set[Chunk] = set()

    @property
    def knows_columns(self) -> bool:
        """Whether it is known where the columns are."""
        return bool(self._columns)

    def likely(self, file: PinnedFile, offset: int, end: int) -> List[Chunk]:
        """What goes with these bytes and was not sent for yet, the nearest first."""
        if (end - offset) * _ENOUGH >= file.size:
            return []
        if self._columns is None:
            self._find_columns(file)
        if not self._columns:
            return []
        like = self._like
        chunks = self._columns.beside(offset, end, frozenset() if like is None else like.read | like.before)
        return [chunk for chunk in chunks if chunk not in self._sent]

    def sent(self, chunks: Sequence[Chunk]) -> None:
        """These are kept, or on their way."""
        self._sent.update(chunks)

    def _find_columns(self, file: PinnedFile) -> None:
        tail = file.kept_bytes(file.size - 8, file.size)
        if tail is None:
            return  # whoever reads a columnar file begins there
        at = footer_at(tail, file.size) if file.gateway.parallel(file.location) else None
        footer = None if at is None else file.kept_bytes(*at)
        columns = Columns(() if footer is None else chunks_of(footer, file.size))
        if columns:
            self._like = file.gateway.columnar.before(file.location.url, columns)
        self._columns = columns


def groups_of(chunks: Sequence[Chunk], page_size: int) -> List[Tuple[range, List[Chunk]]]:
    """Chunks that are in the same pages, and these pages: who fetches some of a page has it to himself meanwhile. The
    groups are in the order in which the first of each comes."""
    groups: List[Tuple[range, List[Chunk]]] = []
    for begin, end in sorted(chunks):
        first, stop = begin // page_size, -(-end // page_size)
        if groups and first < groups[-1][0].stop:
            pages, together = groups[-1]
            groups[-1] = range(pages.start, max(pages.stop, stop)), [*together, (begin, end)]
        else:
            groups.append((range(first, stop), [(begin, end)]))
    place = {chunk: number for number, chunk in enumerate(chunks)}
    return sorted(groups, key=lambda group: min(place[chunk] for chunk in group[1]))
