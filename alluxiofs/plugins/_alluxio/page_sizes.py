"""The size of a worker's pages, which its protocol does not tell.

Page ``i`` of a file of ``L`` bytes is ``min(Q, L - i * Q)`` bytes long where ``Q`` is the worker's size. With another
size than ours a page other than the first begins elsewhere, and answers have the right length and the wrong bytes. So
before such a page is believed one page was found to be as long as only our size makes it.
"""

from __future__ import annotations

import enum
from typing import Callable

from alluxiofs.errors import AlluxioFSError, NotHeldError
from alluxiofs.plugins._alluxio.peer import Peer

__all__ = ["PROPERTY", "Length", "PageSizeError", "check_page_size", "is_proved", "wrong_page_size"]

PROPERTY = "alluxio.worker.page.store.page.size"
_BELIEVED = 300.0  # seconds; less if the worker may have been started anew
_MISMATCH_BELIEVED = 10.0
_KEY = "page size"


class Length(enum.Enum):
    """How long a page is, against what is expected."""

    ABSENT = "absent"
    SHORTER = "shorter"
    EXACT = "exact"
    LONGER = "longer"


class PageSizeError(AlluxioFSError, OSError):
    """The worker's pages are of another size than the configured one."""


def wrong_page_size(peer: Peer, page_size: int) -> PageSizeError:
    """The error for a worker whose pages are of another size, which is remembered."""
    error = PageSizeError(
        f"{peer.where} has pages of another size than {page_size} bytes: set the option {PROPERTY!r} to what the "
        "cluster has"
    )
    peer.facts.put(_KEY, (False, peer.http.lost), _MISMATCH_BELIEVED)
    return error


def is_proved(peer: Peer, page_size: int) -> bool:
    """Whether the size was found to be right, as far as it is known.

    Raises
    ------
    PageSizeError
        If it was found to be wrong.
    """
    found = peer.facts.get(_KEY)
    # A worker that was started anew meanwhile has closed its connections.
    if found is None or found[1] != peer.http.lost:
        return False
    if not found[0]:
        raise wrong_page_size(peer, page_size)
    return True


def check_page_size(
    peer: Peer, page_size: int, file_length: int, index: int, length_of: Callable[[int, int], Length]
) -> None:
    """Prove the size by pages of a file that is longer than one, before page ``index`` of it is read.

    Parameters
    ----------
    peer, page_size:
        Whose size it is, and what it should be.
    file_length:
        Bytes.
    index:
        Of the page that is wanted, above 0.
    length_of:
        ``length_of(index, expected)`` asks the worker how long a page is.

    Raises
    ------
    PageSizeError
        If it is another.
    NotHeldError
        If the worker holds no page that would tell.
    """
    lost = peer.http.lost
    found = length_of(0, page_size)  # as long as this only where the sizes are the same: the file is longer
    if found is Length.ABSENT and _tells(page_size, file_length, index):
        found = length_of(index, page_size)
    if found is Length.ABSENT:
        raise NotHeldError(f"{peer.where} holds no page of the file that tells the size of its pages")
    if found is not Length.EXACT:
        raise wrong_page_size(peer, page_size)
    peer.facts.put(_KEY, (True, lost), _BELIEVED)


def _tells(page_size: int, file_length: int, index: int) -> bool:
    """Whether a whole page ``index`` is as long as our size with that size only, and is not a larger size's last."""
    rest = file_length - page_size
    return index > 0 and (index + 1) * page_size <= file_length and (rest % index != 0 or rest // index <= page_size)
