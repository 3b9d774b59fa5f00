"""How much a page store may take, as its settings have it, and whether anything fits into that."""

from __future__ import annotations

import warnings
from typing import Any, Callable, Sequence, Tuple

from alluxiofs.errors import ConfigurationError
from alluxiofs.pagestores.folders import list_in_json
from alluxiofs.pagestores.ondisk import layout
from alluxiofs.pagestores.ondisk.hints import BUCKET_BYTES, FIRST_BUCKETS
from alluxiofs.settings.calling import level_of_caller
from alluxiofs.settings.types import Size, size_text

__all__ = ["capacities_of", "check_capacity", "check_folders", "least_on_disk"]

_BLOCK = 4096
_TABLE = 1 << 16
_FILES = 12  # blocks of the folders that a store consists of, and of what its files have beside their content
_RESERVE = 1024  # a store leaves one part in so many to the file system


def capacities_of(value: Any) -> Tuple[Size, ...]:
    """One capacity, or several: a size, a list of sizes, or text with commas or JSON."""
    if value is None:
        return ()
    if isinstance(value, str):
        value = list_in_json(value) or value.split(",")
    return tuple(map(Size, value)) if isinstance(value, (list, tuple)) else (Size(value),)


def least_on_disk(page_size: int) -> int:
    """Bytes of disk with which a folder has room for one page and for all that is needed to find it."""
    table = -(-FIRST_BUCKETS * BUCKET_BYTES // _TABLE) * _TABLE
    size_class = layout.class_of(page_size)
    page = -(-(layout.first_cell_at(size_class) + layout.cell_bytes(size_class)) // _BLOCK) * _BLOCK
    needed = page + layout.CONTROL_BYTES + table + _FILES * _BLOCK
    return needed + needed // (_RESERVE - 1) + 1


def check_folders(capacities: Sequence[int], folders: int, page_size: int) -> None:
    """Check what was given for the page store on disk: one capacity for all its folders, or one for each.

    Raises
    ------
    ConfigurationError
        If a folder would have no room for a page.
    """
    shared = len(capacities) == 1
    where = f" in each of {folders} folders" if shared and folders > 1 else ""
    for capacity in capacities:
        check_capacity(
            "disk", capacity, page_size, lambda size: least_on_disk(size) * (folders if shared else 1), where
        )


def check_capacity(store: str, capacity: int, page_size: int, least_for: Callable[[int], int], where: str = "") -> None:
    """Check that a page fits into a capacity.

    Parameters
    ----------
    store:
        The name of the page store.
    capacity, page_size:
        In bytes.
    least_for:
        Bytes with which there is room for a page of a size.
    where:
        What else the message says of the page.

    Raises
    ------
    ConfigurationError
        If not even a small file fits; the message has what is needed.

    Warns
    -----
    UserWarning
        If nothing but small files and parts of pages fits.
    """
    least = least_for(page_size)
    if capacity >= least:
        return
    in_whole_kilobytes = -(-least // 1024) * 1024
    message = (
        f"argument 'page_store': setting 'capacity' of page store {store!r}: {size_text(capacity)} holds no page "
        f"of {size_text(page_size)}{where}; give at least {size_text(in_whole_kilobytes)}, or have smaller pages "
        "(option 'alluxio.worker.page.store.page.size') or none (page_store=None)"
    )
    if capacity < least_for(min(page_size, _BLOCK)):
        raise ConfigurationError(message)
    warnings.warn(
        f"{message}; as it is, small files and parts of pages are all that is kept", stacklevel=level_of_caller()
    )
