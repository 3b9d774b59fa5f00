"""Bodies of requests that are sent once."""

from __future__ import annotations

import functools
import io
from typing import Any, Type

__all__ = ["once"]

_NO_ANSWER = "the connection broke before there was an answer"


def once(data: bytes) -> Any:
    """A body that is sent once, a piece at a time, so that other requests on the loop have their turn.

    aiohttp by itself repeats a PUT whose connection broke, though the store may have done what it says; some of its
    releases then send what is left of the body. Whether a request may be repeated is decided where that is known.
    """
    return _once_only()(io.BytesIO(data))


@functools.lru_cache(maxsize=None)
def _once_only() -> Type[Any]:
    from aiohttp import ClientConnectionError
    from aiohttp.payload import BytesIOPayload

    class Once(BytesIOPayload):
        begun = False

        @property
        def size(self) -> Any:
            if self._value.closed:  # after it was sent
                raise ClientConnectionError(_NO_ANSWER)
            return super().size

        def _begin(self) -> None:
            if self.begun:
                raise ClientConnectionError(_NO_ANSWER)
            self.begun = True

        if hasattr(BytesIOPayload, "write_with_length"):

            async def write_with_length(self, *arguments: Any) -> None:
                self._begin()
                await super().write_with_length(*arguments)

        else:

            async def write(self, *arguments: Any) -> None:
                self._begin()
                await super().write(*arguments)

    return Once
