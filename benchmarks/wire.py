"""Who asks the same stand-in worker: a loop over a bare socket, a plain urllib3 pool, and ourselves."""

from __future__ import annotations

import json
import socket
from typing import Any, Dict, Iterator, List, Optional, Tuple, Union
from urllib.parse import quote

import fsspec
import urllib3

from alluxiofs.testing.stand_in_workers import StandInCluster, file_id

__all__ = ["PIECE", "BareSocket", "Ours", "Straight", "Targets", "Urllib3", "expect"]

PIECE = 2**20
_END = b"\r\n\r\n"


def expect(found: Any, wanted: Any) -> None:
    """``ValueError`` unless both are equal: what is fast and wrong is no result."""
    if found != wanted:
        raise ValueError(f"WRONG: {str(found)[:80]} where {str(wanted)[:80]} was expected")


class Targets:
    """What is asked of a worker for a piece of work, in either dialect.

    Parameters
    ----------
    cluster:
        With one worker.
    """

    def __init__(self, cluster: StandInCluster) -> None:
        self.cluster = cluster
        (self.member,) = cluster.members
        self.is_rest = cluster.arguments["transport"]["dialect"] == "rest"
        self.page = cluster.page_size

    @property
    def port(self) -> int:
        """Where content is asked for."""
        return self.member.data_port if self.is_rest else self.member.http_port

    def read(self, name: str, offset: int, size: int) -> List[Any]:
        """Targets and ranges that together are a range of a file."""
        if self.is_rest:
            return [(f"/mnt/{name}", (offset, offset + size))]
        base = f"/v1/file/{file_id(self.cluster.url(name))}/page/"
        found: List[Any] = []
        end = offset + size
        while offset < end:
            index, begin = divmod(offset, self.page)
            length = min(end - offset, self.page - begin)
            found.append((f"{base}{index}?offset={begin}&length={length}", None))
            offset += length
        return found

    def about(self, point: str, name: str) -> str:
        """The target of ``info`` or ``files``."""
        url = self.cluster.url(name)
        return f"/v1/{point}?path={quote(url, safe=':/')}"


class BareSocket:
    """As little as can be: one connection, one ``sendall``, ``recv_into`` until all is there."""

    def __init__(self, targets: Targets, port: Optional[int] = None) -> None:
        self._targets = targets
        self._socket = socket.create_connection((targets.member.host, port or targets.port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray(2**16)
        self._host = f"{targets.member.host}:{port or targets.port}"

    def close(self) -> None:
        self._socket.close()

    def read_into(self, name: str, offset: int, view: memoryview) -> None:
        begin = 0
        for target, span in self._targets.read(name, offset, len(view)):
            begin += self._ask(target, span, view[begin:])
        expect(begin, len(view))

    def get(self, target: str) -> bytes:
        got, length = self._send(target, None)
        body = bytearray(length)
        done = len(got)
        body[:done] = got
        with memoryview(body) as view:
            while done < length:
                done += _some(self._socket.recv_into(view[done:]))
        return bytes(body)

    def _ask(self, target: str, span: Any, view: memoryview) -> int:
        got, length = self._send(target, span)
        done = len(got)
        view[:done] = got
        while done < length:
            count = self._socket.recv_into(view[done:length])
            done += _some(count)
        return length

    def _send(self, target: str, span: Any) -> Tuple[bytes, int]:
        extra = "" if span is None else f"range: bytes={span[0]}-{span[1] - 1}\r\n"
        self._socket.sendall(f"GET {target} HTTP/1.1\r\nhost: {self._host}\r\n{extra}\r\n".encode())
        buffer, end = self._buffer, 0
        with memoryview(buffer) as whole:
            while True:
                count = self._socket.recv_into(whole[end:])
                end += _some(count)
                at = buffer.find(_END, 0, end)
                if at >= 0:
                    break
        head = bytes(buffer[:at]).lower()
        begin = head.index(b"content-length:") + 15
        stop = head.find(b"\r\n", begin)
        return bytes(buffer[at + 4 : end]), int(head[begin : stop if stop >= 0 else len(head)])


def _some(count: int) -> int:
    if not count:
        raise ConnectionError("the worker closed the connection")
    return count


class Urllib3:
    """A plain pool of urllib3."""

    def __init__(self, targets: Targets, connections: int = 1) -> None:
        self._targets = targets
        self._pools = {
            port: urllib3.HTTPConnectionPool(targets.member.host, port, maxsize=connections)
            for port in {targets.port, targets.member.http_port}
        }

    def close(self) -> None:
        for pool in self._pools.values():
            pool.close()

    def read_into(self, name: str, offset: int, view: memoryview) -> None:
        begin = 0
        for target, span in self._targets.read(name, offset, len(view)):
            headers = {} if span is None else {"range": f"bytes={span[0]}-{span[1] - 1}"}
            answer = self._pools[self._targets.port].urlopen("GET", target, headers=headers, preload_content=False)
            with view[begin:] as rest:
                while True:
                    count = answer.readinto(rest[: 2**20])
                    if not count:
                        break
                    begin += count
                    rest = rest[count:]
            answer.release_conn()
        expect(begin, len(view))

    def get(self, target: str) -> bytes:
        body: bytes = self._pools[self._targets.member.http_port].urlopen("GET", target).data
        return body


class Straight:
    """What a program would do that speaks to a worker by itself."""

    def __init__(self, targets: Targets, client: Union[BareSocket, Urllib3], about: Union[BareSocket, Urllib3]) -> None:
        self._targets, self._client, self._about = targets, client, about

    def pieces(self, name: str, size: int) -> Iterator[memoryview]:
        """A file, a piece after the other."""
        with memoryview(bytearray(PIECE)) as buffer:
            for offset in range(0, size, PIECE):
                self._client.read_into(name, offset, buffer)
                yield buffer

    def whole(self, name: str, size: int) -> memoryview:
        """A file as it is."""
        buffer = memoryview(bytearray(size))
        self._client.read_into(name, 0, buffer)
        return buffer

    def info(self, name: str) -> int:
        """The length of a file."""
        length: int = json.loads(self._about.get(self._targets.about("info", name)))[0]["mLength"]
        return length

    def entries(self, name: str) -> int:
        """How many there are in a folder."""
        return len(json.loads(self._about.get(self._targets.about("files", name))))


class Ours:
    """The filesystem, as its documentation says it is made, with pages kept nowhere."""

    def __init__(self, targets: Targets) -> None:
        self._targets = targets
        made: Dict[str, Any] = {**targets.cluster.arguments, "metadata": "worker"}
        self.fs = fsspec.filesystem("alluxiofs", target_protocol="file", skip_instance_cache=True, **made)

    def path(self, name: str) -> str:
        """What a file is called."""
        return self._targets.cluster.url(name)

    def pieces(self, name: str, size: int) -> Iterator[memoryview]:
        """A file, a piece after the other."""
        with self.fs.open(self.path(name)) as file, memoryview(bytearray(PIECE)) as buffer:
            while file.readinto(buffer):
                yield buffer

    def whole(self, name: str, size: int) -> memoryview:
        """A file as it is."""
        return memoryview(self.fs.cat_file(self.path(name)))

    def info(self, name: str) -> int:
        """The length of a file, as it is now."""
        length: int = self.fs.info(self.path(name), refresh=True)["size"]
        return length

    def entries(self, name: str) -> int:
        """How many there are in a folder now."""
        return len(self.fs.ls(self.path(name), detail=False, refresh=True))
