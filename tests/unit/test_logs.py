"""Logging into a file, where somebody asked for it."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Iterator

import pytest

from alluxiofs import LogConfig, setup_logger
from alluxiofs.errors import ConfigurationError, SettingTypeError
from alluxiofs.logs import fields
from alluxiofs.testing.guards import at_once


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "logs"
    for logger in list(logging.Logger.manager.loggerDict.values()):
        for handler in list(getattr(logger, "handlers", ())):
            if str(tmp_path) in getattr(handler, "baseFilename", ""):
                logger.removeHandler(handler)  # type: ignore[union-attr]  # a placeholder has no handlers
                handler.close()


def test_nothing_is_written_before_there_is_something_to_log(folder: Path) -> None:
    logger = setup_logger(LogConfig(path=str(folder)))
    assert not folder.exists()
    logger.debug("too little")
    assert not folder.exists()
    logger.info("enough")
    assert (folder / "alluxiofs.log").read_text("utf-8").rstrip().endswith("enough")


def test_one_configuration_is_one_logger_that_writes_once(folder: Path) -> None:
    one, other = setup_logger(LogConfig(path=folder, level="info")), setup_logger(LogConfig(path=str(folder)))
    assert one is other
    one.info("once")
    assert (folder / "alluxiofs.log").read_text("utf-8").count("once") == 1


def test_different_files_do_not_see_each_others_records(folder: Path) -> None:
    setup_logger(LogConfig(path=str(folder / "a"))).info("for a")
    setup_logger(LogConfig(path=str(folder / "b"))).info("for b")
    assert "for b" not in (folder / "a" / "alluxiofs.log").read_text("utf-8")


def test_it_is_a_child_of_the_packages_logger(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "alluxiofs"):
        setup_logger(LogConfig(path=str(folder))).info("seen by the parents, too")
    assert "seen by the parents, too" in caplog.text


def test_fields_are_at_the_end_of_a_line(folder: Path) -> None:
    logger = setup_logger(LogConfig(path=str(folder)))
    logger.info("a line\nand no more", extra=fields(operation="read", path='s3://b/a "b"', worker=None, seconds=0.5))
    (line,) = (folder / "alluxiofs.log").read_text("utf-8").splitlines()
    assert " alluxiofs: a line" in line
    assert line.endswith(r'a line\nand no more [operation="read" path="s3://b/a \"b\"" seconds=0.5]')


def test_json_is_an_object_a_line(folder: Path) -> None:
    logger = setup_logger(LogConfig(path=str(folder), format="json"))
    try:
        raise OSError("no\nroom")
    except OSError:
        logger.warning("could not read %s", "x", exc_info=True, extra=fields(reason="failed"))
    (line,) = (folder / "alluxiofs.log").read_text("utf-8").splitlines()
    found = json.loads(line)
    assert (found["level"], found["message"], found["reason"]) == ("WARNING", "could not read x", "failed")
    assert found["logger"] == "alluxiofs", "not the name that tells one file's logger from another's"
    assert "OSError" in found["exception"]
    assert "worker" not in found, "what is not known is not there"


def test_components_are_named_and_other_handlers_see_the_same_names(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    logger = setup_logger(LogConfig(path=str(folder), format="json"))
    logger.getChild("page_store").warning("is full")
    (line,) = (folder / "alluxiofs.log").read_text("utf-8").splitlines()
    assert json.loads(line)["logger"] == "alluxiofs.page_store"
    assert [record.name for record in caplog.records] == ["alluxiofs.page_store"]


def test_a_format_that_does_not_exist() -> None:
    with pytest.raises(ConfigurationError, match="'text' or 'json'"):
        LogConfig(format="xml")


def test_who_has_set_up_no_logging_sees_nothing() -> None:
    script = """
import fsspec
fs = fsspec.filesystem("alluxiofs", target_protocol="memory", worker_hosts="127.0.0.1:9", page_store=None)
fs.pipe_file("/quiet", b"0")
for _ in range(5):
    assert fs.cat_file("/quiet") == b"0"
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, timeout=60)
    assert (ran.stdout, ran.stderr) == (b"", b"")


