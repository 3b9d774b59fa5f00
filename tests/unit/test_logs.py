"""Logging into a file, where somebody asked for it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Iterator

import pytest

from alluxiofs import LogConfig, setup_logger
from alluxiofs.errors import ConfigurationError, SettingTypeError


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
