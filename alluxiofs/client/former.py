"""What ``AlluxioClient`` of alluxiofs 1 had beside load jobs: what is understood, and what to use for the rest."""

from __future__ import annotations

from typing import Any, List, Optional, Union

from alluxiofs.client.status import AlluxioPathStatus
from alluxiofs.errors import ConfigurationError, SettingTypeError
from alluxiofs.gateway import Gateway

__all__ = ["ANSWERED", "FormerCalls"]

_FS = "AlluxioFileSystem, made with the same arguments, has it:"

ANSWERED = {
    "convert_ufs_path_to_alluxio_path": "nothing is to be converted: paths are the under store's own, or its URLs",
    "cp": f"{_FS} fs.cp(path1, path2, recursive=True)",
    "read_batch": f"{_FS} fs.cat(paths), or fs.cat_ranges(paths, starts, ends)",
    "read_batch_threaded": f"{_FS} fs.cat(paths), or fs.cat_ranges(paths, starts, ends)",
    "read_chunked": f"{_FS} fs.open(path), which reads ahead by itself",
    "read_file_range_normal": f"{_FS} fs.cat_file(path, start, end)",
    "rm": f"{_FS} fs.rm(path, recursive=…, remove_alluxio_only=…)",
    "write_chunked": f"{_FS} fs.open(path, 'wb')",
    "write_page": "pages are not written by themselves: fs.open(path, 'wb') of AlluxioFileSystem writes files",
}
"""Calls that are gone, and what to use now."""


class FormerCalls:
    """Calls that one call of the gateway stands for. New programs use :class:`alluxiofs.AlluxioFileSystem`."""

    @property
    def gateway(self) -> Gateway:
        """The read and write path."""
        raise NotImplementedError

    def listdir(self, path: str) -> List[AlluxioPathStatus]:
        """What is in a directory, or the file itself; ``fs.ls(path, detail=True)``."""
        gateway = self.gateway
        location = gateway.locate(path)
        return [AlluxioPathStatus.of(entry, gateway.child(location, entry.name)) for entry in gateway.list(location)]

    def get_file_status(self, path: str) -> AlluxioPathStatus:
        """What is known of a path; ``fs.info(path)``."""
        location = self.gateway.locate(path)
        return AlluxioPathStatus.of(self.gateway.stat(location), location)

    def read(self, file_path: str) -> bytes:
        """The content of a file; ``fs.cat_file(path)``."""
        return self.gateway.read_range(self.gateway.locate(file_path))

    def read_range(self, file_path: str, offset: int, length: int) -> bytes:
        """So many bytes of a file (-1: all that are left); ``fs.cat_file(path, start, end)``.

        Raises
        ------
        ConfigurationError
            For a negative offset, or another negative length.
        """
        if offset < 0 or length < -1:
            raise ConfigurationError(
                f"offset={offset}, length={length}: bytes are counted from the beginning, and a length of -1 means all "
                "that are left"
            )
        return self.gateway.read_range(self.gateway.locate(file_path), offset, None if length < 0 else offset + length)

    def read_file_range(
        self, file_path: str, alluxio_path: Any = None, offset: Optional[int] = None, length: Optional[int] = None
    ) -> bytes:
        """As :meth:`read_range`; ``alluxio_path`` of 1.1 is not needed any more. A number in its place is the offset
        and what follows it the length, as in 1.0.

        Raises
        ------
        SettingTypeError
            For a number in the place of ``alluxio_path`` and an offset and a length besides.
        """
        if isinstance(alluxio_path, int):
            if offset is not None and length is not None:
                raise SettingTypeError(
                    f"read_file_range(): {alluxio_path} in the place of a path, and offset={offset}, length={length}: "
                    "use read_range(path, offset, length)"
                )
            offset, length = alluxio_path, offset if length is None else length
        return self.read_range(file_path, 0 if offset is None else offset, -1 if length is None else length)

    def head(self, file_path: str, num_of_bytes: int = 1024) -> bytes:
        """The first bytes of a file; ``fs.head(path, num_of_bytes)``."""
        return self.gateway.read_range(self.gateway.locate(file_path), 0, num_of_bytes)

    def tail(self, file_path: str, num_of_bytes: int = 1024) -> bytes:
        """The last bytes of a file; ``fs.tail(path, num_of_bytes)``."""
        location = self.gateway.locate(file_path)
        return self.gateway.read_range(location, -num_of_bytes) if num_of_bytes else b""

    def write(self, file_path: str, file_bytes: Union[bytes, bytearray, memoryview]) -> bool:
        """Write a file anew; ``fs.pipe_file(path, data)``."""
        writer = self.gateway.create(self.gateway.locate(file_path), size_hint=len(file_bytes))
        try:
            writer.write(memoryview(file_bytes))
            writer.commit()
        except BaseException:
            writer.abort()
            raise
        return True

    def mkdir(self, file_path: str) -> bool:
        """Make a directory; ``fs.mkdir(path)``."""
        self.gateway.make_directory(self.gateway.locate(file_path))
        return True

    def touch(self, file_path: str) -> bool:
        """Make an empty file; ``fs.touch(path)``."""
        self.gateway.touch(self.gateway.locate(file_path))
        return True

    def mv(self, path1: str, path2: str) -> bool:
        """Move a file; ``fs.mv(path1, path2)``."""
        self.gateway.move(self.gateway.locate(path1), self.gateway.locate(path2))
        return True

    def __getattr__(self, name: str) -> Any:
        if name in ANSWERED:
            raise AttributeError(f"AlluxioClient.{name} of alluxiofs 1 is gone. {ANSWERED[name]}")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
