"""Logging into a file, for those who ask for it; else everything goes to the logger ``alluxiofs`` and its handlers."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import Any, Optional, Union

from attrs import define, field

from alluxiofs.errors import ConfigurationError, SettingTypeError, nearest

__all__ = ["LOGGER_NAME", "LogConfig", "setup_logger"]

LOGGER_NAME = "alluxiofs"
"""The logger of this package; components log to its children."""

_FILE = "alluxiofs.log"
_FORMAT = "%(asctime)s %(levelname)s %(process)d %(threadName)s %(name)s: %(message)s"
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def _as_path(value: Any) -> str:
    if not isinstance(value, (str, Path)) or not str(value):
        raise SettingTypeError(f"LogConfig(path={value!r}): it is the path of a folder")
    return str(value)


def _as_level(value: Any) -> str:
    name = logging.getLevelName(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(name, str):
        raise SettingTypeError(f"LogConfig(level={value!r}): it is the name of a level: {', '.join(_LEVELS)}")
    if name.upper() not in _LEVELS:
        raise ConfigurationError(
            f"LogConfig(level={value!r}): there is no such level{nearest(name.upper(), _LEVELS)} ({', '.join(_LEVELS)})"
        )
    return name.upper()


@define(frozen=True)
class LogConfig:
    """Where to log to, and how much.

    Parameters
    ----------
    path:
        A folder; the file in it is ``alluxiofs.log``. Both are made with the first record that is logged.
    level:
        The least serious level that is logged: ``"DEBUG"``, ``"INFO"``, ``"WARNING"``, ``"ERROR"``, ``"CRITICAL"``.
    """

    path: str = field(default=".", converter=_as_path)
    level: str = field(default="INFO", converter=_as_level)


class _LateFileHandler(logging.FileHandler):
    """Makes the folder and the file when there is something to write."""

    def __init__(self, file: Path) -> None:
        super().__init__(file, encoding="utf-8", delay=True)

    def _open(self) -> Any:
        Path(self.baseFilename).parent.mkdir(parents=True, exist_ok=True)
        return super()._open()


def setup_logger(
    config: Union[LogConfig, str, Path, None] = None,
    level_str: Optional[str] = None,
    *,
    file_path: Optional[str] = None,
) -> logging.Logger:
    """A logger that writes to a file.

    Parameters
    ----------
    config:
        Where to and how much; by default a file in the current folder. A text is the path of a folder.
    file_path, level_str:
        What alluxiofs 1 calls the path and the level of a :class:`LogConfig`, in the place of one.

    Returns
    -------
    logging.Logger
        A child of ``alluxiofs``, the same one for equal configurations, so that each record is written once. What it
        logs goes to the handlers of its parents, too.
    """
    if not isinstance(config, LogConfig):
        path = config if file_path is None else file_path
        config = LogConfig("." if path is None else path, level_str or "INFO")
    elif file_path is not None or level_str is not None:
        raise ConfigurationError("setup_logger(): a LogConfig says where to log to, and how much")
    file = Path(config.path).expanduser().absolute() / _FILE
    # One logger a file and level: two filesystems that log to different files do not see each other's records.
    digest = hashlib.blake2b(str(file).encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
    logger = logging.getLogger(f"{LOGGER_NAME}.to-file-{digest}-{config.level.lower()}")
    logger.setLevel(config.level)
    if not logger.handlers:
        handler = _LateFileHandler(file)
        handler.setFormatter(logging.Formatter(_FORMAT))
        logger.addHandler(handler)
    return logger
