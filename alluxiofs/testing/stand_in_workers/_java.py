"""What shows in answers of the fact that real workers and masters are Java programs."""

from __future__ import annotations

from typing import Any, Dict, Iterable, Iterator, List, NamedTuple, Sequence

__all__ = ["TRACE", "Frame", "hash_map_order", "trace_as_data", "trace_as_lines"]


class Frame(NamedTuple):
    """One line of a stack trace; a frame without a module is the application's own."""

    owner: str
    method: str
    file: str
    line: int
    module: str = ""


_SCHEDULER, _BASE = "alluxio.master.scheduler.Scheduler", "java.base"
_CONCURRENT = "java.util.concurrent"
TRACE = (
    Frame(_SCHEDULER, "checkAndSetJobStatus", "Scheduler.java", 375),
    Frame(_SCHEDULER, "lambda$processJob$6", "Scheduler.java", 355),
    Frame(f"{_CONCURRENT}.ConcurrentHashMap", "compute", "ConcurrentHashMap.java", 1940, _BASE),
    Frame(_SCHEDULER, "processJob", "Scheduler.java", 353),
    Frame(_SCHEDULER, "lambda$processJobs$3", "Scheduler.java", 310),
    Frame(f"{_CONCURRENT}.ConcurrentHashMap", "forEach", "ConcurrentHashMap.java", 1603, _BASE),
    Frame(_SCHEDULER, "processJobs", "Scheduler.java", 310),
    Frame(f"{_CONCURRENT}.Executors$RunnableAdapter", "call", "Executors.java", 539, _BASE),
    Frame(f"{_CONCURRENT}.FutureTask", "runAndReset", "FutureTask.java", 305, _BASE),
    Frame(
        f"{_CONCURRENT}.ScheduledThreadPoolExecutor$ScheduledFutureTask",
        "run",
        "ScheduledThreadPoolExecutor.java",
        305,
        _BASE,
    ),
    Frame(f"{_CONCURRENT}.ThreadPoolExecutor", "runWorker", "ThreadPoolExecutor.java", 1136, _BASE),
    Frame(f"{_CONCURRENT}.ThreadPoolExecutor$Worker", "run", "ThreadPoolExecutor.java", 635, _BASE),
    Frame("java.lang.Thread", "run", "Thread.java", 840, _BASE),
)
"""Where a job that failed says that it did."""


def trace_as_lines(frames: Iterable[Frame]) -> Iterator[str]:
    """The frames as a master prints them."""
    for one in frames:
        module = f"{one.module}/" if one.module else ""
        yield f"\t{module}{one.owner}.{one.method}({one.file}:{one.line})"


def trace_as_data(message: str, frames: Sequence[Frame]) -> Dict[str, Any]:
    """An exception as it stands in JSON."""
    status = {"code": "INTERNAL", "description": message, "ok": False}
    return {
        "detailMessage": message,
        "stackTrace": [_as_data(one) for one in frames],
        "suppressedExceptions": [],
        "mStatus": status,
        "mDetails": [],
        "mRetryable": False,
        "mErrorType": "Internal",
        "message": message,
        "status": status,
        "retryable": False,
        "suppressed": [],
        "localizedMessage": message,
    }


def _as_data(one: Frame) -> Dict[str, Any]:
    if one.module:
        where: Dict[str, Any] = {"moduleName": one.module, "moduleVersion": "17.0.15"}
    else:
        where = {"classLoaderName": "app"}
    return {
        **where,
        "methodName": one.method,
        "fileName": one.file,
        "lineNumber": one.line,
        "nativeMethod": False,
        "className": one.owner,
    }


def hash_map_order(keys: Iterable[str]) -> List[str]:
    """Texts in the order in which a ``java.util.HashMap`` gives them that got them in this order."""
    given = list(keys)
    size = 16
    while len(given) > size * 3 // 4:
        size *= 2
    return sorted(given, key=lambda key: _spread(key) % size)


def _spread(text: str) -> int:
    value = 0
    data = text.encode("utf-16-be")
    for index in range(0, len(data), 2):
        value = (31 * value + int.from_bytes(data[index : index + 2], "big")) % (1 << 32)
    return value ^ value >> 16
