"""How long an operation may go on: not without getting anywhere, but as long as it takes while it does."""

from __future__ import annotations

import pytest

from alluxiofs.interfaces import Deadline


def test_a_wait_is_the_stall_limit_or_what_is_left() -> None:
    assert Deadline.after(60, 5).wait() == 5
    assert 59 < Deadline.after(60, 100).wait() <= 60
    assert 59 < Deadline.after(60).wait() <= 60


def test_nothing_left_is_a_timeout() -> None:
    over = Deadline.after(0)
    assert over.remaining() == 0
    with pytest.raises(TimeoutError):
        over.wait()


def test_progress_starts_the_time_anew() -> None:
    over = Deadline(at=0.0, stall=1.0, span=60.0)
    over.progress()
    assert over.wait() == 1.0


def test_a_mebibyte_is_progress_and_a_drip_is_none() -> None:
    over = Deadline(at=0.0, stall=1.0, span=60.0)
    for _ in range(2**10 - 1):
        over.moved(2**10)
        assert over.remaining() == 0
    over.moved(2**10)
    assert over.wait() == 1.0


def test_attempts_share_what_is_left_and_their_progress_is_that_of_the_whole() -> None:
    whole = Deadline.after(60, 5)
    attempt = whole.share(3)
    assert 19 < attempt.remaining() <= 20
    assert attempt.wait() == 5

    late = Deadline(at=0.0, stall=1.0, span=60.0)
    attempt = late.share(1)
    assert attempt.remaining() == 0
    attempt.progress()
    assert 59 < late.remaining() <= 60
