"""The table of failures in the documents, what it names, and how each of it is brought about on real servers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple
from uuid import uuid4

from attrs import define, evolve, field

from alluxiofs.interfaces import Target, UnderStore
from alluxiofs.testing import make_context
from alluxiofs.testing._files import content, get, put, soon
from tests.faults import (
    Fault,
    FaultProxy,
    Request,
    close,
    garbage,
    reset,
    stall,
    status,
    truncate,
    wrong_range,
)

__all__ = ["DATA", "FAILURES", "OPERATIONS", "Cell", "Failure", "Scene", "cells", "make_store", "tables"]

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "failures.md"
DATA = content(300_000)
ADDED = b"added"
NEW = DATA[:1000][::-1]
OTHER = bytes(reversed(DATA))  # of the same length


# --- the table --------------------------------------------------------------------------------------------------


@define(frozen=True)
class Cell:
    """What the documents say of an operation that meets a failure."""

    failure: str
    operation: str
    outcome: str


def tables(heading: str) -> Tuple[List[str], Dict[str, List[str]]]:
    """The columns and the rows of the table under a heading, the first column being the rows' names."""
    section = re.split(r"^## ", DOCUMENT.read_text(encoding="utf-8"), flags=re.MULTILINE)
    text = next(one for one in section if one.startswith(heading + "\n"))
    lines = [line for line in text.splitlines() if line.startswith("|")]
    split = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return split[0][1:], {row[0]: row[1:] for row in split[2:]}


def cells(heading: str) -> Iterator[Cell]:
    """Each cell of the table that says something."""
    columns, rows = tables(heading)
    for failure, outcomes in rows.items():
        assert len(outcomes) == len(columns), f"{failure}: {len(outcomes)} cells for {len(columns)} columns"
        for operation, outcome in zip(columns, outcomes):
            if outcome != "–":
                yield Cell(failure, operation, outcome)


# --- what goes wrong --------------------------------------------------------------------------------------------


@define(frozen=True)
class Failure:
    """A failure on the way to a store.

    Parameters
    ----------
    fault:
        What becomes of an answer, by the protocol of the store; ``None``: nobody listens any more.
    of_reads:
        It is for the answers alone that have a piece of a file in them.
    of_listings:
        The same in the middle of a listing, if that has such a middle.
    another:
        What another client does to the file, instead.
    others:
        Further faults that go by the same name.
    """

    fault: Optional[Callable[[str], Fault]] = None
    of_reads: bool = False
    of_listings: Optional[Fault] = None
    another: Optional[Callable[[UnderStore, str], object]] = None
    others: Tuple[Callable[[str], Fault], ...] = ()

    @property
    def kinds(self) -> Tuple[Failure, ...]:
        """This one, and a failure for each of the others."""
        return (self, *(evolve(self, fault=fault, others=()) for fault in self.others))

    @property
    def refuses(self) -> bool:
        """Whether nobody listens any more."""
        return self.fault is None and self.another is None


def _refusal(code: int, word: str) -> Callable[[str], Fault]:
    """An answer in each store's own way of saying no."""

    def made(protocol: str) -> Fault:
        if protocol == "gs":
            error = {"error": {"code": code, "message": word, "errors": [{"reason": word, "message": word}]}}
            return status(code, json.dumps(error).encode(), {"Content-Type": "application/json"})
        body = f"<?xml version='1.0'?><Error><Code>{word}</Code><Message>said so</Message></Error>"
        return status(code, body.encode(), {"Content-Type": "application/xml"})

    return made


def _always(fault: Fault) -> Callable[[str], Fault]:
    return lambda _protocol: fault


def _longer(_protocol: str) -> Fault:
    headers = {"Content-Range": f"bytes 0-{len(DATA) - 1}/{len(DATA)}"}
    return status(206, DATA + b"more", headers)


FAILURES: Dict[str, Failure] = {
    "connection refused": Failure(),
    "connection closed, nothing done": Failure(_always(close(performed=False))),
    "connection reset before an answer": Failure(_always(reset())),
    "reset in mid-body": Failure(_always(reset(10_000)), of_reads=True, of_listings=reset(100)),
    "nothing comes any more": Failure(_always(stall())),
    "stall in mid-body": Failure(_always(stall(10_000)), of_reads=True, of_listings=stall(100)),
    "500, 502, 503, 504": Failure(
        _refusal(503, "ServiceUnavailable"),
        others=(_refusal(500, "InternalError"), _refusal(502, "BadGateway"), _refusal(504, "GatewayTimeout")),
    ),
    "429, SlowDown": Failure(_refusal(429, "SlowDown"), others=(_refusal(503, "SlowDown"),)),
    "403, access denied": Failure(_refusal(403, "AccessDenied")),
    "401, expired credentials": Failure(_refusal(401, "InvalidToken")),
    "the file is gone": Failure(another=lambda store, name: store.remove(name, soon())),
    "the file is another one": Failure(another=lambda store, name: put(store, name, OTHER)),
    "body too short": Failure(_always(truncate(10_000)), of_reads=True, of_listings=truncate(100)),
    "body too long": Failure(_longer, of_reads=True),
    "body of another range": Failure(_always(wrong_range(7)), of_reads=True),
    "range ignored": Failure(_always(status(200, DATA)), of_reads=True),
    "garbage": Failure(_always(garbage())),
}


# --- to what ----------------------------------------------------------------------------------------------------