@pytest.mark.parametrize("level", ["DEBUG", "warning", logging.ERROR])
def test_levels(level: Any) -> None:
    assert LogConfig(level=level).level in ("DEBUG", "WARNING", "ERROR")


@pytest.mark.parametrize("level", ["LOUD", 17])
def test_a_level_that_does_not_exist(level: Any) -> None:
    with pytest.raises(ConfigurationError, match="there is no such level"):
        LogConfig(level=level)


@pytest.mark.parametrize("arguments", [{"path": 3}, {"path": ""}, {"level": None}])
def test_of_the_wrong_type(arguments: Any) -> None:
    with pytest.raises(SettingTypeError, match="LogConfig"):
        LogConfig(**arguments)


@pytest.mark.parametrize("below", ["file", "file/folder"])
def test_a_log_that_cannot_be_written_breaks_nothing_and_is_told_once(
    tmp_path: Path, below: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_bytes(b"no folder")
    logger = setup_logger(LogConfig(path=str(tmp_path / below)))
    for _ in range(3):
        logger.warning("a worker fails")
    said = capsys.readouterr().err
    assert said.count("--- Logging error ---") == 1
    assert str(tmp_path / below) in said


def test_the_level_of_a_file_is_not_that_of_other_handlers(folder: Path) -> None:
    shown, root = io.StringIO(), logging.getLogger()
    screen = logging.StreamHandler(shown)
    before = root.level
    root.addHandler(screen)
    root.setLevel(logging.WARNING)
    try:
        logger = setup_logger(LogConfig(path=str(folder), level="DEBUG"))
        logger.debug("a detail")
        logger.getChild("transport").warning("a worker fails")
    finally:
        root.setLevel(before)
        root.removeHandler(screen)
    text = (folder / "alluxiofs.log").read_text("utf-8")
    assert "a detail" in text
    assert "a worker fails" in text
    assert shown.getvalue() == "a worker fails\n"


def test_threads_that_come_at_once_add_one_handler(folder: Path) -> None:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for number in range(20):
            config = LogConfig(path=str(folder / str(number)))
            at_once(*[lambda config=config: setup_logger(config)] * 8)
            setup_logger(config).info("once")
            assert (folder / str(number) / "alluxiofs.log").read_text("utf-8").count("once") == 1
    finally:
        sys.setswitchinterval(interval)


def test_a_handler_of_the_application_may_use_a_filesystem_while_another_thread_logs(folder: Path) -> None:
    """One thread is in the application's handler, which logs of its own; another one waits for that handler."""
    logger, application = setup_logger(LogConfig(path=str(folder))), logging.getLogger("application")
    inside, waiting = threading.Event(), threading.Event()

    class Shipping(logging.Handler):
        def filter(self, record: logging.LogRecord) -> Any:
            if record.getMessage() == "a worker fails":
                waiting.set()  # next it wants this handler's lock
            return super().filter(record)

        def emit(self, record: logging.LogRecord) -> None:
            if record.name == "application":
                inside.set()
                waiting.wait(20)
                logger.warning("a file was written")

    handler = Shipping()
    logging.getLogger().addHandler(handler)
    try:
        first = threading.Thread(target=application.warning, args=("shipped",), daemon=True)
        first.start()
        assert inside.wait(20)
        second = threading.Thread(target=logger.warning, args=("a worker fails",), daemon=True)
        second.start()
        for thread in (first, second):
            thread.join(20)
            assert not thread.is_alive()
    finally:
        logging.getLogger().removeHandler(handler)
    assert (folder / "alluxiofs.log").read_text("utf-8").count("\n") == 2


def test_a_file_that_the_application_has_taken_away_is_written_again_when_it_is_asked_for(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    logger = setup_logger(LogConfig(path=str(folder)))
    (file,) = (handler for handler in logger.handlers if isinstance(handler, logging.FileHandler))
    logger.removeHandler(file)
    file.close()
    assert setup_logger(LogConfig(path=str(folder))) is logger
    logger.warning("once")
    assert (folder / "alluxiofs.log").read_text("utf-8").count("once") == 1
    assert [(record.name, record.getMessage()) for record in caplog.records] == [("alluxiofs", "once")]
