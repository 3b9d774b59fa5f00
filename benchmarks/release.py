"""alluxiofs 1.1.17 in an environment of its own, for others to be measured against.

This module is run by that environment's Python, too, as a program that does what it is told on its standard input; so
it imports nothing of this project.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

__all__ = ["DATA_PORT", "Release", "release"]

VERSION = "1.1.17"
DATA_PORT = 29998
"""It reads from no other port of a worker."""

_AT = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "alluxiofs-benchmarks" / f"alluxiofs-{VERSION}"


class Release:
    """The process, and how it is told what to do."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, what: str, **arguments: Any) -> Dict[str, float]:
        """Have something done: the seconds and the CPU seconds that it took. ``RuntimeError`` if it failed."""
        told: Any = self._process.stdin
        try:
            told.write(json.dumps({"what": what, **arguments}) + "\n")
            told.flush()
        except BrokenPipeError:
            raise RuntimeError("its process has ended") from None
        heard: Any = self._process.stdout
        line = heard.readline()
        answer: Dict[str, Any] = json.loads(line) if line else {"error": "its process has ended"}
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer


@contextlib.contextmanager
def release(host: str, http_port: int, protocol: str) -> Iterator[Release]:
    """A process with a filesystem of that release over one worker. ``RuntimeError`` if it cannot be installed."""
    python = _installed()
    settings = {"worker_hosts": f"{host}:{http_port}", "target_protocol": protocol}
    process = subprocess.Popen(
        [str(python), str(Path(__file__).absolute()), json.dumps(settings)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=str(_AT),  # where it writes its log
    )
    try:
        yield Release(process)
    finally:
        process.kill()
        process.communicate()


def _installed() -> Path:
    python = _AT / ("Scripts" if os.name == "nt" else "bin") / "python"
    done = _AT / f"{VERSION}.done"
    if done.exists():
        return python
    for words in (["venv", str(_AT)], ["pip", "install", "--quiet", f"alluxiofs=={VERSION}"]):
        command = [sys.executable if words[0] == "venv" else str(python), "-m", *words]
        found = subprocess.run(command, capture_output=True, text=True, check=False)
        if found.returncode:
            raise RuntimeError(f"alluxiofs {VERSION} cannot be installed: {(found.stderr.splitlines() or ['?'])[-1]}")
    done.touch()
    return python


# --- in its process -----------------------------------------------------------------------------------------------


def _expect(found: Any, wanted: Any) -> None:
    if found != wanted:
        raise ValueError(f"WRONG: {found!r} where {wanted!r} was expected")


def _reads(fs: Any, path: str, named: str, offsets: List[List[int]], size: int) -> None:
    def thread(own: List[int]) -> None:
        for offset in own:
            _expect(len(fs.alluxio.read_file_range(path, named, offset, size)), size)

    threads = [threading.Thread(target=thread, args=(own,)) for own in offsets[1:]]
    for one in threads:
        one.start()
    thread(offsets[0])
    for one in threads:
        one.join()


def _stream(fs: Any, path: str, length: int) -> None:
    with fs.open(path) as file:
        got = 0
        while True:
            piece = file.read(2**20)
            if not piece:
                break
            got += len(piece)
    _expect(got, length)


def _whole(fs: Any, path: str, length: int) -> None:
    _expect(len(fs.cat_file(path)), length)


def _info(fs: Any, path: str, times: int) -> None:
    for _ in range(times):
        _expect(fs.alluxio.get_file_status(path).type, "file")


def _list(fs: Any, path: str, count: int) -> None:
    _expect(len(fs.alluxio.listdir(path)), count)


def _main() -> None:
    # The release prints; what is told here is JSON and nothing else.
    told, sys.stdout = sys.stdout, sys.stderr
    from alluxiofs import AlluxioFileSystem

    settings = json.loads(sys.argv[1])
    logger: Any = logging.getLogger("quiet")
    logger.setLevel(logging.CRITICAL)
    fs: Any = AlluxioFileSystem(logger=logger, **settings)
    works: Dict[str, Callable[..., None]] = {
        "reads": _reads,
        "stream": _stream,
        "whole": _whole,
        "info": _info,
        "list": _list,
    }
    for line in sys.stdin:
        asked = json.loads(line)
        work = works[asked.pop("what")]
        begun, cpu = time.perf_counter(), time.process_time()
        try:
            work(fs, **asked)
            answer: Dict[str, Any] = {"seconds": time.perf_counter() - begun, "cpu": time.process_time() - cpu}
        except Exception as error:  # whatever it is, it is told to the other side
            answer = {"error": f"{type(error).__name__}: {error}"[:300]}
        told.write(json.dumps(answer) + "\n")
        told.flush()


if __name__ == "__main__":
    _main()
