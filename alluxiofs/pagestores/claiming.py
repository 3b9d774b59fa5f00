"""What the kept files of the built-in page stores have in common."""

from __future__ import annotations

from typing import Callable, List

from alluxiofs.interfaces import Claim, Claims, Deadline, KeptFile

__all__ = ["ClaimingFile", "check_key", "check_page"]

KEY_BYTES = 16


def check_key(key: bytes) -> bytes:
    """``key`` itself. ``ValueError`` if it is not 16 bytes: nothing else becomes a name or an address of pages."""
    if not isinstance(key, bytes) or len(key) != KEY_BYTES:
        raise ValueError(f"a page key has {KEY_BYTES} bytes, not {key!r}")
    return key


class ClaimingFile(KeptFile):
    """A kept file whose claims are those of the threads of this process.

    Parameters
    ----------
    key, length, page_size, miss:
        As for every kept file.
    claims:
        Shared by all kept files of the store.
    """

    def __init__(self, key: bytes, length: int, page_size: int, claims: Claims, miss: Callable[[], object]) -> None:
        super().__init__(check_key(key), length, page_size, miss)
        self._claims = claims

    def claim(self, index: int) -> bool:
        return self._claims.claim(self.key, index)

    def release(self, index: int) -> None:
        self._claims.release(self.key, index)

    def claim_run(self, pages: range, mine: List[Claim]) -> None:
        self._claims.claim_run(self.key, pages, mine)

    def release_run(self, mine: List[Claim]) -> None:
        self._claims.release_run(mine)

    def wait(self, index: int, deadline: Deadline) -> None:
        self._claims.wait(self.key, index, deadline)

    def _check_page(self, index: int, page: memoryview) -> None:
        check_page(self, index, page)


def check_page(kept: KeptFile, index: int, page: memoryview) -> None:
    """``ValueError`` if this cannot be the page of that index."""
    length = kept.page_length(index) if index >= 0 else 0
    if length <= 0:
        raise ValueError(f"a file of {kept.length} bytes has no page {index}")
    if len(page) != length:
        raise ValueError(f"page {index} of a file of {kept.length} bytes has {length} bytes, not {len(page)}")