@define
class Scene:
    """One operation, and one failure that it will meet.

    Parameters
    ----------
    fs:
        The gateway, which reaches the store by way of ``proxy``.
    store:
        The store by another way, where nothing fails.
    folder:
        A directory of the test's own.
    """

    fs: Any
    store: UnderStore
    proxy: FaultProxy
    protocol: str
    folder: str
    failure: Failure
    once: bool = False
    begun: bool = False
    path: str = field(init=False)
    target: str = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.path, self.target = f"{self.folder}/{uuid4().hex}/file", f"{self.folder}/{uuid4().hex}/file"
        put(self.store, self.path, DATA)

    def begin(self, listing: bool = False) -> None:
        """From now on it fails; ``listing``: and the directory is listed."""
        self.begun, failure = True, self.failure
        if failure.another is not None:
            failure.another(self.store, self.path)
        elif failure.fault is None:
            self.proxy.close()
        else:
            fault, times = failure.fault(self.protocol), 1 if self.once else None
            when = self._is_read if failure.of_reads else None
            if listing and failure.of_listings is not None:
                fault, when = failure.of_listings, self._is_listing
            self.proxy.fault(fault, when=when, times=times)

    def _is_read(self, request: Request) -> bool:
        key = self.path.rsplit("/", 2)[-2]
        of_the_object = "alt=media" in request.query if self.protocol == "gs" else not request.query
        return request.method == "GET" and key in request.path and of_the_object

    @staticmethod
    def _is_listing(request: Request) -> bool:
        return request.method == "GET" and "prefix=" in request.query

    @property
    def content(self) -> bytes:
        """What is in the file once it has begun."""
        if self.failure is FAILURES["the file is gone"]:
            return b""
        return OTHER if self.failure is FAILURES["the file is another one"] else DATA

    def after(self, operation: Operation) -> Tuple[Optional[bytes], Optional[bytes]]:
        """What is in the two files when all was done."""
        expected = [self.content if state is DATA else state for state in operation.after]
        if operation.after[0] == DATA + ADDED:
            expected[0] = self.content + ADDED
        return expected[0], expected[1]

    def found(self, path: str) -> Optional[bytes]:
        """What is there, seen by another way."""
        try:
            return get(self.store, self.store.stat(path, soon()))
        except FileNotFoundError:
            return None


@define(frozen=True)
class Operation:
    """What is done, and in which state the file at ``path`` and the one at ``target`` may be found afterwards.

    Parameters
    ----------
    act:
        Calls ``scene.begin`` at the moment from which it fails, and checks what it gets.
    before, after:
        What is in the two where nothing was changed, and where all was.
    """

    act: Callable[[Scene], object]
    before: Tuple[Optional[bytes], Optional[bytes]] = (DATA, None)
    after: Tuple[Optional[bytes], Optional[bytes]] = (DATA, None)


def _stat(scene: Scene) -> None:
    scene.begin()
    assert scene.fs.info(scene.path, refresh=True)["size"] == len(DATA)


def _list(scene: Scene) -> None:
    scene.begin(listing=True)
    assert [entry["size"] for entry in scene.fs.ls(scene.path.rpartition("/")[0], detail=True, refresh=True)] == [
        len(DATA)
    ]


def _read(scene: Scene) -> None:
    scene.begin()
    with scene.fs.open(scene.path) as file:
        assert file.read() == scene.content


def _read_on(scene: Scene) -> None:
    with scene.fs.open(scene.path) as file:
        assert file.read(1000) == DATA[:1000]
        scene.begin()
        file.seek(150_000)
        assert file.read(100_000) == DATA[150_000:250_000]


def _cat_ranges(scene: Scene) -> None:
    scene.begin()
    paths, starts, ends = [scene.path, scene.path], [0, 150_000], [50_000, 250_000]
    assert scene.fs.cat_ranges(paths, starts, ends, on_error="raise") == [
        scene.content[:50_000],
        scene.content[150_000:250_000],
    ]


def _create(scene: Scene) -> None:
    with scene.fs.open(scene.path, "wb") as file:
        file.write(NEW)
        scene.begin()


def _append(scene: Scene) -> None:
    with scene.fs.open(scene.path, "ab") as file:
        file.write(ADDED)
        scene.begin()


def _remove(scene: Scene) -> None:
    scene.begin()
    scene.fs.rm_file(scene.path)


def _copy(scene: Scene) -> None:
    scene.begin()
    scene.fs.cp_file(scene.path, scene.target)


def _move(scene: Scene) -> None:
    scene.begin()
    scene.fs.mv(scene.path, scene.target)


OPERATIONS: Dict[str, Operation] = {
    "stat": Operation(_stat),
    "list": Operation(_list),
    "open and read": Operation(_read),
    "read in mid-file": Operation(_read_on),
    "`cat_ranges`": Operation(_cat_ranges),
    "create": Operation(_create, after=(NEW, None)),
    "append": Operation(_append, after=(DATA + ADDED, None)),
    "remove": Operation(_remove, after=(None, None)),
    "copy": Operation(_copy, after=(DATA, DATA)),
    "move": Operation(_move, after=(None, DATA)),
}


def make_store(protocol: str, options: Dict[str, Any]) -> UnderStore:
    """The under store of a protocol, by itself."""
    from alluxiofs.plugins.under_store_gcs import GcsUnderStore
    from alluxiofs.plugins.under_store_oss import OssUnderStore
    from alluxiofs.plugins.under_store_s3 import S3UnderStore

    kind: Any = {"gs": GcsUnderStore, "oss": OssUnderStore, "s3": S3UnderStore}[protocol]
    made: UnderStore = kind(Target(protocol, options), kind.Settings(), make_context())
    return made
