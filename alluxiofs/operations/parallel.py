"""Many small operations side by side, each with its own result or failure."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Callable, List, Optional, Sequence, Tuple, TypeVar, Union, cast

__all__ = ["THREADS", "attempt_each"]

THREADS = 8  # operations under way at a time, where the caller does not say

Item = TypeVar("Item")
Result = TypeVar("Result")


def attempt_each(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    threads: Optional[int] = None,
    stop_at_failure: bool = False,
) -> List[Union[Result, Exception]]:
    """Call a function with every item, several at a time.

    The threads are of this call alone: an operation may wait for the gateway's own threads, and must not hold them.

    Parameters
    ----------
    function, items:
        What to do, and with what.
    threads:
        The most operations at a time; :data:`THREADS` by default.
    stop_at_failure:
        Begin nothing more after a failure, and raise it when all that was begun has ended.

    Returns
    -------
    list
        For each item, in the order given, what the function returned or the exception that it raised.
    """
    workers = min(THREADS if threads is None else threads, len(items))
    results: List[Union[Result, Exception, None]] = [None] * len(items)
    failed: List[Exception] = []

    def work(share: Tuple[int, ...]) -> None:
        for number in share:
            if failed and stop_at_failure:
                return
            try:
                results[number] = function(items[number])
            except Exception as error:
                results[number] = error
                failed.append(error)

    if workers <= 1:
        work(tuple(range(len(items))))
    else:
        # Shares are cut small enough that a slow one does not keep the others waiting for long.
        size = max(1, len(items) // (workers * 4))
        shares = [tuple(range(begin, min(begin + size, len(items)))) for begin in range(0, len(items), size)]
        with ThreadPoolExecutor(workers, thread_name_prefix="alluxiofs-operation") as executor:
            # Each in a context of its own, in which what the caller is doing (a span) is known.
            list(
                executor.map(lambda context, share: context.run(work, share), [copy_context() for _ in shares], shares)
            )
    if failed and stop_at_failure:
        raise failed[0]
    # Every place is filled: only a failure stops the work before, and is raised.
    return cast(List[Union[Result, Exception]], results)
