"""Whether the way to a file is so short that to read ahead of its reader takes more than it saves."""

from __future__ import annotations

__all__ = ["LARGE", "Way"]

LARGE = 512 * 2**10
"""Bytes of a read that may go straight: fewer are too many questions, however near a file is."""
_MIB = 2**20
_NEAR = 1.5e-3 / _MIB  # seconds a byte of a fetch that others go on beside, where straight reads may be quicker
_NOTHING = 0.15e-3 / _MIB  # seconds a byte that a reader waits where nothing is to be gained
_CREDIT = 8e-3  # seconds that straight reads may take longer, taken together, than those that were read ahead of
_FIRST_TRIAL, _LAST_TRIAL = 16 * _MIB, 1024 * _MIB  # bytes that are read ahead until it is tried without


class Way:
    """What a reader has waited for its bytes, by which it is decided how the next ones are read.

    Read ahead, bytes are there when a reader wants them; but they go into memory that is made for them, are copied from
    there, and other threads want their turns. From a worker on the same machine, to a reader that does nothing else,
    that takes longer than to read straight to where they are wanted, and twice the processor's time. Which of the two
    it is nobody knows who has not tried: where the reader waits although fetches are quick it is tried without them, at
    first after a few MiB, and each time that it was slower later.

    Used by any number of threads: what they write over each other is no more than an estimate.
    """

    def __init__(self) -> None:
        self._trial = _FIRST_TRIAL
        self._begin()

    def _begin(self, to_beat: float = 0.0) -> None:
        self._to_beat = to_beat  # seconds a byte; none while it is read ahead
        self._credit = _CREDIT
        self._passed = 0  # bytes that were read ahead
        self._quick = False  # whether a fetch was
        self._measured, self._waited = 0, 0.0  # bytes, and seconds that a reader waited for them

    def is_for(self, size: int) -> bool:
        """Whether to read so many bytes straight to where they are wanted, and nothing ahead."""
        return self._to_beat > 0 and size >= LARGE

    def fetched(self, size: int, seconds: float) -> None:
        """So many bytes were fetched ahead in that time."""
        self._quick = self._quick or seconds <= size * _NEAR

    def was_ahead(self, size: int, seconds: float) -> None:
        """For so many bytes, which were read ahead, the reader waited that long."""
        if self._to_beat:
            return  # they are the last
        self._passed += size
        if self._passed <= self._trial // 2:
            return  # it is not yet as far ahead as it will be
        measured, waited = self._measured + size, self._waited + seconds
        self._measured, self._waited = measured, waited
        # By what is known here: another thread may begin anew meanwhile.
        if self._passed >= self._trial and self._quick and waited > measured * _NOTHING > 0:
            self._begin(waited / measured)

    def was_straight(self, size: int, seconds: float) -> None:
        """For so many bytes, which were not, the reader waited that long."""
        if not self._to_beat:
            return  # it is about to be read ahead
        self._measured += size
        self._waited += seconds
        self._credit = min(_CREDIT, self._credit + size * self._to_beat - seconds)
        if self._credit < 0:
            was_worth_it = self._waited <= self._measured * self._to_beat  # all in all; the last reads alone were slow
            self._trial = _FIRST_TRIAL if was_worth_it else min(4 * self._trial, _LAST_TRIAL)
            self._begin()
