"""What filesystems of one process share, for how long, and what a forked child has of it."""

from __future__ import annotations

import gc
import logging
import os
import sys
import time
import weakref
from typing import Any, Dict, List

import fsspec
import pytest

from alluxiofs.assembly import gateway_for
from alluxiofs.assembly.telemetry import JoinedTelemetry, ask_for_the_last_time
from alluxiofs.gateway import Gateway
from alluxiofs.settings import Settings
from alluxiofs.testing import RecordingTelemetry
from alluxiofs.testing.guards import at_once
from tests.unit.plugins_on_disk import module_of

CLOSING = """
    from attrs import define
    from alluxiofs import Telemetry, hookimpl
    from alluxiofs.pagestores.memory import MemoryPageStore

    closed = []
    made = []

    class Closing(MemoryPageStore):
        \"\"\"Says when it is closed.\"\"\"

        name = "closing"

        def __init__(self, settings, context, page_size):
            super().__init__(settings, context, page_size)
            made.append(1)

        def close(self):
            closed.append(1)
            super().close()

    @hookimpl
    def alluxiofs_page_stores():
        return [Closing]
"""


def gateway(**arguments: Any) -> Gateway:
    return gateway_for(Settings.parse(**{"target_protocol": "memory", **arguments}))


def test_equal_settings_are_one_gateway_however_they_are_written() -> None:
    one = gateway(metadata_ttl="1min", page_store="memory")
    assert gateway(page_store={"name": "memory"}, metadata_ttl=60) is one
    assert gateway(page_store="memory", metadata_ttl=61) is not one


def test_threads_that_come_at_once_get_one_gateway() -> None:
    made: List[Gateway] = at_once(*[lambda: gateway(metadata_ttl=0.125) for _ in range(16)])
    assert len({id(one) for one in made}) == 1


def test_different_secrets_are_different_gateways() -> None:
    one = gateway(target_protocol="s3", target_options={"key": "a", "secret": "a"})
    assert gateway(target_protocol="s3", target_options={"key": "a", "secret": "b"}) is not one
    fs = fsspec.filesystem("alluxiofs", target_protocol="s3", target_options={"key": "a", "secret": "a"})
    other = fsspec.filesystem("alluxiofs", target_protocol="s3", target_options={"key": "a", "secret": "b"})
    assert fs is not other
    assert fs.gateway is not other.gateway


def test_different_gateways_share_a_page_store_of_equal_settings_and_page_size() -> None:
    one = gateway(page_store={"name": "memory", "capacity": "4MB"})
    other = gateway(page_store={"name": "memory", "capacity": 2**22}, metadata_ttl=1)
    third = gateway(page_store={"name": "memory", "capacity": "2MB"})
    pages = gateway(
        page_store={"name": "memory", "capacity": "4MB"}, options={"alluxio.worker.page.store.page.size": "2MB"}
    )
    assert one is not other
    assert one.parts.page_store is other.parts.page_store
    assert third.parts.page_store is not one.parts.page_store
    assert pages.parts.page_store is not one.parts.page_store


def test_what_nobody_uses_goes_and_is_closed_with_its_last_user() -> None:
    plugin = module_of(CLOSING)
    one = gateway(plugins=[plugin], page_store="closing")
    other = gateway(plugins=[plugin], page_store="closing", metadata_ttl=1)
    gone = weakref.ref(one)
    del one
    gc.collect()
    assert gone() is None
    assert (plugin.made, plugin.closed) == ([1], [])
    del other
    gc.collect()
    assert plugin.closed == [1]
    again = gateway(plugins=[plugin], page_store="closing")
    assert again.parts.page_store is not None
    assert plugin.made == [1, 1]


def test_what_the_user_gave_is_the_users_to_close() -> None:
    plugin = module_of(CLOSING)
    keeper = gateway(plugins=[plugin], page_store="closing")
    given = keeper.parts.page_store
    made = gateway(page_store=given)
    assert made.parts.page_store is given
    del made
    gc.collect()
    assert plugin.closed == []


def test_watching_counters_keeps_no_gateway_alive() -> None:
    from alluxiofs.testing import RecordingTelemetry

    recording = RecordingTelemetry()
    gone = weakref.ref(gateway(telemetry=recording))
    gc.collect()
    assert gone() is None
    assert set(recording.counters("gateway").values()) <= {0}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_makes_its_own_and_closes_nothing_of_its_parents() -> None:
    plugin = module_of(CLOSING)
    arguments: Any = {"plugins": [plugin], "page_store": "closing"}
    parents = gateway(**arguments)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        answer = b"?"
        try:
            own = gateway(**arguments)
            fresh = own is not parents and own.parts.page_store is not parents.parts.page_store
            del parents
            gc.collect()
            answer = b"y" if fresh and plugin.closed == [] and gateway(**arguments) is own else b"n"
        finally:
            os.write(write, answer)
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    assert answer == b"y"
    assert gateway(**arguments) is parents


def test_construction_takes_less_than_a_millisecond_after_the_first() -> None:
    def construct(number: int) -> None:
        fsspec.filesystem("alluxiofs", target_protocol="memory", metadata_ttl=number, skip_instance_cache=True)

    def seconds(task: Any, *arguments: Any) -> float:
        start = time.perf_counter()
        task(*arguments)
        return time.perf_counter() - start

    construct(1)
    # The best of many: what it costs, and not what else the machine does.
    assert any(seconds(construct, 1) < 0.001 for _ in range(1000))
    assert any(seconds(construct, 1000 + number) < 0.001 for number in range(1000))


def test_one_goes_while_others_are_made() -> None:
    """Who is asked for the last time is looked for among all that are watched, which another thread adds to."""

    class Counting:
        def counters(self) -> Dict[str, int]:
            return {"hits": 1}

    joined = JoinedTelemetry([RecordingTelemetry()], logging.getLogger(__name__))
    there = [Counting() for _ in range(1000)]

    def made() -> None:
        for one in there:
            joined.watch("page_store", one.counters)

    def goes() -> None:
        for _ in range(300):
            ask_for_the_last_time(joined)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        at_once(made, goes)
    finally:
        sys.setswitchinterval(interval)
