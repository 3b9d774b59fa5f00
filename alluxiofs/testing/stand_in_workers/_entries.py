"""Files and directories as workers describe them."""

from __future__ import annotations

from typing import Any, Callable, Dict, Tuple

from alluxiofs.testing.stand_in_workers._messages import Answer
from alluxiofs.testing.stand_in_workers._paths import Root
from alluxiofs.testing.stand_in_workers._under_store import Stored

__all__ = ["Written", "entry_of", "readable_size"]

_UNITS = ("KB", "MB", "GB", "TB")


def readable_size(size: float) -> str:
    """A size as Alluxio shows it: the next unit begins above five of it."""
    if size <= 5 * 1024:
        return f"{int(size)}B"
    for unit in _UNITS:
        size /= 1024
        if size <= 5 * 1024:
            return f"{size:.2f}{unit}"
    return f"{size / 1024:.2f}PB"


def entry_of(stored: Stored, root: Root) -> Dict[str, Any]:
    """What ``files`` and ``info`` say of a path in dialect ``pages``, in their order."""
    shown = stored.name.replace("\\", "/")  # Alluxio knows no other separator; only the UFS path has the name as it is
    top = root.url_of("")
    return {
        "mType": "file" if stored.is_file else "directory",
        "mName": shown.rpartition("/")[2] or top.rpartition("/")[2],
        "mPath": f"/{shown}",
        "mUfsPath": f"{top}/{stored.name}" if stored.name else top,
        "mLastModificationTimeMs": stored.mtime_ms,
        "mLength": stored.length,
        "mHumanReadableFileSize": readable_size(stored.length),
    }


class Written:
    """Answers about paths, written once for what is known of them: a listing can be long."""

    def __init__(self) -> None:
        self._answers: Dict[Tuple[str, str], Tuple[Any, int, Answer]] = {}

    def of(self, route: str, key: str, found: Any, held: int, write: Callable[[], Answer]) -> Answer:
        """The answer of before if it was about this very object, with as many pages held; else a new one."""
        before = self._answers.get((route, key))
        if before is not None and before[0] is found and before[1] == held:
            return before[2]
        answer = write()
        self._answers[route, key] = found, held, answer
        return answer
