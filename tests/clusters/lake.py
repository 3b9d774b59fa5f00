"""The files that were behind the recorded answers of real workers, made anew."""

from __future__ import annotations

import json
import os
import random
import re
from pathlib import Path
from typing import Any, Dict, List
from uuid import UUID

from alluxiofs.interfaces import WorkerIdentity

__all__ = ["IDENTITIES", "ROOT", "data_of", "files", "make_lake", "recordings", "set_file"]

WIRE = Path(__file__).parent.parent / "data" / "wire"
_FACTS: Dict[str, Any] = json.loads((WIRE / "lake-files.json").read_text("utf-8"))

ROOT: str = _FACTS["root"]
IDENTITIES = [WorkerIdentity(1, UUID(f"11111111-2222-4333-8444-5555555555{number:02d}").bytes) for number in (1, 2)]

_SEEDED = re.compile(r"random\.Random\((\d+)\)\.randbytes\((\d+)\)")
_COUNTED = re.compile(r"bytes\(i % 256 for i in range\((\d+)\)\)")


def files() -> List[Dict[str, Any]]:
    """The files: ``path``, ``length``, ``sha256``, ``file_id``."""
    found: List[Dict[str, Any]] = _FACTS["files"]
    return found


def recordings() -> List[Dict[str, Any]]:
    """The requests and answers."""
    with (WIRE / "wire-313.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def data_of(file: Dict[str, Any]) -> bytes:
    """The content of a file, from how it is described."""
    if "text" in file:
        return str(file["text"]).encode()
    seeded = _SEEDED.fullmatch(file["python"])
    if seeded:
        bits = random.Random(int(seeded[1])).getrandbits(8 * int(seeded[2]))
        return bits.to_bytes(int(seeded[2]), "little")  # what `randbytes` does, which Python 3.8 does not have
    counted = _COUNTED.fullmatch(file["python"])
    assert counted is not None, file["python"]
    return bytes(i % 256 for i in range(int(counted[1])))


def set_file(path: Path, data: bytes, mtime_ms: int = _FACTS["mtime_ms"]) -> None:
    """Write a file, as if at that time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, (mtime_ms / 1000, mtime_ms / 1000))


def make_lake(folder: Path) -> Path:
    """Make all files in a folder."""
    for file in files():
        set_file(folder / file["path"], data_of(file))
    for directory in _FACTS["empty_directories"]:
        (folder / directory).mkdir(parents=True)
    for parent, _, _ in os.walk(folder, topdown=False):
        os.utime(parent, (_FACTS["mtime_ms"] / 1000, _FACTS["mtime_ms"] / 1000))
    return folder
