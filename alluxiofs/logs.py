"""Logging into a file, for those who ask for it; else everything goes to the logger ``alluxiofs`` and its handlers.

Records have fields, for those who look for a worker or a path and do not want to take sentences apart: attributes of
the record, as far as they are known (:data:`FIELDS`).
"""

from __future__ import annotations

import datetime
import functools
import hashlib
import json
import logging
import threading
from pathlib import Path
from typing import Any, Dict, Optional, Union

from attrs import define, field

from alluxiofs import forks
from alluxiofs.errors import ConfigurationError, SettingTypeError, hidden_text, nearest

__all__ = ["FIELDS", "LOGGER_NAME", "LogConfig", "fields", "setup_logger"]

LOGGER_NAME = "alluxiofs"
"""The logger of this package; components log to its children."""

FIELDS = ("operation", "path", "worker", "component", "reason", "seconds")
"""What a record may say besides its sentence: the operation, the full URL, ``host:port`` of the worker, the name of the
transport or store, in one word why (as the metrics have it), and how long it took."""

_FILE = "alluxiofs.log"
_FORMAT = "%(asctime)s %(levelname)s %(process)d %(threadName)s %(name)s: %(message)s"
_FORMATS = ("text", "json")
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


def _as_format(value: Any) -> str:
    if value not in _FORMATS:
        raise ConfigurationError(f"LogConfig(format={value!r}): it is {' or '.join(map(repr, _FORMATS))}")
    return str(value)


@define(frozen=True)
class LogConfig:
    """Where to log to, and how much.

    Parameters
    ----------
    path:
        A folder; the file in it is ``alluxiofs.log``. Both are made with the first record that is logged.
    level:
        The least serious level that is logged: ``"DEBUG"``, ``"INFO"``, ``"WARNING"``, ``"ERROR"``, ``"CRITICAL"``.
    format:
        ``"text"``: lines for people, with the fields at their ends. ``"json"``: an object a line.
    """

    path: str = field(default=".", converter=_as_path)
    level: str = field(default="INFO", converter=_as_level)
    format: str = field(default="text", converter=_as_format)


def fields(**known: Any) -> Dict[str, Any]:
    """What is passed as ``extra`` with a record: those of :data:`FIELDS` that are known. A URL has no credentials."""
    if isinstance(known.get("path"), str):
        known["path"] = hidden_text(known["path"])
    return {name: value for name, value in known.items() if value is not None and value != ""}


def _fields_of(record: logging.LogRecord) -> Dict[str, Any]:
    return {name: vars(record)[name] for name in FIELDS if name in vars(record)}


class _TextFormatter(logging.Formatter):
    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # the name that logging calls
        """The line, and the fields at its end."""
        found = _fields_of(record)
        more = " ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in found.items())
        line = super().formatMessage(record).replace("\n", "\\n")  # or a name could write lines of its own
        return f"{line} [{more}]" if more else line


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """An object, in one line whatever is in it."""
        time = datetime.datetime.fromtimestamp(record.created, tz=datetime.timezone.utc)
        document: Dict[str, Any] = {
            "time": time.isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "process": record.process,
            "thread": record.threadName,
            "logger": record.name,
            "message": record.getMessage(),
            **_fields_of(record),
        }
        if record.exc_info:
            document["exception"] = self.formatException(record.exc_info)
        return json.dumps(document, ensure_ascii=False, default=str)


_FORMATTERS = {"text": _TextFormatter, "json": _JsonFormatter}


class _LateFileHandler(logging.FileHandler):
    """Makes the folder and the file when there is something to write. Where it cannot, that is said once, and whoever
    logs goes on."""

    def __init__(self, file: Path) -> None:
        super().__init__(file, encoding="utf-8", delay=True)
        self._said = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write it."""
        try:
            super().emit(record)
        except OSError:  # of opening: what writing raises is caught there
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # the name that logging calls
        """Say on the standard error stream, as every handler does, that something could not be written."""
        if not self._said:
            self._said = True
            super().handleError(record)

    def _open(self) -> Any:
        Path(self.baseFilename).parent.mkdir(parents=True, exist_ok=True)
        return super()._open()


class _ToParent(logging.Handler):
    """Passes on what the parent logs, too: a file of details is not to be on everybody's screen as well."""

    def handle(self, record: logging.LogRecord) -> bool:
        """Pass it on. No lock is held meanwhile: a handler of the parents, which has its own, may read a file."""
        parent = logging.getLogger(LOGGER_NAME)
        if parent.isEnabledFor(record.levelno):
            parent.handle(record)
        return True


def _name_as_ours(own: str, record: logging.LogRecord) -> bool:
    """Have a record say the name that users know: this handler sees it first, and those of the parents after it."""
    if record.name.startswith(own):
        record.name = LOGGER_NAME + record.name[len(own) :]
    return True


_setting_up = threading.Lock()


def _begin_anew() -> None:
    global _setting_up
    _setting_up = threading.Lock()  # a thread that is only the parent's may have it


forks.in_child(_begin_anew)


def setup_logger(
    config: Union[LogConfig, str, Path, None] = None,
    level_str: Union[str, int, None] = None,
    *,
    file_path: Optional[str] = None,
    level: Union[str, int, None] = None,
) -> logging.Logger:
    """A logger that writes to a file.

    Parameters
    ----------
    config:
        Where to and how much; by default a file in the current folder. A text is the path of a folder.
    file_path, level_str, level:
        What alluxiofs 1 calls the path and, in its later and earlier releases, the level of a :class:`LogConfig`, in
        the place of one.

    Returns
    -------
    logging.Logger
        A child of ``alluxiofs``, the same one for equal configurations, so that each record is written once. What it
        logs goes to the handlers of its parents, too, from the level on that ``alluxiofs`` has, or has from them: the
        file's own level is the file's alone. Its records say ``alluxiofs``, those of its children
        ``alluxiofs.…``: its own name only tells one file's logger from another's.
    """
    level_str = level if level_str is None else level_str
    if not isinstance(config, LogConfig):
        path = config if file_path is None else file_path
        config = LogConfig("." if path is None else path, "INFO" if level_str is None else level_str)
    elif file_path is not None or level_str is not None:
        raise ConfigurationError("setup_logger(): a LogConfig says where to log to, and how much")
    file = Path(config.path).expanduser().absolute() / _FILE
    # One logger a file, level and format: two filesystems that log to different files do not see each other's records.
    digest = hashlib.blake2b(str(file).encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
    logger = logging.getLogger(f"{LOGGER_NAME}.to-file-{digest}-{config.level.lower()}-{config.format}")
    with _setting_up:
        there = list(logger.handlers)
        if not any(isinstance(one, _LateFileHandler) for one in there):  # or the application has taken it away
            for one in there:
                logger.removeHandler(one)
            handler = _LateFileHandler(file)
            handler.setFormatter(_FORMATTERS[config.format](_FORMAT))
            handler.addFilter(functools.partial(_name_as_ours, logger.name))
            for one in (handler, _ToParent(), *(other for other in there if not isinstance(other, _ToParent))):
                logger.addHandler(one)
            logger.propagate = False
            logger.setLevel(config.level)
    return logger


def _quiet() -> None:
    """Who has set up no logging sees nothing of it, not even on the standard error stream."""
    logger = logging.getLogger(LOGGER_NAME)
    if not any(isinstance(handler, logging.NullHandler) for handler in logger.handlers):
        logger.addHandler(logging.NullHandler())


_quiet()
