"""A process that reads and writes until its standard input is closed, and says where its metrics are.

Its argument is JSON: the arguments of the filesystem, ``folder`` (a URL: a file ``large`` is in it, and small ones) and
``targets`` (where Prometheus looks for processes).
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import sys
import threading
from pathlib import Path
from typing import Any, Dict

import fsspec

from alluxiofs import AlluxioClient

_SMALL = 20


def work(fs: Any, folder: str, turn: int) -> None:
    """Some of everything: small files, the large one from front to back and here and there, lists, writes."""
    fs.ls(folder)
    fs.cat_file(f"{folder}/small-{turn % _SMALL}")
    fs.pipe_file(f"{folder}/written-{os.getpid()}", b"w" * 1000)
    with fs.open(f"{folder}/large", block_size=64 * 1024) as file:
        for _ in range(8):
            file.read(128 * 1024)
        for _ in range(8):
            file.seek(random.randrange(0, 7 * 2**20))
            file.read(4096)


def main(told: Dict[str, Any]) -> None:
    """Work until nobody wants it any more."""
    fs = fsspec.filesystem("alluxiofs", **told["arguments"])
    fs.cat_file(f"{told['folder']}/small-0")
    AlluxioClient(**told["arguments"]).load(f"{told['folder']}/small-1", timeout=10)
    url = fs.describe()["telemetry"][0]["url"]
    # As the documentation has it for many processes.
    target = Path(told["targets"], f"{os.getpid()}.json")
    target.write_text(json.dumps([{"targets": [url.split("/")[2]]}]))
    sys.stdout.write(f"{url}\n")
    sys.stdout.flush()

    ended = threading.Event()

    def wait() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    turn = 0
    while not ended.wait(0.02):
        turn += 1
        with contextlib.suppress(OSError):  # without a fallback some reads fail, which is what is looked at
            work(fs, told["folder"], turn)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
